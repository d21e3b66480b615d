"""Host kernel and QEMU speak different SEV-SNP interfaces.

## What it means
The interface of SEV-SNP changed before it was merged into Linux (6.11) and QEMU (9.1). A patched
kernel and a newer QEMU, or the other way round, do not understand each other.

## How to confirm
`uname -r`; `qemu-system-x86_64 --version`; was either built from a vendor's branch?

## What to do
Take kernel and QEMU from one source: Linux 6.11 with QEMU 9.1 or later.

## Strings it goes by
- `KVM_SEV_INIT2 failed: Inappropriate ioctl for device`
- `sev_snp_launch_start: SNP_LAUNCH_START ret=-25`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU227"
SLUG = "sev-kernel-qemu-mismatch"
ALSO = ("sev-snp-firmware-pflash",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU and the host's kernel speak different SEV-SNP interfaces.",
    otherwise="QEMU and the host's kernel may speak different SEV-SNP interfaces.",
    subject="SEV-SNP",
    phrases=(
        r"(?:sev|snp)\w*[^\n]{0,80}(?:ret=-(?:25|7|95)\b|inappropriate ioctl)[^\n]*",
        r"(?:KVM_SEV_INIT2|KVM_SEV_SNP_\w+|KVM_SET_MEMORY_ATTRIBUTES|KVM_CREATE_GUEST_MEMFD)[^\n]*(?:fail|invalid|not supported)[^\n]*",
        r"(?:failed to create guest_memfd|guest_memfd)[^\n]*(?:invalid|not supported|unsupported)[^\n]*",
    ),
    doubtful=(r"SNP_\w+ ret=-22[^\n]*",),
    fixes=(Fix("use Linux 6.11 and QEMU 9.1 or later, both from one source"),),
    proof=hosts.OLD_SEV_KERNEL,
    proven="The host's kernel is older than the SEV-SNP interface that QEMU speaks.",
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: sev_snp_launch_start: SNP_LAUNCH_START ret=-25 fw_error=0 ''\n"
    ),
)
NEGATIVE = (Evidence(error="SEV: guest support is off"),)

probes = _TOLD.probes
find = _TOLD.find
