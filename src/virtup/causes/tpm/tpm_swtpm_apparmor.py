"""AppArmor keeps swtpm from its state, log or socket paths.

## What it means
The profile of swtpm (Ubuntu 22.04 and later) allows the system daemon's paths; a session's
guests, other directories and other log paths are denied, and swtpm ends at once.

## How to confirm
`journalctl -k --grep 'apparmor="DENIED".*swtpm'`.

## What to do
Add the paths to `/etc/apparmor.d/local/usr.bin.swtpm` and reload it.

## Strings it goes by
- `apparmor="DENIED" operation="open" profile="swtpm"`
- `swtpm process terminated unexpectedly.`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU312"
SLUG = "tpm-swtpm-apparmor"
ALSO = (
    "tpm-swtpm-state-perm",
    "tpm-swtpm-selinux",
    "tpm-12-tools-missing",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="AppArmor may stop swtpm ({subject}).",
    subject="swtpm",
    phrases=(r"apparmor=\x22DENIED\x22[^\n]*swtpm[^\n]*",),
    doubtful=(
        r"swtpm process terminated unexpectedly",
        r"could not start the TPM 2[^\n]*",
        r"(?:could not run|failed to run|cannot run|error running)[^\n]*'?(?P<subject>/[^\s']*swtpm_setup)'?[^\n]*",
    ),
    noted=(r"apparmor=\x22DENIED\x22[^\n]*swtpm[^\n]*",),
    unless=r"need (?:read/write|read|write) rights|avc: +denied[^\n]*swtpm",
    fixes=(Fix("see the denial", ("journalctl -k --grep swtpm",)),),
    proof=denied.by("apparmor", "swtpm"),
    proven="AppArmor stops swtpm ({subject}).",
)
POSITIVE = (
    Evidence(stderr="swtpm process terminated unexpectedly.\nCould not start the TPM 2.\n"),
)
NEGATIVE = (Evidence(error="cannot execute binary /usr/bin/swtpm: Permission denied"),)

probes = _TOLD.probes
find = _TOLD.find
