"""An Open vSwitch bridge is used without the openvswitch virtualport.

## What it means
An Open vSwitch bridge looks like an interface of the host, and a tap cannot be put into it as into a
bridge of the kernel: libvirt has to ask ovs-vsctl for it, which it does for a virtualport of type
openvswitch only.

## How to confirm
`ovs-vsctl list-br` lists the bridge; `ls /sys/class/net/NAME/bridge` does not exist.

## What to do
`<virtualport type='openvswitch'/>` in the interface, or in the network that it uses.

## Strings it goes by
- `Unable to add bridge ovs-br0 port vnet0: Operation not supported`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import interfaces
from virtup.causes.finding import Certainty, Finding
from virtup.causes.network.net_not_a_bridge import CARD
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, LinkFact

CODE = "VU249"
SLUG = "net-ovs-virtualport-missing"
ALSO = ("net-not-a-bridge",)
OVER = ("net-bridge-missing",)

_REFUSED = re.compile(r"operation not supported", re.IGNORECASE)
_NAMED_SO = re.compile(r"\w*ovs|openvswitch|br-?(?:int|ex|tun|provider|phy)\b", re.IGNORECASE)
_SAID = "Unable to add bridge ovs-br0 port vnet0: Operation not supported"
POSITIVE = (Evidence(error=_SAID), Evidence(error=_SAID.replace("ovs-br0", "lan0")))
NEGATIVE = (
    Evidence(error=_SAID.replace("ovs-br0", "enp3s0")),
    Evidence(error="Unable to add bridge br0 port vnet0: No such device"),
    Evidence(error=_SAID, uid=991, host={Link("ovs-br0"): LinkFact(exists=True, kind="veth")}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the interface."""
    return interfaces.bridge_probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each interface that refuses taps and may be Open vSwitch's."""
    for named in interfaces.bridges_told(ev):
        fact = named.fact
        if not (_REFUSED.search(named.words) or ev.ahead) or CARD.match(named.name):
            continue
        if fact is not None and fact.kind != "openvswitch":
            continue
        sure = fact is not None or "openvswitch" in ev.definition or _NAMED_SO.match(named.name)
        certainty = Certainty.PROVEN if fact else Certainty.LIKELY if sure else Certainty.POSSIBLE
        yield _found(
            f"The bridge '{named.name}' is Open vSwitch's, and the interface does not say so."
            if sure
            else f"The bridge '{named.name}' may be Open vSwitch's, which the interface has to say.",
            named.name,
            certainty,
            (*named.quotes, *((f"this host: kind '{fact.kind}'",) if fact else ())),
            (edit("add <virtualport type='openvswitch'/> to the interface"),),
            named.at,
        )
