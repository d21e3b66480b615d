"""SELinux denies QEMU the firmware file: its label is not readable for svirt.

## What it means
Firmware in a home or a data directory keeps that place's label, which a confined QEMU may not
read whatever the mode says.

## How to confirm
`ls -Z FILE`; `ausearch -m avc -ts recent`.

## What to do
`semanage fcontext -a -t virt_content_t FILE && restorecon -v FILE`, or use the firmware of the
package.

## Strings it goes by
- `avc: denied { read } for comm="qemu-system-x86" name="OVMF_CODE.fd"`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU305"
SLUG = "fw-selinux-denied"
ALSO = ("fw-loader-unreadable",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="SELinux may keep QEMU from the firmware '{subject}'.",
    phrases=(
        r"avc: +denied[^\n]*(?:qemu|kvm)[^\n]*name=\x22(?P<subject>[^\x22\n]*(?:OVMF|\.fd|CODE|VARS|AAVMF|bios)[^\x22\n]*)",
    ),
    doubtful=(
        r"pflash[^\n]*could not open '(?P<subject>/(?:home|mnt|srv|data|media|opt)/[^'\n]+)': permission denied",
    ),
    backed=r"avc: +denied|enforcing|\bunlabeled_t|user_home_t",
    fixes=(Fix("see its label", ("ls -Z {subject}",)),),
    proof=denied.by("selinux"),
    proven="SELinux keeps QEMU from the firmware '{subject}'.",
)
POSITIVE = (
    Evidence(
        stderr='qemu-system-x86_64: -blockdev {"driver":"file","filename":"/mnt/d/OVMF_CODE.fd","node-name":"libvirt-pflash0-storage"}: Could not open \'/mnt/d/OVMF_CODE.fd\': Permission denied\n'
    ),
)
NEGATIVE = (Evidence(stderr="Could not open '/img/a.qcow2': Permission denied\n"),)

probes = _TOLD.probes
find = _TOLD.find
