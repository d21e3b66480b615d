"""The tap device is in use by another process, or its name by another interface.

## What it means
A tap can be opened by one process at a time (unless it has several queues), and another one, most
often another guest with the same `<target dev=.../>`, has it. Or the host has an interface of that
name which is no tap, such as a bridge or a network card: the kernel calls that an invalid argument.

## How to confirm
`grep -l 'iff:.tap7' /proc/[0-9]*/fdinfo/*` names the process; `ip -d link show tap7` tells what
the interface is.

## What to do
End the other guest, or give one of them another name; without a `<target dev=...>` virtup chooses
a free one.

## Strings it goes by
- `could not configure /dev/net/tun (tap7): Device or resource busy`
- `Unable to create tap device tap7: Device or resource busy`
- `could not configure /dev/net/tun (br0): Invalid argument`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import contradictions, definition, interfaces, revise
from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.who import edit, holders
from virtup.causes.words import errno_of
from virtup.model.evidence import Evidence
from virtup.model.probe import Holder, Link, LinkFact
from virtup.model.repair import Change

CODE = "VU081"
SLUG = "net-tap-busy"

_SAID = (
    "qemu-system-x86_64: -netdev tap,id=n,ifname=tap7,script=no,downscript=no: could not configure "
    "/dev/net/tun (tap7): Device or resource busy\n"
)
_TWICE = "<interface type='ethernet'><target dev='tap7'/></interface>"
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(phase="prepare", error="cannot make the tap 'tap7': Device or resource busy"),
    Evidence(error="Unable to create tap device tap7: Device or resource busy"),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={
            Link("tap7"): LinkFact(
                exists=True, kind="tun", holders=(Holder(7, "qemu-system-x86", "other"),)
            )
        },
    ),
    Evidence(
        phase="prepare",
        error="cannot make the tap 'tap7': Device or resource busy",
        definition=f"<domain><devices>{_TWICE}{_TWICE}</devices></domain>",
    ),
    Evidence(
        stderr=_SAID.replace("Device or resource busy", "Invalid argument"),
        uid=991,
        host={Link("tap7"): LinkFact(exists=True, kind="bridge")},
    ),
)
NEGATIVE = (
    Evidence(
        stderr=_SAID.replace("Device or resource busy", "Invalid argument"),
        uid=991,
        host={Link("tap7"): LinkFact(exists=True, kind="tun")},
    ),
    Evidence(stderr=_SAID.replace("Device or resource busy", "Operation not permitted")),
    Evidence(error="the tap 'tap7' does not exist"),
)

_TAPS = ("", "tun")
"""The kinds of a tap, and of what nobody looked at."""

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the tap."""
    return interfaces.tap_probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a tap that another process has, and for a name that is no tap's."""
    twice = {found.subject: found for found in _twice(ev)}
    yield from twice.values()
    for named in interfaces.taps_told(ev):
        if named.fact is not None and named.fact.exists and named.fact.kind not in _TAPS:
            yield _taken(named, named.fact)
            continue
        if named.name in twice:
            continue
        by = named.fact.holders if named.fact else ()
        busy = errno_of(named.words) == errno.EBUSY or ev.errno == errno.EBUSY
        if not busy and not (ev.ahead and by):
            continue
        evidence = list(named.quotes)
        if by:
            evidence.append(f"this host: {holders(by)} has '{named.name}' open")
        yield _found(
            f"The tap device '{named.name}' is in use by {holders(by) if by else 'another process'}.",
            named.name,
            Certainty.PROVEN if by else Certainty.LIKELY,
            tuple(evidence),
            (_another(named.name),),
            named.at,
        )


def _twice(ev: Evidence) -> Iterator[Finding]:
    """Yield the taps that the guest itself would have twice."""
    told = {named.name: named for named in interfaces.taps_told(ev)}
    for name in dict.fromkeys([*(tap.name for tap in ev.plan.taps), *told]):
        own = contradictions.TAP_TWICE.judges(ev, name) if name else None
        if own is not None:
            yield _found(
                f"Two interfaces of the guest are to have the tap device '{name}'.",
                name,
                Certainty.PROVEN,
                (*(told[name].quotes if name in told else ()), *own.facts),
                (edit(f"remove <target dev='{name}'/> of one of the two"),),
                told[name].at if name in told else NOWHERE,
            )


def _taken(named: interfaces.Named, fact: LinkFact) -> Finding:
    what = "" if fact.kind == "other" else f", a {fact.kind},"
    return _found(
        f"The host has an interface '{named.name}' already, and it is no tap.",
        named.name,
        Certainty.PROVEN,
        (*named.quotes, f"this host: the interface '{named.name}'{what} was not made as a tap"),
        (_another(named.name),),
        named.at,
    )


def _another(name: str) -> Fix:
    return edit(f"drop <target dev='{name}'/> or use another name")


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Leave the name to be chosen: the interface gets a tap of its own."""
    nics = definition.devices(ev.definition, "interface")
    targets = [one for nic in nics if (one := nic.find("target")) is not None]
    having = [one for one in targets if one.get("dev") == finding.subject]
    return revise.dropped(*having[-1:])
