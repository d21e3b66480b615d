"""The host driver still uses the device, so it cannot be detached.

## What it means
A device is taken from its host driver before the guest gets it, and the driver is in use: a
graphics session or the console on a GPU, a mounted file system on a controller.

## How to confirm
`lsmod | grep nvidia`; `fuser -v /dev/dri/* /dev/nvidia*`; `lspci -nnk -s ADDRESS`.

## What to do
End what uses it first (display manager, vtconsole, efi-framebuffer), or bind the device to
vfio-pci at boot (`vfio-pci.ids=`), so that the driver never gets it.

## Strings it goes by
- `modprobe: FATAL: Module nvidia_drm is in use.`
- `Failed to unbind PCI device '0000:01:00.0' from nvidia: Device or resource busy`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU237"
SLUG = "hostdev-driver-busy"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host still uses '{subject}', so the device cannot be detached from its driver.",
    phrases=(
        r"(?:FATAL|ERROR): Module (?P<subject>[\w-]+) is in use",
        r"(?:failed|unable|cannot)(?: to)? (?:unbind|detach|remove)[^\n]{0,30}(?:PCI )?device '?(?P<subject>[\w:.]+)'?[^\n]*(?:busy|in use)[^\n]*",
        r"rmmod: [^\n]*module (?P<subject>[\w-]+) is in use[^\n]*",
        r"(?:failed|unable) to (?:bind|rebind) PCI device '?(?P<subject>[\w:.]+)'? to vfio[^\n]*(?:busy|in use)[^\n]*",
    ),
    fixes=(Fix("bind the device to vfio-pci at boot, so that the host's driver never gets it"),),
    proof=pci.MODULE_BUSY,
)
POSITIVE = (Evidence(stderr="modprobe: FATAL: Module nvidia_drm is in use.\n"),)
NEGATIVE = (Evidence(error="PCI device 0000:01:00.0 is in use by driver QEMU, domain vm2"),)

probes = _TOLD.probes
find = _TOLD.find
