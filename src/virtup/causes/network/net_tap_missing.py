"""The tap device that the interface names does not exist.

## What it means
`<target dev='tap7' managed='no'/>` says that the tap is made by somebody else, and it was not: the
script or unit that makes it did not run, or another name is right.

## How to confirm
`ip -brief link show tap7`; `ip tuntap list` lists the taps.

## What to do
Make it (`ip tuntap add tap7 mode tap user QEMU_USER`) before the guest starts, or drop
`managed='no'`: virtup then makes one itself.

## Strings it goes by
- `the tap 'tap7' does not exist`
- `Cannot get interface flags on 'tap7': No such device`
- `target managed='no' but specified dev doesn't exist`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import interfaces
from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety, mend
from virtup.causes.network.net_not_a_bridge import CARD
from virtup.causes.who import account_name
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, LinkFact
from virtup.model.repair import MakeTap

CODE = "VU080"
SLUG = "net-tap-missing"

_GONE = re.compile(
    r"(?:the tap '(?P<a>[^'\n]+)' does not exist"
    r"|cannot get interface flags on '(?P<b>[^'\n]+)': no such device"
    r"|managed='no' but specified dev doesn't exist)[^\n]*",
    re.IGNORECASE,
)
_SAID = "the tap 'tap7' does not exist"
POSITIVE = (
    Evidence(phase="prepare", error=_SAID),
    Evidence(phase="prepare", error=_SAID, uid=991, host={Link("tap7"): LinkFact()}),
)
NEGATIVE = (
    Evidence(error="Cannot get interface MTU on 'br0': No such device"),
    Evidence(phase="prepare", error=_SAID, uid=991, host={Link("tap7"): LinkFact(exists=True)}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the tap."""
    seen = said(ev).find(_GONE)
    if ev.uid is not None and seen is not None and (seen["a"] or seen["b"]):
        yield Link(seen["a"] or seen["b"])
    yield from interfaces.tap_probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a tap that is not there."""
    for planned in ev.plan.taps:
        fact = ev.fact(Link(planned.name))
        if planned.must_exist and fact is not None and not fact.exists:
            yield _finding(ev, planned.name, None, fact)
    seen = said(ev).find(_GONE)
    if seen is None:
        return
    name = seen["a"] or seen["b"]
    fact = ev.fact(Link(name))
    card = bool(CARD.match(name)) or f"<source dev='{name}'" in ev.definition
    if not card and (fact is None or not fact.exists):
        yield _finding(ev, name, seen, fact)


def _finding(ev: Evidence, name: str, seen: Seen | None, fact: LinkFact | None) -> Finding:
    evidence = [
        *([seen.quote] if seen else []),
        *([f"this host has no interface '{name}'"] if fact else []),
    ]
    tap = name or "TAP"
    return _found(
        f"The tap device '{tap}' does not exist on this host.",
        name,
        Certainty.PROVEN if fact else Certainty.LIKELY,
        tuple(evidence),
        (_make(ev, tap),),
        seen.at if seen else NOWHERE,
    )


def _make(ev: Evidence, tap: str) -> Fix:
    if ev.uid is not None and tap != "TAP":
        return mend(f"make the tap '{tap}'", MakeTap(tap, ev.uid, ev.user), safety=Safety.AUTO)
    who = account_name(ev)
    commands = (f"ip tuntap add {tap} mode tap user {who}", f"ip link set {tap} up")
    return Fix("make it", commands, Safety.AUTO, (f"ip tuntap del {tap} mode tap",))
