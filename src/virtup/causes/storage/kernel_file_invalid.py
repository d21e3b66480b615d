"""The file given as kernel is no kernel that QEMU can boot, or is cut short.

## What it means
`<kernel>` names a file without the header of a Linux kernel: a disk image, an archive, a kernel
of another architecture, an empty or half-downloaded file.

## How to confirm
`file PATH` prints 'Linux kernel x86 boot executable bzImage' (or 'PE32+ ... EFI application')
for one that boots; compare its size.

## What to do
Copy the kernel again (`vmlinuz`, not `vmlinux.gz` or the package), or boot from the disk.

## Strings it goes by
- `qemu: invalid kernel header`
- `Error loading uncompressed kernel without PVH ELF Note`
- `qemu: linux kernel too old to load a ram disk`
- `qemu: could not load kernel '/srv/vmlinuz'`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from virtup.causes import contents, usage
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.phrase import Ahead, Told
from virtup.causes.proof import Proof, Shown, holds
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe
from virtup.model.probe_files import KernelImage, KernelImageFact

CODE = "VU258"
SLUG = "kernel-file-invalid"
OVER = ("kernel-file-missing",)

_X86 = ("x86_64", "i386")


def kernels(ev: Evidence) -> list[str]:
    """Return the kernels that an x86 QEMU is to load by itself."""
    named = [use.path for use in usage.files(ev.argv) if use.role is Role.KERNEL]
    return named if ev.emulator.endswith(_X86) else []


def _not_loadable(ev: Evidence, path: str) -> Shown | None:
    """Tell of a file that QEMU refuses (hw/i386/x86.c); one cut behind its head it loads."""
    fact = ev.fact(KernelImage(path))
    if fact is None:
        return None
    if not fact.size:
        return holds(f"'{path}' is empty")
    known = fact.kind in {"bzImage", "ELF"}
    if fact.kind == "arm64" and usage.value(ev.argv, "initrd"):
        return holds(f"'{path}' is a kernel for arm64")
    if not known and usage.value(ev.argv, "initrd"):
        return holds(f"'{path}' ({fact.size} bytes) begins like no kernel that takes an initrd")
    return None


_TOLD = Told(
    CODE,
    SLUG,
    sentence="'{subject}' is no kernel that QEMU can boot, or is cut short.",
    otherwise="The file given as <kernel> is no kernel that QEMU can boot, or is cut short.",
    subject="the kernel",
    phrases=(
        r"invalid kernel header[^\n]*",
        r"error loading uncompressed kernel without PVH ELF note",
        r"linux kernel too old to load a ram disk",
        r"(?:could not|cannot|failed to) load (?:the )?kernel:? '(?P<subject>[^'\n]+)'(?!:)[^\n]*",
        r"'?(?P<subject>/[^'\n:]+)'?: (?:not a|invalid) (?:elf|kernel|bzimage)[^\n]*",
        r"the kernel image is not in the [^\n]*format",
        r"kernel (?:file |image )?(?:is )?(?:too short|truncated)[^\n]*",
    ),
    fixes=(
        edit("name a kernel (vmlinuz, bzImage) of the guest's architecture"),
        Fix("see what the file is", ("file {subject}",)),
    ),
    proof=contents.BAD_KERNEL,
    ahead=Ahead(
        kernels, Proof(_not_loadable, lambda _ev, path: (KernelImage(path),) if path else ())
    ),
)
POSITIVE = (
    Evidence(stderr="qemu: invalid kernel header\n"),
    Evidence(stderr="qemu-system-aarch64: could not load kernel '/srv/vmlinuz'\n"),
    Evidence(
        stderr="qemu: could not load kernel '/srv/vmlinuz': No such file or directory\n",
        uid=991,
        host={KernelImage("/srv/vmlinuz"): KernelImageFact(size=0)},
    ),
    Evidence(stderr="qemu-system-arm: could not load kernel 'Image.gz'\n"),
)
NEGATIVE = (
    Evidence(stderr="qemu: could not open kernel file '/srv/vmlinuz': No such file or directory\n"),
)

_EMPTY = re.compile(r"could not load kernel '(?P<path>/[^'\n]+)': [^\n]*", re.IGNORECASE)
"""What QEMU says of a file of 0 bytes, with an error that is another call's."""


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for the head of the kernel."""
    yield from _TOLD.probes(ev)
    seen = said(ev).find(_EMPTY)
    if seen is not None and ev.uid is not None:
        yield KernelImage(seen["path"])


def _empty(ev: Evidence) -> Iterator[Finding]:
    seen = said(ev).find(_EMPTY)
    fact = ev.fact(KernelImage(seen["path"])) if seen is not None else None
    if seen is None or fact is None or fact.size:
        return
    path = seen["path"]
    evidence = (seen.quote, f"this host: '{path}' is empty")
    fix = edit("name a kernel (vmlinuz, bzImage)")
    sentence = f"'{path}' is no kernel that QEMU can boot: it is empty."
    yield Finding(CODE, SLUG, sentence, path, Certainty.PROVEN, evidence, (fix,), seen.at)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the path of the kernel where QEMU does not say it."""
    yield from _empty(ev)
    named = [use.path for use in usage.files(ev.argv) if use.role is Role.KERNEL]
    for finding in _TOLD.find(ev):
        pathless = named and not finding.subject.startswith("/")
        yield _of(named[0], finding) if pathless else finding


def _of(path: str, finding: Finding) -> Finding:
    """Return *finding* as one of the kernel at *path*."""
    fixes = tuple(
        replace(fix, commands=tuple(one.replace("NAME", path) for one in fix.commands))
        for fix in finding.fixes
    )
    sentence = _TOLD.sentence.replace("{subject}", path)
    return replace(finding, subject=path, sentence=sentence, fixes=fixes)
