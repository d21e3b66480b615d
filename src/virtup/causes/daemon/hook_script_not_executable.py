"""A libvirt hook that the start depends on is not executable.

## What it means
libvirt skips a hook file without the execute bit, with one warning in its log. What the hook was
to do (reserve huge pages, detach a device, make an interface) is then missing.

## How to confirm
`ls -l /etc/libvirt/hooks/`; the daemon's log has the warning.

## What to do
`chmod +x /etc/libvirt/hooks/qemu`, then restart the daemon: it looks for hooks when it starts.

## Strings it goes by
- `Non-executable hook script /etc/libvirt/hooks/qemu`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU218"
SLUG = "hook-script-not-executable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The hook '{subject}' is not executable, so libvirt skips it.",
    subject="/etc/libvirt/hooks/qemu",
    phrases=(
        r"non-executable hook script '?(?P<subject>/[^'\s]+)",
        r"hook (?:script )?'?(?P<subject>/[^'\s]+)'? is not executable",
    ),
    noted=(r"^-rw[-r]--?[^\n]*\s(?P<subject>/\S*libvirt/hooks/\S+|qemu)$",),
    fixes=(
        Fix(
            "make it executable",
            (
                "chmod +x {subject}",
                "systemctl restart libvirtd",
            ),
            Safety.CONFIRM,
        ),
    ),
    proof=programs.NOT_EXECUTABLE,
)
POSITIVE = (
    Evidence(
        error="warning : virHookCheck:142 : Non-executable hook script /etc/libvirt/hooks/qemu"
    ),
)
NEGATIVE = (Evidence(error="Hook script execution failed: internal error: exit status 1"),)

probes = _TOLD.probes
find = _TOLD.find
