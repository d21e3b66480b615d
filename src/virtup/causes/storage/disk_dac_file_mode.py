"""Owner or mode of the image file itself keeps the QEMU account out.

## What it means
Every directory on the way is open to the account that QEMU runs as, and the file is not: QEMU
needs to read it, and to write to it unless the disk is read-only. virtup hands images over to
that account for the time that the guest runs; where it may not (no root, a file server, ownership
handling switched off) the mode has to fit.

## How to confirm
`ls -l PATH` and `getfacl PATH`; `runuser -u QEMU_USER -- head -c1 PATH`.

## What to do
Grant that one account what it lacks with an access list, or give it the file.

## Strings it goes by
- `Could not open '/img/a.qcow2': Permission denied`
- `could not open disk image /img/a.img: Permission denied` (QEMU before 2.0)
- `Cannot access storage file '/img/a.img' (as uid:107, gid:107): Permission denied`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding
from virtup.causes.paths import Kind, barrier, file_probes, troubles
from virtup.causes.usage import Role
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU006"
SLUG = "disk-dac-file-mode"
ALSO = ("disk-dac-parent-dir", "disk-apparmor-denied")

ROLES = (Role.DISK, Role.BACKING)
SAID = (
    'qemu-system-x86_64: -blockdev {"driver":"file","filename":"/img/a.qcow2","node-name":"s"}: '
    "Could not open '/img/a.qcow2': Permission denied\n"
)
POSITIVE = (
    Evidence(stderr=SAID),
    Evidence(
        stderr=SAID,
        uid=991,
        gids=(36,),
        host={
            PathAccess("/img/a.qcow2", "read", 991, (36,)): PathFact(
                exists=True,
                blocked="/img/a.qcow2",
                lacks="read",
                owner="root",
                group="root",
                mode="0600",
            )
        },
    ),
    Evidence(
        stderr='qemu-kvm: -blockdev {"driver":"host_device","filename":"/dev/sdb","node-name":"s"}: The device is not writable: Permission denied\n'
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu: could not open kernel file '/srv/vmlinuz': Permission denied\n"),
    Evidence(
        stderr=SAID,
        uid=991,
        host={
            PathAccess("/img/a.qcow2", "read", 991): PathFact(
                exists=True, blocked="/img", lacks="search", owner="a", group="a", mode="0700"
            )
        },
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every image."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image that its own mode closes; without a probe it is possible."""
    for trouble in troubles(ev, ROLES, {Kind.MODE, Kind.DENIED}):
        sentence, evidence, fixes = barrier(ev, trouble)
        if trouble.fact is None:
            sentence += ", perhaps by the file's own mode"
        certainty = Certainty.PROVEN if trouble.fact else Certainty.POSSIBLE
        path = trouble.use.path
        yield _found(sentence + ".", path, certainty, evidence, fixes, trouble.at)
