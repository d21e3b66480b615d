"""The state of the guest's TPM is locked by another swtpm.

## What it means
A swtpm locks its state directory, so that no second one writes there. One of an earlier run
still lives, or the guest runs on another host with the same storage.

## How to confirm
`pgrep -af swtpm`; the lock is the file `.lock` in the state directory.

## What to do
End the swtpm that was left over, once it is sure that its guest is gone everywhere.

## Strings it goes by
- `SWTPM_NVRAM_Lock_Dir: Could not lock access to lockfile: Resource temporarily unavailable`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU477"
SLUG = "tpm-swtpm-state-locked"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Another swtpm has the state of the guest's TPM locked.",
    subject="swtpm",
    phrases=(
        r"SWTPM_NVRAM_Lock\w*: could not lock[^\n]*",
        r"could not lock access to lockfile[^\n]*",
    ),
    fixes=(Fix("see which swtpm was left over", ("pgrep -af swtpm",)),),
)
POSITIVE = (
    Evidence(
        stderr="swtpm: SWTPM_NVRAM_Lock_Dir: Could not lock access to lockfile: Resource temporarily unavailable\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="swtpm: SWTPM_NVRAM_Lock_Lockfile: Could not open lockfile: Permission denied\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
