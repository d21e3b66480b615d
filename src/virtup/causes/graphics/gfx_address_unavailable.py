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
import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import ports
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU091"
SLUG = "gfx-address-unavailable"

_NAME = re.compile(
    r"[^\n]*-vnc [^\n]*address resolution failed for (?P<name>[^\n:]+):\d+[^\n]*", re.IGNORECASE
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -vnc 10.9.9.9:3: Failed to bind socket: Cannot assign requested address\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -vnc nosuch:3: address resolution failed for nosuch:5903: "
        "Name or service not known\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -vnc :7: Failed to find an available port: Address already in use\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the kernel's answer to QEMU is in the words."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each address that the host does not have."""
    named = said(ev).find(_NAME)
    refused = [
        (one.use.address, one.seen)
        for one in ports.taken(ev)
        if one.seen
        and one.errno == errno.EADDRNOTAVAIL
        and one.use.what.startswith(("VNC", "SPICE"))
    ]
    for address, seen in [*refused, *([(named["name"], named)] if named else [])]:
        yield _found(
            f"The display is to listen on '{address}', which is not an address of this host.",
            address,
            Certainty.LIKELY,
            (seen.quote,),
            (edit(f"change <listen address='{address}'/> to '127.0.0.1' or an address it has"),),
            seen.at,
        )
