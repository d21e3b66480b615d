"""The stored TPM state cannot be loaded by this libtpms.

## What it means
swtpm keeps the TPM's memory in a file, and libtpms refuses one of a newer version, of another
key, or damaged.

## How to confirm
swtpm's log; `swtpm --version`; the state lies in `/var/lib/libvirt/swtpm/UUID`.

## What to do
The libtpms that wrote it, or newer. A new state (remove it, after a backup) loses BitLocker's
keys and all that is sealed.

## Strings it goes by
- `tpm-emulator: Setting the stateblob (type 1) failed with a TPM error 0x3`
- `tpm-emulator: TPM result for CMD_INIT: 0x9 operation failed`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU314"
SLUG = "tpm-swtpm-state-incompatible"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The stored TPM state cannot be loaded by this swtpm.",
    subject="the TPM state",
    phrases=(
        r"setting the stateblob[^\n]*failed[^\n]*",
        r"TPM result for CMD_SET_STATEBLOB[^\n]*",
        r"libtpms[^\n]*(?:fail|error|version|unsupported|mismatch)[^\n]*",
        r"(?:nvram|state)[^\n]{0,40}(?:TPM|swtpm)[^\n]{0,60}(?:incompatible|mismatch|could not be (?:loaded|restored))[^\n]*",
    ),
    doubtful=(r"TPM result for CMD_INIT[^\n]*",),
    fixes=(Fix("use the swtpm and libtpms that wrote it, or newer ones"),),
    proof=hosts.log_says(
        "/var/log/swtpm/libvirt/qemu/{guest}-swtpm.log",
        r"libtpms[^\n]*(?:error|unsupported|fail)|stateblob|unsupported version",
    ),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: tpm-emulator: TPM result for CMD_INIT: 0x9 operation failed\n"
    ),
)
NEGATIVE = (Evidence(error="Unable to find 'swtpm_setup' binary in $PATH"),)

probes = _TOLD.probes
find = _TOLD.find
