"""SEV-SNP guest firmware is given as pflash where -bios is required.

## What it means
The firmware of an SEV-SNP guest is measured and has to be in memory: QEMU takes it by `-bios`,
not as flash.

## How to confirm
`virtup dumpxml NAME | grep '<loader'` shows `type='pflash'`.

## What to do
A stateless loader of type `rom` with firmware built for SNP (`OVMF.amdsev.fd`).

## Strings it goes by
- `SNP_LAUNCH_START ret=-22 fw_error=0 ''`
- `pflash with kvm requires KVM readonly memory support`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU226"
SLUG = "sev-snp-firmware-pflash"
ALSO = ("sev-kernel-qemu-mismatch",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="An SEV-SNP guest has its firmware as flash, where QEMU takes it by -bios only.",
    otherwise="The launch of the SEV-SNP guest is refused, perhaps because its firmware is given as flash.",
    subject="pflash",
    phrases=(
        r"pflash(?! based)[^\n]{0,60}(?:not (?:supported|allowed|compatible)|requires kvm readonly)[^\n]*",
        r"(?:sev-snp|snp)[^\n]{0,60}\bpflash\b[^\n]*",
    ),
    doubtful=(
        r"SNP_LAUNCH_(?:START|UPDATE) ret=-22[^\n]*",
        r"(?:snp|sev)[^\n]{0,60}ret=-22\b[^\n]*",
    ),
    backed=r"pflash",
    fixes=(edit("use <loader type='rom' stateless='yes'> with firmware for SNP"),),
    proof=either(contradictions.SNP_FLASH, contradictions.SNP_FLASH_LINE),
    proven="The SEV-SNP guest has its firmware as flash, where QEMU takes it by -bios only.",
)
POSITIVE = (Evidence(stderr="qemu-system-x86_64: SNP_LAUNCH_START ret=-22 fw_error=0 ''\n"),)
NEGATIVE = (
    Evidence(error="sev_guest_init: failed to get platform status ret=-1"),
    Evidence(
        error="Operation not supported: internal snapshots of a VM with pflash based firmware are not supported"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
