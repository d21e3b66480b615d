"""A libvirt hook script failed, so the start was refused.

## What it means
libvirt runs `/etc/libvirt/hooks/qemu` (and the scripts of `qemu.d`) before a guest starts, and
an exit status other than 0 stops it. The script's own words are the cause.

## How to confirm
Run it by hand as root: `/etc/libvirt/hooks/qemu NAME prepare begin -` with the definition on its
input; its words stand at the end of the message.

## What to do
Mend the script, or let it exit with 0 on what does not matter.

## Strings it goes by
- `Hook script execution failed: internal error: Child process (/etc/libvirt/hooks/qemu vm1 prepare begin -) unexpected exit status 1`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU217"
SLUG = "hook-script-failed"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The hook script '{subject}' failed, so libvirt refused the start.",
    subject="/etc/libvirt/hooks/qemu",
    phrases=(
        r"hook script execution failed[^\n]*?(?P<subject>/[^\s)]*hooks/[^\s)]+)",
        r"hook script execution failed",
        r"child process \([^)\n]*?(?P<subject>/[^\s)]*libvirt/hooks/[^\s)]+)[^\n]*(?:exit status|signal)",
    ),
    fixes=(
        Fix(
            "run it by hand to hear its words",
            ("bash -x /etc/libvirt/hooks/qemu NAME prepare begin - </dev/null",),
        ),
    ),
    proof=programs.script_broken("/etc/libvirt/hooks/qemu"),
)
POSITIVE = (
    Evidence(
        error="Hook script execution failed: internal error: Child process (LC_ALL=C /etc/libvirt/hooks/qemu test prepare begin -) unexpected exit status 1"
    ),
)
NEGATIVE = (Evidence(error="Non-executable hook script /etc/libvirt/hooks/qemu"),)

probes = _TOLD.probes
find = _TOLD.find
