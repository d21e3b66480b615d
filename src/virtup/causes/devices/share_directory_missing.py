"""The directory that is shared with the guest is missing.

## What it means
`<filesystem><source dir='...'/>` names a directory of the host, and it is not there: never made,
moved, or on a file system that is not mounted.

## How to confirm
`ls -ld DIR`; `findmnt -T DIR`.

## What to do
Make or mount it, or correct the path.

## Strings it goes by
- `the virtiofs export directory '/srv/share' does not exist` (libvirt)
- `Virtio-9p Failed to initialize fs-driver with id:fsdev-fs0 and export path:/srv/share` (QEMU before 5)
- `cannot initialize fsdev 'fs0': failed to open '/srv/share': No such file or directory`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding
from virtup.causes.paths import Kind, file_probes, look_at, troubles, unsaid
from virtup.causes.usage import Role
from virtup.causes.who import make_directory
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU131"
SLUG = "share-directory-missing"

ROLES = (Role.SHARE,)
_SAID = (
    "qemu-system-x86_64: -device virtio-9p-pci,fsdev=f,mount_tag=x: cannot initialize fsdev 'f': "
    "failed to open '/srv/share': No such file or directory\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        argv=("/usr/bin/qemu-system-x86_64", "-fsdev", "local,id=f,path=/srv/share"),
        host={PathAccess("/srv/share", "read", 991): PathFact(missing="/srv/share")},
    ),
    Evidence(error="internal error: the virtiofs export directory '/srv/share' does not exist"),
    Evidence(
        stderr="Virtio-9p Failed to initialize fs-driver with id:fsdev-fs0 and export path:/srv/share\n"
    ),
)
NEGATIVE = (Evidence(stderr=_SAID.replace("No such file or directory", "Permission denied")),)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the directory."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each shared directory that is missing."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}):
        path, fact = trouble.use.path, trouble.fact
        seen = (f"this host has no '{fact.missing or path}'",) if fact else ()
        yield _found(
            f"The directory '{path}', which is shared with the guest, does not exist.",
            path,
            trouble.certainty,
            (*trouble.quotes, *seen),
            (make_directory(ev, path),),
            trouble.at,
        )
    for failure in unsaid(ev, ROLES):
        told = "does not exist" in failure.seen.line
        yield _found(
            f"The directory '{failure.path}' cannot be shared with the guest: "
            f"{'it' if told else 'perhaps it'} does not exist.",
            failure.path,
            Certainty.LIKELY if told else Certainty.POSSIBLE,
            (failure.seen.quote,),
            (make_directory(ev, failure.path), look_at(failure.path)),
            failure.seen.at,
        )
