"""The bridge that the interface names does not exist.

## What it means
`<interface type='bridge'><source bridge='br0'/>` names a bridge of the host, and the host has no
interface of that name: the network configuration did not run, the name is another one, or a virtual
network that makes it is not started.

## How to confirm
`ip -brief link show type bridge` lists the bridges.

## What to do
Correct the name, or make the bridge: in the host's network configuration for good, by
`ip link add NAME type bridge` until the next boot. `virbr0` belongs to a virtual network:
start that.

## Strings it goes by
- `Cannot get interface MTU on 'br0': No such device`
- `Unable to add bridge br0 port vnet0: No such device`
- `failed to get mtu of bridge 'br0': No such device` (qemu-bridge-helper)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import definition, interfaces, revise
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, LinkFact
from virtup.model.repair import Change

CODE = "VU084"
SLUG = "net-bridge-missing"

_NO_BRIDGE = re.compile(
    r"is no bridge|operation not (?:supported|permitted)|permission denied|resource busy",
    re.IGNORECASE,
)
"""What is said of a bridge, or of another thing, that is there."""
_SAID = "Cannot get interface MTU on 'br0': No such device"
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(phase="prepare", error="the bridge 'br0' does not exist"),
    Evidence(error=_SAID, uid=991, host={Link("br0"): LinkFact(nearby=("br1",))}),
)
NEGATIVE = (
    Evidence(error="Unable to add bridge enp3s0 port vnet0: Operation not supported"),
    Evidence(error=_SAID, uid=991, host={Link("br0"): LinkFact(exists=True, kind="bridge")}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the bridge."""
    return interfaces.bridge_probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each bridge that is not there."""
    for named in interfaces.bridges_told(ev):
        if named.fact.exists if named.fact else _NO_BRIDGE.search(named.words):
            continue
        evidence = list(named.quotes)
        fixes = [
            Fix(
                "make the bridge (until the next boot), or correct its name in the definition",
                (f"ip link add {named.name} type bridge", f"ip link set {named.name} up"),
                Safety.CONFIRM,
                (f"ip link del {named.name}",),
            )
        ]
        if named.fact is not None:
            evidence.append(f"this host has no interface '{named.name}'")
            if named.fact.nearby:
                fixes.insert(0, edit(f"did you mean '{named.fact.nearby[0]}'? Correct the name"))
        yield _found(
            f"The bridge '{named.name}' does not exist on this host.",
            named.name,
            Certainty.PROVEN if named.fact else Certainty.LIKELY,
            tuple(evidence),
            tuple(fixes),
            named.at,
        )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Name the bridge that there is."""
    near = revise.named_in(finding, r"did you mean '(.*?)'")
    sources = [
        one
        for nic in definition.devices(ev.definition, "interface")
        if (one := nic.find("source")) is not None
    ]
    return revise.given(revise.with_value(sources, "bridge", finding.subject), "bridge", near)
