"""The tap device is in use by another process.

## What it means
A tap can be opened by one process at a time (unless it has several queues), and another one, most
often another guest with the same `<target dev=.../>`, has it.

## How to confirm
`grep -l 'iff:.tap7' /proc/[0-9]*/fdinfo/*` names the process.

## What to do
End the other guest, or give one of them another name; without a `<target dev=...>` virtup chooses
a free one.

## Strings it goes by
- `could not configure /dev/net/tun (tap7): Device or resource busy`
- `Unable to create tap device tap7: Device or resource busy`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import definition, interfaces, revise
from virtup.causes.finding import Certainty, Finding
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
)
NEGATIVE = (
    Evidence(stderr=_SAID.replace("Device or resource busy", "Operation not permitted")),
    Evidence(error="the tap 'tap7' does not exist"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the tap."""
    return interfaces.tap_probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a tap that another process has."""
    for named in interfaces.taps_told(ev):
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
            (edit(f"drop <target dev='{named.name}'/> or use another name"),),
            named.at,
        )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Leave the name to be chosen: the interface gets a tap of its own."""
    nics = definition.devices(ev.definition, "interface")
    targets = [one for nic in nics if (one := nic.find("target")) is not None]
    return revise.dropped(revise.with_value(targets, "dev", finding.subject))
