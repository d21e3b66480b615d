"""The file system that holds a writable disk is mounted read-only.

## What it means
QEMU opens the image to write, and its file system does not allow it: it was mounted `ro`, or the
kernel switched it to read-only after an I/O error (`errors=remount-ro`).

## How to confirm
`findmnt -T IMAGE -o TARGET,OPTIONS` shows `ro`. `dmesg | grep -i remount` tells whether an error
was behind it; then the disk below is failing, and remounting is not the cure.

## What to do
After a look at the kernel's log: `mount -o remount,rw TARGET`. A disk that is only read (an ISO, a
template) is declared `<readonly/>`.

## Strings it goes by
- `Could not open '/img/a.qcow2': Read-only file system`
- `Could not reopen file: Read-only file system`
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.who import remount
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU012"
SLUG = "disk-readonly-filesystem"

ROLES = (Role.DISK,)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_SAID = (
    "qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Could not open "
    "'/img/a.qcow2': Read-only file system\n"
)
_FACT = PathFact(exists=True, kind="file", readonly="/img", filesystem="ext4", mode="0644")
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={PathAccess("/img/a.qcow2", "write", 991): _FACT},
    ),
    Evidence(
        stderr=_SAID.replace("Read-only file system", "Permission denied"),
        argv=_ARGV,
        uid=991,
        host={
            PathAccess("/img/a.qcow2", "write", 991): PathFact(
                exists=True, blocked="/img/a.qcow2", lacks="write", readonly="/img", mode="0644"
            )
        },
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -drive file=/a: Could not open '/a': Permission denied\n"),
    Evidence(
        argv=("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,readonly=on"),
        uid=991,
        host={
            PathAccess("/img/a.qcow2", "read", 991): PathFact(
                exists=True, allowed=True, readonly="/"
            )
        },
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every image."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each writable image on a file system that is not."""
    for trouble in troubles(ev, ROLES, {Kind.READONLY}):
        path, fact = trouble.use.path, trouble.fact
        where = fact.readonly if fact else ""
        evidence = list(trouble.quotes)
        if where:
            kind = f" ({fact.filesystem})" if fact and fact.filesystem else ""
            evidence.append(f"this host: '{where}'{kind} is mounted read-only")
        look = f"findmnt -T {shlex.quote(path)} -o TARGET,OPTIONS"
        noun = (
            f" '{where}', which holds the writable disk '{path}',"
            if where
            else (f" of the writable disk '{path}'")
        )
        yield _found(
            f"The file system{noun} is mounted read-only.",
            path,
            Certainty.PROVEN if where else Certainty.LIKELY,
            tuple(evidence),
            (remount(where) if where else Fix("see where it is mounted", (look,)),),
            trouble.at,
        )
