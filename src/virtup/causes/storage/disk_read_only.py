"""A disk that the guest is to write to is given read-only.

## What it means
The guest's device writes, and the image below it is opened read-only: `<readonly/>` on a disk
whose bus has no read-only disks (IDE, SATA), `readonly=on` in a raw argument, or a device that
is write-protected.

## How to confirm
The `<disk>` in the definition; `blockdev --getro /dev/sdX` prints 1 for a device that is
write-protected.

## What to do
Take `<readonly/>` out, or give the disk as `device='cdrom'`, or use a bus with read-only disks
(virtio, SCSI).

## Strings it goes by
- `Block node is read-only`
- `Can't use a read-only drive`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU464"
SLUG = "disk-read-only"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A disk that the guest writes to is opened read-only.",
    subject="the disk",
    phrases=(
        r"-(?:device|drive) [^\n]*: block node is read-only",
        r"can't use a read-only drive",
        r"readonly (?P<subject>ide|sata) disks are not supported",
    ),
    fixes=(edit("take <readonly/> out of the disk, or give it as a CD-ROM,"),),
    proof=contradictions.WRITTEN_READ_ONLY,
)
POSITIVE = (
    Evidence(
        stderr="qemu-kvm: -device ide-hd,bus=ide.0,drive=libvirt-1-format: Block node is read-only\n"
    ),
    Evidence(error="unsupported configuration: readonly ide disks are not supported"),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-kvm: -drive file=/ro/a.raw: Could not open '/ro/a.raw': Read-only file system\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
