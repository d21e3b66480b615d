"""The libvirt network is defined but not active.

## What it means
`<interface type='network'>` names a network that is defined and not started: it was destroyed,
has no autostart, or its start failed when the host came up.

## How to confirm
`virsh net-list --all` shows it as inactive. `virsh net-start NAME` starts it, or says why it
cannot.

## What to do
`virsh net-start NAME`, and `virsh net-autostart NAME` for the next boot. If the start of the
network fails, that failure is the cause (firewall, a taken bridge name, a subnet in use,
dnsmasq).

## Strings it goes by
- `network 'default' is not active`
- `Requested operation is not valid: network 'default' is not active`
- `internal error: Network 'default' is not active.`
"""

from __future__ import annotations

from virtup.causes import nets
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU201"
SLUG = "net-network-inactive"
ALSO = ("net-firewall-backend",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The libvirt network '{subject}' is not active: it was not started, or its start failed.",
    subject="the network",
    doubtful=(r"network:? '?(?P<subject>[^'\n]+?)'? (?:is not|isn't) (?:active|running|started)",),
    fixes=(
        Fix(
            "start it, now and at every boot",
            (
                "virsh net-start {subject}",
                "virsh net-autostart {subject}",
            ),
            Safety.CONFIRM,
        ),
    ),
    proof=nets.NETWORK_INACTIVE,
)
POSITIVE = (
    Evidence(error="Requested operation is not valid: network 'default' is not active"),
    Evidence(error="Ungültige Operation: Netzwerk 'default' ist nicht aktiv"),
)
NEGATIVE = (
    Evidence(error="Network not found: no network with matching name 'default'"),
    Evidence(error="Requested operation is not valid: storage pool 'default' is not active"),
)

probes = _TOLD.probes
find = _TOLD.find
