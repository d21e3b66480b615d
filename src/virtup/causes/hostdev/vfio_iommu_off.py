"""No IOMMU is active on the host, so the device has no group.

## What it means
Without VT-d or AMD-Vi, switched on in the firmware and in the kernel, devices have no IOMMU
group and VFIO cannot hand them to a guest.

## How to confirm
`ls /sys/kernel/iommu_groups` is empty; `dmesg | grep -i -e DMAR -e IOMMU`.

## What to do
Switch it on in the firmware, and boot with `intel_iommu=on iommu=pt` (Intel).

## Strings it goes by
- `vfio 0000:00:02.0: no iommu_group found: No such file or directory`
- `failed to find IOMMU group`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU231"
SLUG = "vfio-iommu-off"
ALSO = ("vfio-mdev-module-missing",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The device {subject} has no IOMMU group: no IOMMU is active on the host.",
    otherwise="A device has no IOMMU group: no IOMMU is active on the host.",
    subject="IOMMU",
    phrases=(
        r"vfio:? (?:error:? )?(?P<subject>[\da-fA-F:.]{4,})?:? ?(?:error[^\n]*)?no iommu_group found[^\n]*",
        r"no iommu_group (?:found|for)",
        r"(?:iommu_group|IOMMU group)[^\n]{0,60}(?:is not a symlink|could not be (?:found|determined))",
        r"(?:device|pci)\b[^\n]*?(?P<subject>[\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d)[^\n]*(?:has no|not in an|does not belong to an?) iommu[ _]group[^\n]*",
        r"iommu (?:is )?(?:not (?:enabled|active|present|found|detected)|disabled)[^\n]*",
    ),
    doubtful=(r"iommu_group: no such file or directory",),
    fixes=(Fix("switch VT-d or AMD-Vi on in the firmware, and boot with intel_iommu=on"),),
    proof=either(pci.NO_IOMMU, pci.NO_IOMMU_FOR),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device vfio-pci,host=00:02.0: vfio 0000:00:02.0: no iommu_group found: No such file or directory\n"
    ),
)
NEGATIVE = (Evidence(error="group 1 is not viable"),)

probes = _TOLD.probes
find = _TOLD.find
