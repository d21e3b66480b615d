"""The initrd does not fit into the guest's memory.

## What it means
QEMU loads the kernel's initial file system into the guest's memory before it starts, below what the
kernel says that it can use and within the memory below 4 GiB. An installer's initrd, or one with
all of a distribution's drivers, may have hundreds of MiB.

## How to confirm
`ls -l INITRD` against `<memory>`.

## What to do
Give the guest more memory (an initrd is unpacked there as well, so some three times its size), or
make it smaller: `MODULES=dep` in initramfs-tools, `hostonly=yes` in dracut.

## Strings it goes by
- `qemu: initrd is too large, cannot support.(max: 100499455, need 314572800)`
- `memory too small for initrd image '/boot/initrd.img' at address 0x2000000`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding
from virtup.causes.paths import access
from virtup.causes.usage import FileUse, Role, files, memory_kib
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU532"
SLUG = "initrd-too-large"

_WORDS = re.compile(
    r"initrd is too large, cannot support[^\n]*|memory too small for initrd(?: image '(?P<path>[^'\n]+)')?[^\n]*",
    re.IGNORECASE,
)
_SAID = "qemu: initrd is too large, cannot support.(max: 100499455, need 314572800)\n"
_ARGV = ("/usr/bin/qemu-system-x86_64", "-m", "size=98304k", "-initrd", "/boot/initrd.img")
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, argv=_ARGV),
    Evidence(
        phase="check",
        argv=_ARGV,
        uid=991,
        host={PathAccess("/boot/initrd.img", "read", 991): PathFact(exists=True, size=314572800)},
    ),
)
NEGATIVE = (
    Evidence(
        phase="check",
        argv=_ARGV,
        uid=991,
        host={PathAccess("/boot/initrd.img", "read", 991): PathFact(exists=True, size=31457280)},
    ),
    Evidence(stderr="qemu: error reading initrd /boot/initrd.img: No such file or directory\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the size of the initrd."""
    if ev.uid is not None:
        yield from (access(ev, use) for use in _initrds(ev))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when QEMU says so, or when the file has as much as the whole memory."""
    seen = said(ev).find(_WORDS)
    memory = memory_kib(ev.argv)
    for use in _initrds(ev):
        fact = ev.fact(access(ev, use))
        size = fact.size if fact is not None else -1
        if seen is None and not (ev.ahead and 0 < memory * 1024 <= size):
            continue
        kib = f" ({size >> 20} MiB)" if size >= 0 else ""
        room = f" {memory >> 10} MiB of" if memory else ""
        shown = (f"this host: '{use.path}' has {size} bytes",) if size >= 0 else ()
        yield _found(
            f"The initrd '{use.path}'{kib} does not fit into the guest's{room} memory.",
            use.path,
            Certainty.PROVEN if size >= 0 else Certainty.LIKELY,
            (*((seen.quote,) if seen else ()), *shown),
            (edit("raise <memory> (to three times the initrd's size), or name a smaller initrd"),),
            seen.at if seen else NOWHERE,
        )
    if seen is not None and not _initrds(ev):
        noun = f"The initrd '{seen['path']}'" if seen["path"] else "The initrd"
        sentence = f"{noun} does not fit into the guest's memory."
        fixes = (edit("raise <memory>, or name a smaller initrd"),)
        yield _found(
            sentence, seen["path"] or "the initrd", Certainty.LIKELY, (seen.quote,), fixes, seen.at
        )


def _initrds(ev: Evidence) -> list[FileUse]:
    return [use for use in files(ev.argv) if use.role is Role.INITRD]
