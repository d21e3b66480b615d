"""managed=no, and the device is still on its host driver.

## What it means
With `<hostdev managed='no'>` libvirt leaves the device's driver alone, and somebody else has to
detach it from the host first.

## How to confirm
`lspci -nnk -s ADDRESS` shows a driver other than vfio-pci.

## What to do
`virsh nodedev-detach pci_0000_c3_1b_1`, or `managed='yes'`.

## Strings it goes by
- `Unmanaged PCI device 0000:c3:1b.1 must be manually detached from the host`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU236"
SLUG = "vfio-unmanaged-not-detached"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The PCI device {subject} is unmanaged and still on its host driver.",
    phrases=(r"unmanaged PCI device (?P<subject>\S+) must be manually detached",),
    fixes=(edit("use <hostdev managed='yes'>"),),
    proof=pci.NOT_BOUND,
)
POSITIVE = (
    Evidence(
        error="Requested operation is not valid: Unmanaged PCI device 0000:c3:1b.1 must be manually detached from the host"
    ),
)
NEGATIVE = (Evidence(error="PCI device 0000:c3:1b.1 is in use by driver QEMU, domain vm2"),)

probes = _TOLD.probes
find = _TOLD.find
