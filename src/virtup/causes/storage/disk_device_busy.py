"""A block device of the host is in exclusive use, so that QEMU cannot open it.

## What it means
The kernel lets nobody else open a device for writing that is mounted, a member of an array or
of a volume group, or held by multipath. It answers `EBUSY`.

## How to confirm
`lsblk -o NAME,TYPE,MOUNTPOINTS /dev/sdX` shows what stands on the device.

## What to do
End that use: unmount it, close the array or the volume group, exclude the disk in
`/etc/multipath.conf`. A device that the host has mounted would be destroyed by two writers.

## Strings it goes by
- `Could not open '/dev/sdb': Device or resource busy`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU463"
SLUG = "disk-device-busy"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host itself uses the device '{subject}', so that QEMU cannot open it.",
    phrases=(
        r"could not open (?:disk image )?'?(?P<subject>/dev/(?!kvm|net/|vhost|vfio|tpm|input|tty|bus/)[^\s':]+)'?: (?:could not open [^\n]*: )?device or resource busy",
    ),
    fixes=(
        Fix("see what stands on it, and end that", ("lsblk -o NAME,TYPE,MOUNTPOINTS {subject}",)),
    ),
)
POSITIVE = (
    Evidence(
        stderr='qemu-kvm: -blockdev {"driver":"host_device","filename":"/dev/sdb","node-name":"s"}: Could not open \'/dev/sdb\': Device or resource busy\n'
    ),
)
NEGATIVE = (
    Evidence(stderr="Could not access KVM kernel module: Device or resource busy\n"),
    Evidence(stderr="qemu-kvm: could not open /dev/vfio/1: Device or resource busy\n"),
)

probes = _TOLD.probes
find = _TOLD.find
