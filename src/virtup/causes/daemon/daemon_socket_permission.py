"""The account may not open the libvirt socket.

## What it means
The system daemon's socket belongs to root and a group (libvirt; libvirtd on old Ubuntu), and
this account is not in it, or the login is older than its membership.

## How to confirm
`ls -l /run/libvirt/libvirt-sock`; `id` lists the groups of this login.

## What to do
`usermod -aG libvirt USER` and log in again; or use `qemu:///session`.

## Strings it goes by
- `Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied`
- `unable to connect to '/var/run/libvirt/libvirt-sock', libvirtd may need to be started: Permission denied`
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU212"
SLUG = "daemon-socket-permission"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="This account may not open libvirt's socket '{subject}'.",
    phrases=(
        r"(?:failed to|unable to|cannot|could not) connect(?: socket)?[^\n]{0,20}?'?(?P<subject>/[^'\n]*(?:libvirt|virtqemud|virtnetworkd|virtstoraged|virtproxyd|virtnodedevd|virtsecretd|virtinterfaced|virtxend)(?:-admin)?-sock(?:-ro)?)'?[^\n]*permission denied",
        r"(?:dial unix|connect\(?\)?:?) (?P<subject>/\S*(?:libvirt|virtqemud|virtnetworkd|virtstoraged|virtproxyd|virtnodedevd|virtsecretd|virtinterfaced|virtxend)(?:-admin)?-sock(?:-ro)?):? [^\n]*permission denied",
        r"'(?P<subject>/[^'\n]*(?:libvirt|virt(?!log|lock)\w+d)(?:-admin)?-sock(?:-ro)?)': permission denied",
    ),
    fixes=(
        Fix("join the group, then log in again", ("usermod -aG libvirt USER",), Safety.CONFIRM),
    ),
)
POSITIVE = (
    Evidence(
        error="virError(Code=38, Domain=7, Message='Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied')"
    ),
    Evidence(error="dial unix /var/run/libvirt/libvirt-sock: connect: permission denied"),
)
NEGATIVE = (
    Evidence(
        error="Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
