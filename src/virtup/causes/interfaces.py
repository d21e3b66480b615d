"""Network interfaces of the host that a guest needs: what the words say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from virtup.causes.finding import NOWHERE
from virtup.causes.usage import bridges, taps
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, LinkFact

_BRIDGE = re.compile(
    r"(?:the bridge '(?P<a>[^'\n]+)' (?:does not exist|is no bridge)"
    r"|cannot get interface mtu on '(?P<b>[^'\n]+)': no such device"
    r"|unable to add bridge (?P<c>\S+) port (?:\S+): (?:no such device|operation not supported)"
    r"|bridge '?(?P<d>[\w.-]+)'? (?:does not exist|not found)"
    r"|failed to add (?:tap )?interface (?:[`']?\S+?'? )?to bridge[: ]+[`']?(?P<e>[\w.-]+)"
    r"|failed to get mtu of bridge [`'](?P<f>[^'\n]+)')[^\n]*",
    re.IGNORECASE,
)
_TAP = re.compile(
    r"(?:the tap '(?P<a>[^'\n]+)' does not exist"
    r"|could not configure /dev/net/tun \((?P<b>[\w.-]+)\)"
    r"|unable to open (?:the )?tap '?(?P<c>[\w.-]+)'?"
    r"|cannot make the tap '(?P<f>[^'\n]+)'"
    r"|unable to create tap device '?(?P<d>[\w.-]+)'?"
    r"|tap '(?P<e>[^'\n]+)'[^\n]*busy)[^\n]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Named:
    """An interface that the words, or a start's plan, name, with what the host shows of it."""

    name: str
    seen: Seen | None
    fact: LinkFact | None

    @property
    def quotes(self) -> tuple[str, ...]:
        """The line that names it, if one does."""
        return (self.seen.quote,) if self.seen else ()

    @property
    def at(self) -> int:
        """Where the words name it."""
        return self.seen.at if self.seen else NOWHERE

    @property
    def words(self) -> str:
        """What is said of it, ``""`` when nothing is."""
        return self.seen.quote if self.seen else ""


def bridge_probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the bridge that the words name, and those that the command line does."""
    yield from (Link(tap.bridge) for tap in ev.plan.taps if tap.bridge)
    if ev.uid is not None:
        yield from (Link(name) for name in dict.fromkeys([*_names(ev, _BRIDGE), *bridges(ev.argv)]))


def tap_probes(ev: Evidence) -> Iterator[Link]:
    """Ask for the tap that the words name, and those that the command line does."""
    yield from (Link(tap.name) for tap in ev.plan.taps)
    if ev.uid is not None:
        yield from (Link(name) for name in dict.fromkeys([*_names(ev, _TAP), *taps(ev.argv)]))


def bridges_told(ev: Evidence) -> Iterator[Named]:
    """Yield the bridges that the words complain of, or that a start would join."""
    for tap in ev.plan.taps:
        fact = ev.fact(Link(tap.bridge)) if tap.bridge else None
        if fact is not None:
            yield Named(tap.bridge, None, fact)
    yield from _told(ev, _BRIDGE)


def taps_told(ev: Evidence) -> Iterator[Named]:
    """Yield the taps that the words complain of, or that a start would open."""
    for tap in ev.plan.taps:
        fact = ev.fact(Link(tap.name)) if tap.name else None
        if fact is not None and fact.exists:
            yield Named(tap.name, None, fact)
    yield from _told(ev, _TAP)


def _told(ev: Evidence, pattern: re.Pattern[str]) -> Iterator[Named]:
    for seen in said(ev).find_all(pattern):
        name = next(value for value in seen.match.groupdict().values() if value)
        yield Named(name, seen, ev.fact(Link(name)))


def _names(ev: Evidence, pattern: re.Pattern[str]) -> list[str]:
    return [one.name for one in _told(ev, pattern)]
