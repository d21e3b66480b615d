"""SELinux (the label of swtpm or of its files) stops swtpm.

## What it means
swtpm runs confined as swtpm_t: a binary without the label swtpm_exec_t (another prefix, a Nix
store, an old policy) is not started, and logs and state need their labels, too.

## How to confirm
`ls -Z /usr/bin/swtpm /var/log/swtpm`; `ausearch -m avc -c swtpm -ts recent`.

## What to do
`restorecon -Rv /usr/bin/swtpm* /var/log/swtpm /var/lib/swtpm*`, and a current swtpm-selinux.

## Strings it goes by
- `cannot execute binary /usr/bin/swtpm: Permission denied`
- `avc: denied { open } for comm="swtpm"`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU311"
SLUG = "tpm-swtpm-selinux"
ALSO = (
    "tpm-swtpm-state-perm",
    "tpm-swtpm-apparmor",
    "tpm-12-tools-missing",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="SELinux may stop swtpm ('{subject}').",
    subject="swtpm",
    phrases=(r"avc: +denied[^\n]*swtpm[^\n]*",),
    doubtful=(
        r"connect to '(?P<subject>/[^'\n]*/swtpm/[^'\n]*)': permission denied",
        r"cannot execute binary '?(?P<subject>/\S*swtpm\w*)'?: permission denied",
        r"(?:could not run|failed to run|cannot run|error running)[^\n]*'?(?P<subject>/[^\s']*swtpm_setup)'?[^\n]*",
    ),
    noted=(
        r"avc: +denied[^\n]*swtpm[^\n]*",
        r"object_r:bin_t:s0[^\n]*swtpm[^\n]*",
    ),
    unless=r"process terminated unexpectedly|need (?:read/write|read|write) rights|apparmor=\x22DENIED\x22[^\n]*swtpm",
    fixes=(
        Fix(
            "restore the labels",
            ("restorecon -Rv /usr/bin /var/log/swtpm /var/lib/libvirt/swtpm",),
            Safety.CONFIRM,
        ),
    ),
    proof=denied.by("selinux", "swtpm"),
    proven="SELinux stops swtpm ('{subject}').",
)
POSITIVE = (
    Evidence(
        error="operation failed: swtpm died and reported: libvirt:  error : cannot execute binary /usr/bin/swtpm: Permission denied"
    ),
)
NEGATIVE = (
    Evidence(error="Need read/write rights on statedir /var/lib/swtpm-localca for user swtpm."),
)

probes = _TOLD.probes
find = _TOLD.find
