"""The address that the display is to listen on is not one of this host's.

## What it means
`<listen address='...'/>` names an IP address that no interface of this host has (any more): the
definition came from another host, DHCP gave another address, or the interface is down.

## How to confirm
`ip -brief address` lists the host's addresses.

## What to do
Use `127.0.0.1` (reached through ssh), an address that the host has, or `0.0.0.0` for all of them
behind a firewall and with a password.

## Strings it goes by
- `Failed to bind socket: Cannot assign requested address`
- `address resolution failed for HOST:5900: Name or service not known`
"""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import definition, nets, ports, revise, usage
from virtup.causes.finding import NOWHERE, Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe_network import Addresses
from virtup.model.probe_system import Setting
from virtup.model.repair import Change

CODE = "VU091"
SLUG = "gfx-address-unavailable"

_NAME = re.compile(
    r"[^\n]*-vnc [^\n]*address resolution failed for (?P<name>[^\n:]+):\d+[^\n]*"
    r"|the VNC display cannot listen on '(?P<ours>[^'\n]+)': [^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -vnc 10.9.9.9:3: Failed to bind socket: Cannot assign requested address\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -vnc nosuch:3: address resolution failed for nosuch:5903: "
        "Name or service not known\n"
    ),
    Evidence(
        phase="prepare",
        error="the VNC display cannot listen on '10.9.9.9': Cannot assign requested address",
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -vnc :7: Failed to find an available port: Address already in use\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


_NONLOCAL = {version: Setting(f"/proc/sys/net/ipv{version}/ip_nonlocal_bind") for version in (4, 6)}
"""Whether programs may listen on addresses that the host does not have (ip-sysctl.rst)."""


def probes(ev: Evidence) -> Iterator[Addresses | Setting]:
    """Ask for the host's addresses when a display is to listen on one, or was refused it."""
    if ev.ahead and _wanted(ev):
        yield Addresses()
        yield from _NONLOCAL.values()
    elif ev.uid is not None and any(True for _ in _refused(ev)):
        yield Addresses()


def _wanted(ev: Evidence) -> list[str]:
    """Return the addresses, given by number, that displays are to listen on."""
    displays = [use for use in usage.ports(ev.argv) if use.what.startswith(("VNC", "SPICE"))]
    return [use.address for use in displays if _numeric(use.address) is not None]


def _numeric(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _foreseen(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding before a start, for an address that no interface has."""
    known = ev.fact(Addresses()) if ev.ahead else None
    for address in _wanted(ev) if known else ():
        number = _numeric(address)
        if number is None or number.is_unspecified or number.is_loopback or number.is_link_local:
            continue
        setting = ev.fact(_NONLOCAL[number.version])
        elsewhere = setting is not None and setting.value == "1"
        if known is None or elsewhere or number in map(_numeric, known.addresses):
            continue
        has = f"this host: its addresses are {', '.join(known.addresses[:5])}"
        yield _finding(address, Certainty.PROVEN, has, NOWHERE)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each address that the host does not have."""
    yield from _foreseen(ev)
    for address, seen in _refused(ev):
        told = _finding(address, Certainty.LIKELY, seen.quote, seen.at)
        yield from nets.ADDRESS_MISSING.settled(ev, told)


def _refused(ev: Evidence) -> Iterator[tuple[str, Seen]]:
    """Yield the addresses that the words say were refused."""
    for one in ports.taken(ev):
        display = one.use.what.startswith(("VNC", "SPICE"))
        if one.seen and one.errno == errno.EADDRNOTAVAIL and display:
            yield one.use.address, one.seen
    named = said(ev).find(_NAME)
    if named is not None:
        yield named["name"] or named["ours"], named


def _finding(address: str, certainty: Certainty, evidence: str, at: int) -> Finding:
    return _found(
        f"The display is to listen on '{address}', which is not an address of this host.",
        address,
        certainty,
        (evidence,),
        (edit(f"change <listen address='{address}'/> to '127.0.0.1' or an address it has"),),
        at,
    )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Have it listen on this host alone."""
    made: tuple[Change, ...] = ()
    for display in definition.devices(ev.definition, "graphics"):
        if display.get("listen") == finding.subject:
            made += revise.given(display, "listen", "127.0.0.1")
        listens = display.findall("listen")
        one = revise.with_value(listens, "address", finding.subject)
        made += revise.given(one, "address", "127.0.0.1")
    return made
