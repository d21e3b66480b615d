"""By macvtap a guest reaches the network, and never its own host.

## What it means
`<interface type='direct'>` (macvtap) hands the guest's packets to the card below the host's own network
stack, and a card does not send a packet back to where it came from. The guest reaches all others.

## How to confirm
`virsh dumpxml NAME | grep "type='direct'"`; another machine answers the guest, the host does not.

## What to do
Add a second interface on a libvirt network (`<interface type='network'>`, an isolated one will do) for traffic
with the host; or use a bridge in place of macvtap.

## Strings it goes by
- `guest can reach outside network, but can't reach host when using macvtap`
- `guest cannot ping host (macvtap)`
"""

from __future__ import annotations

from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU411"
SLUG = "net-macvtap-host-unreachable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A guest on macvtap (<interface type='direct'>) cannot reach its own host.",
    subject="macvtap",
    doubtful=(
        r"guest[^\n]{0,80}(?:cannot|can't|can not|unable to|not able to) (?:reach|ping|connect to|see) (?:the |its )?(?:own )?host\b[^\n]*",
        r"(?:host|hypervisor)[^\n]{0,20}(?:unreachable|not reachable) from (?:the )?(?:guest|vm)[^\n]*",
    ),
    backed=r"type=['\x22]direct['\x22]",
    fixes=(edit("add an interface on a libvirt network, or use a bridge"),),
)
POSITIVE = (
    Evidence(error="guest can reach outside network, but can't reach host when using macvtap"),
    Evidence(
        error="the guest cannot ping the host",
        definition="<interface type='direct'><source dev='eth0' mode='bridge'/></interface>",
    ),
)
NEGATIVE = (
    Evidence(error="error creating macvtap interface macvtap0@eth0: Device or resource busy"),
)

probes = _TOLD.probes
find = _TOLD.find
