"""libvirt finds no VFIO support on the host at all.

## What it means
`<hostdev managed='yes'>` needs the module vfio-pci and at least one IOMMU group; libvirt finds
neither.

## How to confirm
`ls /dev/vfio/vfio /sys/kernel/iommu_groups`; `virsh domcapabilities` lists the backends of
hostdev.

## What to do
`modprobe vfio-pci`, and an IOMMU that is switched on (firmware, `intel_iommu=on`).

## Strings it goes by
- `pci backend driver 'default' is not supported`
- `host doesn't support passthrough of host PCI devices`
- `neither VFIO nor KVM device assignment is currently supported on this system`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU232"
SLUG = "vfio-unsupported-by-host"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="This host offers no VFIO, so no PCI device can be handed to a guest.",
    subject="VFIO",
    phrases=(
        r"pci backend driver '(?P<subject>[^'\n]*)' is not supported",
        r"host (?:doesn't|does not) support (?:VFIO|legacy|passthrough|pass-through)[^\n]*",
        r"neither VFIO nor (?:KVM|legacy)[^\n]*",
        r"(?:VFIO|PCI) (?:PCI )?device assignment is not (?:currently )?supported by (?:this )?(?:host|system|kernel)[^\n]*",
        r"(?:could not|failed to|unable to|cannot) open '?/dev/vfio/vfio'?:? ?no such (?:file|device)[^\n]*",
    ),
    fixes=(
        Fix("load the driver, with the IOMMU switched on", ("modprobe vfio-pci",), Safety.CONFIRM),
    ),
    proof=pci.NO_VFIO,
)
POSITIVE = (
    Evidence(error="unsupported configuration: pci backend driver 'default' is not supported"),
)
NEGATIVE = (Evidence(error="domain configuration does not support video model 'qxl'"),)

probes = _TOLD.probes
find = _TOLD.find
