"""SEV is not initialised on the host.

## What it means
AMD's secure processor has to be set up by firmware and the driver `ccp`, and KVM by
`kvm_amd.sev=1`. If one step fails there is no `/dev/sev`, or it gives no status.

## How to confirm
`dmesg | grep -i -e ccp -e sev`; `ls -l /dev/sev`; `cat /sys/module/kvm_amd/parameters/sev`.

## What to do
Switch SME and SEV on in the firmware, update it, and load `kvm_amd` with `sev=1` (`sev_snp=1`).

## Strings it goes by
- `sev_guest_init: failed to get platform status ret=-1fw_error='0: '`
- `sev_kvm_init: Failed to open /dev/sev`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU225"
SLUG = "sev-platform-not-ready"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host's SEV platform is not ready (firmware, driver ccp, kvm_amd).",
    subject="SEV platform",
    phrases=(
        r"\bsev_\w+: failed to (?:get platform status|open)(?![^\n]*permission denied)[^\n]*",
        r"(?:failed to|could not|unable to|cannot) open '?(?P<subject>/dev/sev)\b(?![^\n]*permission denied)[^\n]*",
        r"ccp \S+: SEV: failed to init[^\n]*",
        r"\bSEV(?:-ES|-SNP)? (?:is )?not (?:enabled|initiali[sz]ed|supported)(?: by| on| in)? (?:the |this )?(?:host|platform|kernel|kvm)[^\n]*",
    ),
    doubtful=(
        r"sev\w*: failed to initiali[sz]e ret=[^\n]*",
        r"(?:sev|sev-snp|'sev') launch security is not supported[^\n]*",
        r"\bSEV(?:-ES|-SNP)?\b[^\n]{0,40}(?:not supported|unsupported)[^\n]*",
    ),
    noted=(r"ccp \S+: SEV: [^\n]*(?:fail|error)[^\n]*",),
    fixes=(Fix("see what the driver says", ("dmesg | grep -i -e ccp -e sev",)),),
    proof=either(hosts.NO_SEV, hosts.SEV_FAILED),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: sev_guest_init: failed to get platform status ret=-1fw_error='0: '\n"
    ),
)
NEGATIVE = (Evidence(error="SNP_LAUNCH_START ret=-22 fw_error=0 ''"),)

probes = _TOLD.probes
find = _TOLD.find
