"""libvirt books the device for another (or a stale) domain run.

## What it means
The device is assigned to a guest that runs, or libvirt still believes so after one that ended
badly.

## How to confirm
The message names the guest; `virsh list` shows whether it runs; `virsh nodedev-list`.

## What to do
Stop the other guest or take the device from it. If no such guest runs, restart the daemon.

## Strings it goes by
- `PCI device 0000:01:00.0 is in use by driver QEMU, domain vm2`
- `failed to open /dev/vfio/1: Device or resource busy`
- `USB device 001:004 is in use by driver QEMU, domain vm2`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU239"
SLUG = "hostdev-in-use"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The device {subject} is in use by another guest, or libvirt believes so.",
    phrases=(
        r"(?:PCI|USB|SCSI|mediated|host) device:? '?(?P<subject>[\w:.-]+)'? is (?:already )?in use(?: by)?[^\n]*",
        r"failed to open '?(?P<subject>/dev/vfio/\d+)'?: device or resource busy",
        r"device '?(?P<subject>[\da-f]{4}:[\da-f:.]+)'? is already in use[^\n]*",
    ),
    unless=r"not doing bus reset",
    fixes=(Fix("stop the guest that has it; if none runs, restart the daemon"),),
    proof=either(pci.GROUP_HELD, pci.DEVICE_HELD, pci.NODE_HELD),
    proven="The device {subject} is in use by another process.",
)
POSITIVE = (
    Evidence(
        error="Requested operation is not valid: PCI device 0000:01:00.0 is in use by driver QEMU, domain vm2"
    ),
)
NEGATIVE = (
    Evidence(error="Setting different DAC user or group on /img/a which is already in use"),
)

probes = _TOLD.probes
find = _TOLD.find
