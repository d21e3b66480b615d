"""Permissions on the swtpm state or CA directories.

## What it means
swtpm_setup runs as swtpm's account and keeps certificates in `/var/lib/swtpm-localca`, and each
TPM's state below `/var/lib/libvirt/swtpm`; one of them belongs to somebody else.

## How to confirm
`ls -ld /var/lib/swtpm-localca /var/lib/libvirt/swtpm`; swtpm's log
(`/var/log/swtpm/libvirt/qemu/NAME-swtpm.log`) names it.

## What to do
`chown -R swtpm:root /var/lib/swtpm-localca` (the account is tss or swtpm, as
`/etc/libvirt/qemu.conf` and the package say).

## Strings it goes by
- `Need read/write rights on statedir /var/lib/swtpm-localca for user swtpm.`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU310"
SLUG = "tpm-swtpm-state-perm"
ALSO = (
    "tpm-swtpm-selinux",
    "tpm-swtpm-apparmor",
    "tpm-12-tools-missing",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="swtpm's account may not use '{subject}'.",
    otherwise="swtpm's account may lack rights on its directories.",
    subject="/var/lib/swtpm-localca",
    phrases=(
        r"SWTPM_\w+[^\n]*(?:permission denied|operation not permitted)",
        r"need (?:read/write|read|write) rights on (?:statedir|[\w ]*dir\w*|file) (?P<subject>/\S+)[^\n]*",
        r"(?:swtpm|tpm)[^\n]*?'?(?P<subject>/\S*(?:swtpm|tpm)(?![^\s']*\.sock)[^\s':]*)'?:? [^\n]*permission denied",
        r"(?:could not|cannot|unable to|failed to) (?:open|access|create|write|lock)[^\n]*?'?(?P<subject>/[^\s':]*swtpm[^\s':]*)'?[^\n]*permission denied",
    ),
    doubtful=(
        r"swtpm: could not open unixio socket: permission denied",
        r"(?:could not run|failed to run|cannot run|error running)[^\n]*'?(?P<subject>/[^\s']*swtpm_setup)'?[^\n]*",
    ),
    unless=r"cannot execute binary|unexpectedly|avc: +denied[^\n]*swtpm|apparmor=\x22DENIED\x22[^\n]*swtpm|tcsd|version,? 1\.2",
    fixes=(
        Fix("read swtpm's own log, which the message names"),
        Fix("give the directory to swtpm's account"),
    ),
    proof=programs.SWTPM_CLOSED,
    proven="swtpm's account may not use '{subject}'.",
)
POSITIVE = (
    Evidence(stderr="Need read/write rights on statedir /var/lib/swtpm-localca for user swtpm.\n"),
)
NEGATIVE = (Evidence(error="cannot execute binary /usr/bin/swtpm: Permission denied"),)

probes = _TOLD.probes
find = _TOLD.find
