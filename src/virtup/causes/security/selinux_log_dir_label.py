"""The libvirt log directory is closed to virtlogd: a wrong label, most often.

## What it means
The guest's log is opened by virtlogd, which SELinux confines to `virt_log_t`. A log directory
that was moved, restored or mounted anew has another label.

## How to confirm
`ls -dZ /var/log/libvirt /var/log/libvirt/qemu`.

## What to do
`restorecon -Rv /var/log/libvirt`.

## Strings it goes by
- `Unable to open file: /var/log/libvirt/qemu/vm1.log: Permission denied`
- `failed to create logfile /var/log/libvirt/qemu/vm1.log: Permission denied`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU323"
SLUG = "selinux-log-dir-label"
OVER = (
    "host-directory-unwritable",
    "disk-dac-file-mode",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="libvirt's log '{subject}' may not be opened: a wrong label on the directory, most often.",
    doubtful=(
        r"(?:unable|cannot|failed|could not)(?: to)? (?:open|create|append)[^\n]*?'?(?P<subject>/var/log/libvirt/[^\s':]+)'?: permission denied",
    ),
    backed=r"selinux|avc: +denied|_t:s0",
    fixes=(Fix("restore the label", ("restorecon -Rv /var/log/libvirt",), Safety.CONFIRM),),
    proof=denied.wrong_label("/var/log/libvirt", "virt_log_t"),
    proven="libvirt's log '{subject}' may not be opened: its directory has a wrong label.",
)
POSITIVE = (
    Evidence(error="Unable to open file: /var/log/libvirt/qemu/vm1.log: Permission denied"),
)
NEGATIVE = (Evidence(error="Could not open '/img/a.qcow2': Permission denied"),)

probes = _TOLD.probes
find = _TOLD.find
