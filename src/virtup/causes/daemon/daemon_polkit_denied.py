"""The user may not manage the system daemon: polkit refuses or cannot ask.

## What it means
`qemu:///system` asks polkit whether the user may manage guests. Outside of a desktop there is no
agent to ask for a password, and the user is not in the group that needs none.

## How to confirm
`id` lacks the group libvirt; `pkcheck --action-id org.libvirt.unix.manage --process $$`.

## What to do
`usermod -aG libvirt USER` and log in again, or `qemu:///session`.

## Strings it goes by
- `authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'`
- `authentication cancelled: user cancelled authentication process`
- `access denied by policy`
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU214"
SLUG = "daemon-polkit-denied"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="polkit does not let this user manage the system's guests ({subject}).",
    subject="org.libvirt.unix.manage",
    phrases=(
        r"no polkit agent available[^\n]*?'(?P<subject>org\.libvirt[^'\n]+)'",
        r"polkit error[^\n]*",
        r"(?:authentication (?:unavailable|cancelled|failed)|not authorized)[^\n]*(?P<subject>org\.libvirt\.[\w.-]+)",
        r"authentication cancelled: user cancelled",
        r"(?:authorization requires authentication but no agent|authentication failed: no agent is available|access denied by policy|polkit\S* (?:denied|retains))[^\n]*",
        r"error checking for authorization (?P<subject>org\.libvirt[\w.-]+)",
        r"access denied: '[^'\n]+' denied access",
    ),
    fixes=(
        Fix("join the group, then log in again", ("usermod -aG libvirt USER",), Safety.CONFIRM),
    ),
)
POSITIVE = (
    Evidence(
        error="libvirt: Polkit error : authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'"
    ),
    Evidence(error="authentication failed: no agent is available to authenticate"),
)
NEGATIVE = (
    Evidence(
        error="Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
