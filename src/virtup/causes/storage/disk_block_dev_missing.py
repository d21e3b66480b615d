"""The block device behind the disk is not there.

## What it means
The disk's source is a device node (a logical volume, a multipath map, a partition, a USB disk), and
there is none at that path: the volume is not activated, the iSCSI or FC session is down, the disk
is not plugged in, or it came up under another name.

## How to confirm
`ls -l DEVICE`, `lsblk`, and for logical volumes `lvs -o lv_path,lv_active`.

## What to do
Activate it (`lvchange -ay VG/LV`, `multipath -r`, `iscsiadm -m node -l`) and see that this
happens at boot before guests start. Name disks by `/dev/disk/by-id/...`, which do not change.

## Strings it goes by
- `Could not open '/dev/vg0/vm1': No such file or directory`
- `Cannot access storage file '/dev/vg0/vm1' (as uid:0, gid:0): No such file or directory`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Finding, Fix, Safety
from virtup.causes.paths import Kind, file_probes, troubles
from virtup.causes.usage import Role
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU013"
SLUG = "disk-block-dev-missing"

ROLES = (Role.DISK,)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/dev/vg0/vm1,format=raw,if=virtio")
_DEVICE = '{"driver":"host_device","filename":"/srv/dev/vm1","node-name":"s","read-only":false}'
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/dev/vg0/vm1,format=raw: Could not open "
        "'/dev/vg0/vm1': No such file or directory\n"
    ),
    Evidence(
        argv=("/usr/bin/qemu-system-x86_64", "-blockdev", _DEVICE),
        uid=991,
        host={PathAccess("/srv/dev/vm1", "write", 991): PathFact(missing="/srv/dev")},
    ),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={PathAccess("/dev/vg0/vm1", "write", 991): PathFact(missing="/dev/vg0")},
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/a: Could not open '/a': No such file or directory\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -netdev tap: could not open /dev/net/tun: No such file or directory\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every image."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each device node that is missing."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}):
        path, fact = trouble.use.path, trouble.fact
        if not (trouble.use.block or path.startswith("/dev/")):
            continue
        evidence = list(trouble.quotes)
        if fact is not None:
            evidence.append(f"this host has no '{fact.missing or path}'")
        yield _found(
            f"The block device '{path}' does not exist (volume not activated, disk not there?).",
            path,
            trouble.certainty,
            tuple(evidence),
            _fixes(path),
            trouble.at,
        )


def _fixes(path: str) -> tuple[Fix, ...]:
    pieces = path.split("/")
    if len(pieces) == 4 and pieces[2] not in {"disk", "mapper", "net", "shm"}:
        volume = f"{pieces[2]}/{pieces[3]}"
        undo = (f"lvchange -an {volume}",)
        return (Fix("activate the volume", (f"lvchange -ay {volume}",), Safety.CONFIRM, undo),)
    return (Fix(f"make '{path}' appear, or correct the path in the definition", ("lsblk",)),)
