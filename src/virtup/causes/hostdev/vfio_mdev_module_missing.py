"""The kernel modules for mediated devices are not loaded.

## What it means
A mediated device (vGPU, crypto, ccw) needs `mdev`, `vfio_mdev` (before Linux 5.16),
`vfio_iommu_type1` and the vendor's module; otherwise it has no IOMMU group or is not made at
all.

## How to confirm
`lsmod | grep -e mdev -e vfio`; `ls /sys/bus/mdev/devices`.

## What to do
`modprobe vfio_mdev vfio_iommu_type1` and the vendor's module; name them in
`/etc/modules-load.d`.

## Strings it goes by
- `iommu_group: No such file or directory`
- `device not found: mediated device '0a0b' not found`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU234"
SLUG = "vfio-mdev-module-missing"
OVER = ("vfio-iommu-off",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The kernel's modules for mediated devices are not loaded ({subject}).",
    subject="vfio_mdev",
    phrases=(
        r"mediated device '(?P<subject>[^'\n]+)' not found",
        r"/sys/(?:bus/mdev|class/mdev_bus)[^\n]*no such file[^\n]*",
        r"(?:mdev|mediated)[^\n]{0,60}iommu_group[^\n]*no such file[^\n]*",
        r"(?:module|modprobe)[^\n]*(?:vfio_mdev|\bmdev\b)[^\n]*not found",
    ),
    doubtful=(r"^(?:error: )?iommu_group: no such file or directory",),
    backed=r"mdev",
    fixes=(Fix("load them", ("modprobe -a vfio_mdev vfio_iommu_type1",), Safety.CONFIRM),),
    proof=pci.NO_MEDIATED,
)
POSITIVE = (Evidence(error="iommu_group: No such file or directory"),)
NEGATIVE = (Evidence(error="vfio 0000:00:02.0: no iommu_group found: No such file or directory"),)

probes = _TOLD.probes
find = _TOLD.find
