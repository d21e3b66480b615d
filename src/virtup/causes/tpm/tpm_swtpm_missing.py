"""swtpm or swtpm_setup is not installed.

## What it means
An emulated TPM is a program beside QEMU: swtpm, and swtpm_setup for its first start, in packages
of their own (swtpm, swtpm-tools).

## How to confirm
`command -v swtpm swtpm_setup`.

## What to do
`apt-get install swtpm swtpm-tools` (`dnf install swtpm swtpm-tools`); then restart the daemon.

## Strings it goes by
- `Unable to find 'swtpm_setup' binary in $PATH`
- `TPM version '2.0' is not supported`
"""

from __future__ import annotations

from virtup.causes import packages, programs
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU309"
SLUG = "tpm-swtpm-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The TPM emulator is not (fully) installed: {subject}.",
    subject="swtpm",
    phrases=(
        r"(?:unable to|cannot|could not|failed to) find (?:a |the )?'?(?P<subject>swtpm\w*)'?[^\n]*",
        r"(?P<subject>swtpm\w*)\x22?'?:? (?:executable file )?(?:not found|is not installed|command not found|no such file)[^\n]*",
        r"(?:cannot|failed to|unable to) (?:execute|check)[^\n]*?(?P<subject>/\S*swtpm\w*)'?: no such file[^\n]*",
    ),
    doubtful=(
        r"(?P<subject>TPM version '?[\w.]+'?) is not supported[^\n]*",
        r"TPM (?:backend )?(?:type )?'?emulator'?[^\n]*(?:not supported|unavailable)[^\n]*",
    ),
    fixes=(packages.install(Evidence(), "swtpm"),),
    proof=programs.program_missing("swtpm", "swtpm_setup", package="swtpm"),
)
POSITIVE = (Evidence(error="Unable to find 'swtpm_setup' binary in $PATH"),)
NEGATIVE = (
    Evidence(
        error="Could not run '/usr/bin/swtpm_setup'. exitstatus: 1; Check error log '/var/log/swtpm/libvirt/qemu/vm1-swtpm.log' for details."
    ),
)

probes = _TOLD.probes
find = _TOLD.find
