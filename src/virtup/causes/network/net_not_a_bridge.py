"""The interface names a device as bridge which is no bridge.

## What it means
The name in `<source bridge='...'/>` is an interface of the host, and of another kind: a network card,
a bond, a veth. Guests can be attached to a bridge only. (An Open vSwitch bridge looks like an
ordinary interface, too: it needs `<virtualport type='openvswitch'/>`.)

## How to confirm
`ip -d link show NAME` prints the kind; `ls /sys/class/net/NAME/bridge` exists for a bridge only.

## What to do
Make a bridge and put the card into it, or use `<interface type='direct'>` (macvtap) on the card.

## Strings it goes by
- `Unable to add bridge enp3s0 port vnet0: Operation not supported`
- `the bridge 'eth0' is no bridge`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import interfaces, revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, LinkFact
from virtup.model.repair import Change

CODE = "VU085"
SLUG = "net-not-a-bridge"
ALSO = ("net-ovs-virtualport-missing",)

_KINDS = re.compile(r"is no bridge|operation not supported", re.IGNORECASE)
CARD = re.compile(r"(?:en[opsx]|eth\d|wl[opsx]|wlan\d|bond\d|ib\d|veth)", re.IGNORECASE)
"""How the kernel and systemd name network cards, bonds and pairs: none of them is a bridge."""
_SAID = "Unable to add bridge veth-lab port vnet0: Operation not supported"
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(phase="prepare", error="the bridge 'veth-lab' is no bridge"),
    Evidence(error=_SAID, uid=991, host={Link("veth-lab"): LinkFact(exists=True, kind="veth")}),
)
NEGATIVE = (
    Evidence(error="Unable to add bridge br0 port vnet0: No such device"),
    Evidence(error=_SAID, uid=991, host={Link("veth-lab"): LinkFact(exists=True, kind="bridge")}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the interface."""
    return interfaces.bridge_probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each interface that is named as bridge and is none."""
    for named in interfaces.bridges_told(ev):
        fact = named.fact
        if fact is None and not _KINDS.search(named.words):
            continue
        if fact is not None and (not fact.exists or fact.kind == "bridge"):
            continue
        evidence = list(named.quotes)
        sentence = f"The interface '{named.name}' is not a bridge"
        if fact is not None:
            evidence.append(f"this host: '{named.name}' is of kind '{fact.kind}'")
        # an Open vSwitch bridge gives the same words and is no kernel bridge
        plain = "is no bridge" in named.words or bool(CARD.match(named.name))
        certainty = Certainty.LIKELY if plain else Certainty.POSSIBLE
        certainty = Certainty.PROVEN if fact else certainty
        yield _found(
            sentence + ".",
            named.name,
            certainty,
            tuple(evidence),
            (
                Fix("name a bridge, or use <interface type='direct'> on this interface"),
                edit("or use <interface type='user'> for now: out to the network, not in,"),
            ),
            named.at,
        )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Give the interfaces on it QEMU's own network."""
    return revise.to_user_network(ev.definition, "bridge", finding.subject)
