"""A path, or a name in it, is longer than the file system takes.

## What it means
A file system takes 255 bytes for one name (143 on eCryptfs), the kernel 4095 for a whole path. A
name made by a script, or letters beyond ASCII, which take several bytes each, pass that.

## How to confirm
`stat PATH` says "File name too long".

## What to do
Give it a shorter name, and correct it in the definition.

## Strings it goes by
- `cannot access '/img/...': File name too long`
- `Could not open '/img/...': File name too long`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import places
from virtup.causes.finding import NOWHERE, Certainty, Finding
from virtup.causes.paths import failures, file_probes
from virtup.causes.usage import Role, files
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess

CODE = "VU534"
SLUG = "file-name-too-long"

NAME_MAX, PATH_MAX = 255, 4095
_NAME = "x" * 300
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", f"file=/img/{_NAME},format=raw,if=virtio")
POSITIVE = (
    Evidence(stderr=f"qemu: could not open kernel file '/boot/{_NAME}': File name too long\n"),
    Evidence(phase="prepare", error=f"cannot access '/img/{_NAME}': File name too long"),
    Evidence(phase="check", argv=_ARGV, uid=991),
)
NEGATIVE = (
    Evidence(phase="check", argv=(*_ARGV[:2], "file=/img/a.qcow2"), uid=991),
    Evidence(stderr="qemu: could not open kernel file '/boot/k': No such file or directory\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the files, as the others do: the names themselves tell this."""
    return file_probes(ev, tuple(Role))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each path that is told, or is, too long."""
    told = {one.path: one.seen for one in failures(ev) if one.errno == errno.ENAMETOOLONG}
    for refused in places.refused(ev):
        if refused.errno == errno.ENAMETOOLONG and refused.seen is not None:
            told.setdefault(refused.path, refused.seen)
    named = [use.path for use in files(ev.argv) if ev.ahead and _is_too_long(use.path)]
    for path in dict.fromkeys([*told, *named]):
        seen = told.get(path)
        longest = max(
            path.split("/"), key=lambda name: len(name.encode("utf-8", "surrogateescape"))
        )
        bytes_of = len(longest.encode("utf-8", "surrogateescape"))
        shown = f"'{longest[:20]}…'" if len(longest) > 20 else f"'{longest}'"
        yield _found(
            f"A name in a path is too long: {shown} has {bytes_of} bytes, and a file system takes "
            f"{NAME_MAX}.",
            path,
            Certainty.PROVEN if bytes_of > NAME_MAX else Certainty.LIKELY,
            (
                *((seen.quote,) if seen else ()),
                f"the command line: the name {shown} of {bytes_of} bytes",
            ),
            (edit("rename it to something shorter, and correct its path"),),
            seen.at if seen else NOWHERE,
        )


def _is_too_long(path: str) -> bool:
    raw = path.encode("utf-8", "surrogateescape")
    return len(raw) > PATH_MAX or any(len(name) > NAME_MAX for name in raw.split(b"/"))
