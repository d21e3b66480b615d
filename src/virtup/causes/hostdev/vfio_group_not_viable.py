"""Other endpoints of the IOMMU group are on host drivers.

## What it means
Devices that the IOMMU cannot tell apart form a group, and VFIO hands a group to one owner.
Another device of the group (a GPU's sound function, a bridge's neighbour) is still on its host
driver.

## How to confirm
`ls /sys/kernel/iommu_groups/N/devices`, and `lspci -nnk -s ADDRESS` for each.

## What to do
Give all endpoints of the group to vfio-pci (assign them too, or bind them by `driverctl`), or
move the card to a slot with a group of its own.

## Strings it goes by
- `vfio 0000:01:00.0: group 1 is not viable`
- `vfio: error, group 1 is not viable, please ensure all devices within the iommu_group are bound to their vfio bus driver.`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU228"
SLUG = "vfio-group-not-viable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="IOMMU group {subject} has other devices that are still on drivers of the host.",
    subject="the group",
    phrases=(r"group (?P<subject>\d+) is not viable[^\n]*",),
    doubtful=(r"^please ensure all devices within the iommu_group[^\n]*",),
    fixes=(
        Fix("see the group's devices", ("ls /sys/kernel/iommu_groups/{subject}/devices",)),
        Fix("give all of them to vfio-pci"),
    ),
    proof=pci.NOT_VIABLE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: group 1 is not viable\nPlease ensure all devices within the iommu_group are bound to their vfio bus driver.\n"
    ),
)
NEGATIVE = (Evidence(error="vfio 0000:00:02.0: no iommu_group found: No such file or directory"),)

probes = _TOLD.probes
find = _TOLD.find
