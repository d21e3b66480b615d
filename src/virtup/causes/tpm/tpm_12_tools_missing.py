"""The tools for TPM 1.2 emulation are not set up.

## What it means
swtpm_setup needs the TrouSerS daemon (tcsd) and its account for a TPM 1.2, before swtpm 0.4; TPM
2.0 needs neither.

## How to confirm
`command -v tcsd`; `virtup dumpxml NAME | grep "version='1.2'"`.

## What to do
`version='2.0'`, or install trousers and give `/etc/tcsd.conf` to its account.

## Strings it goes by
- `tcsd: TCS GetCapability failed`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU313"
SLUG = "tpm-12-tools-missing"
ALSO = (
    "tpm-swtpm-state-perm",
    "tpm-swtpm-selinux",
    "tpm-swtpm-apparmor",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The tools for TPM 1.2 may not be set up ({subject}).",
    subject="tcsd",
    phrases=(
        r"\btcsd\b[^\n]*",
        r"trousers[^\n]*(?:not|missing|fail)[^\n]*",
    ),
    doubtful=(
        r"(?:could not run|failed to run|cannot run|error running)[^\n]*'?(?P<subject>/[^\s']*swtpm_setup)'?[^\n]*(?=)",
    ),
    backed=r"version[ ='\x22,]*1\.2",
    fixes=(edit("use <backend type='emulator' version='2.0'/>"),),
    proof=programs.program_missing("tcsd", package="tcsd"),
    proven="The tools for TPM 1.2 are not installed.",
)
POSITIVE = (
    Evidence(
        error="Could not run '/usr/bin/swtpm_setup'. exitstatus: 1; Check error log",
        definition="<tpm><backend type='emulator' version='1.2'/></tpm>",
    ),
)
NEGATIVE = (
    Evidence(error="Need read/write rights on statedir /var/lib/swtpm-localca for user swtpm."),
)

probes = _TOLD.probes
find = _TOLD.find
