"""The host's TPM, which the guest is given, is in use.

## What it means
Only one process can have `/dev/tpm0` open. A resource manager or another guest has it.

## How to confirm
`fuser -v /dev/tpm0`.

## What to do
Stop what has it (`tpm2-abrmd`, `tcsd`), or give the guest an emulated TPM: `<backend
type='emulator'/>`.

## Strings it goes by
- `tpm_passthrough: Cannot access TPM device using '/dev/tpm0': Device or resource busy`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU478"
SLUG = "tpm-device-busy"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host's TPM '{subject}' is in use by another process.",
    phrases=(
        r"cannot access TPM device using '(?P<subject>/dev/tpm\w+)': device or resource busy",
    ),
    fixes=(
        edit("use <backend type='emulator'/>"),
        Fix("or end what has it open", ("fuser -v {subject}",)),
    ),
    proof=pci.NODE_HELD,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -tpmdev passthrough,id=tpm0,path=/dev/tpm0: tpm_passthrough: Cannot access TPM device using '/dev/tpm0': Device or resource busy\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="tpm_passthrough: Cannot access TPM device using '/dev/tpm0': No such file or directory\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
