"""The image or ISO that the definition names does not exist.

## What it means
A disk, CD-ROM or floppy of the guest is a file, and there is none at that path: it was moved or
deleted, its file system is not mounted, or the path is misspelled.

## How to confirm
`ls -l PATH`. The finding names the first component that is missing: when it is a directory far up,
a file system is probably not mounted (`findmnt -T PATH`).

## What to do
Mount what is not mounted, put the image back, or correct the path. An install medium that is no
longer needed is best ejected: `startupPolicy='optional'` on the source, or no source at all.
Never make an empty image in its place: the guest would boot from nothing, and the real one would
be looked for no longer.

## Strings it goes by
- `Could not open '/img/a.qcow2': No such file or directory`
- `could not open disk image /img/a.qcow2: No such file or directory` (QEMU before 2.0)
- `Unable to allow access for disk path /img/a.qcow2: No such file or directory` (a migration)
- `Cannot access storage file '/img/a.qcow2' (as uid:107, gid:107): No such file or directory`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Finding, Fix
from virtup.causes.paths import Kind, absence, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU004"
SLUG = "disk-file-missing"

ROLES = (Role.DISK,)
_ARGV = (
    "/usr/bin/qemu-system-x86_64",
    "-blockdev",
    '{"driver":"file","filename":"/img/a.qcow2","node-name":"s","auto-read-only":true}',
    "-blockdev",
    '{"driver":"qcow2","file":"s","node-name":"f","read-only":false}',
)
POSITIVE = (
    Evidence(
        stderr='2026-01-01T10:00:00.449825Z qemu-system-x86_64: -blockdev {"driver":"file",'
        '"filename":"/img/a.qcow2","node-name":"libvirt-1-storage","auto-read-only":true,'
        '"discard":"unmap"}: Could not open \'/img/a.qcow2\': No such file or directory\n'
    ),
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/img/a.img,if=none,id=drive-ide0-0-0: could not "
        "open disk image /img/a.img: No such file or directory\n"
    ),
    Evidence(
        error="Cannot access storage file '/img/a.img' (as uid:107, gid:107): "
        "No such file or directory"
    ),
    Evidence(
        error="No se puede: Cannot access storage file '/img/a.img': No existe el archivo o el directorio"
    ),
    Evidence(
        argv=_ARGV,
        uid=107,
        host={
            PathAccess("/img/a.qcow2", "write", 107): PathFact(
                missing="/img/a.qcow2", nearby=("/img/a1.qcow2",)
            )
        },
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -blockdev {}: Could not open '/img/a.qcow2': Permission denied\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -blockdev {}: Could not open backing file: Could not open "
        "'/img/base.qcow2': No such file or directory\n"
    ),
    Evidence(error="qemu: could not open kernel file '/boot/vmlinuz': No such file or directory"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every image."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image that is missing; device nodes have a cause of their own."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}):
        path, fact = trouble.use.path, trouble.fact
        if trouble.use.block or path.startswith("/dev/") or not path.startswith("/"):
            continue
        evidence = list(trouble.quotes)
        sentence = f"The disk image '{path}' does not exist"
        fixes = [Fix(f"put the image back at '{path}', or correct its path in the definition")]
        if fact is not None:
            evidence.append(f"this host has no '{fact.missing or path}'")
            more, mount = absence(path, fact)
            sentence += more
            if more and not mount:
                sentence += " (is its file system mounted?)"
            fixes = [*mount, *fixes]
            if fact.nearby and not mount:
                fixes.insert(0, edit(f"did you mean '{fact.nearby[0]}'? Correct the path"))
        yield _found(
            sentence + ".", path, trouble.certainty, tuple(evidence), tuple(fixes), trouble.at
        )
