"""Secure boot without the SMM feature, or without Q35.

## What it means
`<loader secure='yes'>` keeps its variables in System Management Mode: `<smm state='on'/>` and a
Q35 machine are a must.

## How to confirm
`virtup dumpxml NAME | grep -e smm -e secure= -e machine=`.

## What to do
`<features><smm state='on'/></features>` with `machine='q35'`.

## Strings it goes by
- `Secure boot requires SMM feature enabled`
- `Secure boot is supported with q35 machine types only`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU275"
SLUG = "config-secboot-smm"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The loader is marked secure, which needs <smm state='on'/> and a Q35 machine.",
    subject="smm",
    phrases=(
        r"secure ?boot requires SMM[^\n]*",
        r"secure ?boot is (?:only )?supported (?:with|on|for)[^\n]*",
        r"SMM (?:is )?(?:not available|not supported) (?:with|for)[^\n]*machine[^\n]*",
    ),
    fixes=(edit("set <smm state='on'/> and machine='q35'"),),
    proof=contradictions.SECURE_BOOT,
)
POSITIVE = (Evidence(error="unsupported configuration: Secure boot requires SMM feature enabled"),)
NEGATIVE = (Evidence(error="System Management Mode not supported by this hypervisor."),)

probes = _TOLD.probes
find = _TOLD.find
