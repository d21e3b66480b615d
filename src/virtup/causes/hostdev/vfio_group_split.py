"""Devices of one IOMMU group are put into different guest address spaces.

## What it means
With a virtual IOMMU each assigned device has an address space of its own, and two devices of one
host group cannot be in two.

## How to confirm
`ls /sys/kernel/iommu_groups/*/devices` shows the group; the definition has `<iommu>`.

## What to do
Put the devices behind one pcie-to-pci-bridge, assign one of them only, or remove `<iommu>`.

## Strings it goes by
- `vfio 0000:01:00.1: group 1 used in multiple address spaces`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU229"
SLUG = "vfio-group-split"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Devices of IOMMU group {subject} are in different address spaces of the guest.",
    phrases=(r"group (?P<subject>\d+) used in multiple address spaces",),
    fixes=(edit("assign one device of the group, or remove <iommu>"),),
    proof=pci.SPLIT,
)
POSITIVE = (Evidence(stderr="vfio 0000:01:00.1: group 1 used in multiple address spaces\n"),)
NEGATIVE = (Evidence(error="group 1 is not viable"),)

probes = _TOLD.probes
find = _TOLD.find
