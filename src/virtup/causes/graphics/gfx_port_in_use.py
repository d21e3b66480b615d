"""The VNC/SPICE port is taken by another process.

## What it means
The display is to listen on a fixed TCP port (VNC display N is port 5900 + N), and another program
already does: another guest, a VNC server of the host, a QEMU that was left over.

## How to confirm
`ss -ltnp 'sport = :5900'` names the process.

## What to do
Let virtup choose a free port (`port='-1' autoport='yes'`), or choose another, or end the other
program.

## Strings it goes by
- `Failed to start VNC server: Failed to bind socket: Address already in use`
- `-vnc 127.0.0.1:0: Failed to find an available port: Address already in use`
- `Failed to start VNC server on '127.0.0.1:0'`
- `Unable to find an unused port in range 'VNC' (5900-65535)`
- `reds_init_socket: binding socket to 0.0.0.0:5900 failed`, `failed to initialize spice server`
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import definition, ports, revise, usage
from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.who import edit, holders
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Holder, PortFact, PortHolder
from virtup.model.repair import Change

CODE = "VU090"
SLUG = "gfx-port-in-use"

_RANGE = re.compile(
    r"'(?P<what>VNC|SPICE)[^'\n]*' \((?P<first>\d+)-(?P<last>\d+)\)",
    re.IGNORECASE,
)
_RESERVED = re.compile(r"failed to reserve port (?P<port>\d+)", re.IGNORECASE)
"""libvirt keeps account of its displays' ports."""
_UNNAMED = re.compile(
    r"failed to start (?P<what>vnc|spice) server: [^\n]*address already in use", re.IGNORECASE
)
"""A refusal without the port, which a message that was cut has lost."""
_SAID = "qemu-system-x86_64: -vnc 127.0.0.1:7: Failed to find an available port: Address already in use\n"
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr="qemu-system-x86_64: -vnc 0.0.0.0:12613: Failed to start VNC server: Failed to bind "
        "socket: Address already in use\n"
    ),
    Evidence(
        stderr="(process:278): Spice-WARNING **: 22:21:01.291: reds.c:2645:reds_init_socket: binding "
        "socket to 0.0.0.0:41212 failed\nqemu-kvm: failed to initialize spice server\n"
    ),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PortHolder(5907): PortFact(True, "127.0.0.1", (Holder(77, "Xvnc"),))},
    ),
    Evidence(
        stderr="inet_listen_opts: bind(ipv4,127.0.0.1,5900): Address already in use\nFailed to start VNC server on `127.0.0.1:0': Address already in use\n"
    ),
    Evidence(error="Failed to start VNC server: Failed to bind socket: Address already in use"),
    Evidence(error="internal error: Failed to reserve port 5900"),
    Evidence(phase="check", argv=("/q", "-vnc", ":7", "-vnc", "127.0.0.1:7")),
)
NEGATIVE = (
    Evidence(error="Unable to find an unused minor"),
    Evidence(
        stderr="qemu-system-x86_64: -vnc 10.9.9.9:3: Failed to bind socket: Cannot assign requested address\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,id=c,host=::1,port=5907,server=on,wait=off: "
        "Failed to find an available port: Address already in use\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PortHolder]:
    """Ask who has the display's port."""
    return ports.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each port of a display that is taken."""
    twice = {found.subject: found for found in _twice(ev)}
    yield from twice.values()
    told = ports.taken(ev)
    held = {one.at for one in told if one.fact is not None and one.fact.listening}
    for taken in told:
        use = taken.use
        looked = taken.fact is not None and not taken.fact.listening
        if str(use.port) in twice or (looked and taken.at in held):
            continue
        if not use.what.startswith(("VNC", "SPICE")) or taken.errno != errno.EADDRINUSE:
            continue
        by = taken.fact.holders if taken.fact else ()
        evidence = list(taken.quotes)
        sentence = f"The {use.what} port {use.port}"
        if taken.fact is not None and taken.fact.listening:
            who = holders(by) if by else "a process that this account may not see"
            evidence.append(f"this host: {who} listens on {taken.fact.address}:{use.port}")
            sentence += f" is taken by {who}"
        else:
            sentence += " is taken by another process"
            if looked:
                evidence.append(f"this host: nobody listens on port {use.port} now")
        yield _found(
            sentence + ".",
            str(use.port),
            taken.certainty if taken.fact and taken.fact.listening else Certainty.LIKELY,
            tuple(evidence),
            (edit("let the port be chosen: port='-1' autoport='yes' on <graphics>"),),
            taken.at,
        )
    yield from _none_left(ev)


def _twice(ev: Evidence) -> Iterator[Finding]:
    """Yield the ports on which two displays of the guest itself are to listen."""
    told = {one.use.port: one for one in ports.taken(ev)}
    uses = [use for use in usage.ports(ev.argv) if use.what.startswith(("VNC", "SPICE"))]
    for port in dict.fromkeys(use.port for use in uses if not use.last):
        both = [use for use in uses if use.port == port]
        if len(both) < 2 or (port not in told and not ev.ahead):
            continue
        quotes = told[port].quotes if port in told else ()
        shown = f"the command line: {both[0].what} and {both[1].what} are both given port {port}"
        yield _found(
            f"Two displays of the guest are to listen on port {port}.",
            str(port),
            Certainty.PROVEN,
            (*quotes, shown),
            (edit("let the ports be chosen: port='-1' autoport='yes' on <graphics>"),),
            told[port].at if port in told else NOWHERE,
        )


def _none_left(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the whole range that ports are chosen from is taken."""
    seen = said(ev).find(_RANGE)
    unnamed = said(ev).find(_UNNAMED)
    if unnamed is not None and not ports.taken(ev):
        what = unnamed["what"].upper()
        yield _found(
            f"The port of the {what} display is taken by another process.",
            what,
            Certainty.LIKELY,
            (unnamed.quote,),
            (edit("let the port be chosen: port='-1' autoport='yes' on <graphics>"),),
            unnamed.at,
        )
    reserved = said(ev).find(_RESERVED)
    if reserved is not None:
        yield _found(
            f"The port {reserved['port']} of the display belongs to another guest, or is taken.",
            reserved["port"],
            Certainty.LIKELY,
            (reserved.quote,),
            (edit("let the port be chosen: port='-1' autoport='yes' on <graphics>"),),
            reserved.at,
        )
    if seen is not None:
        yield _found(
            f"No {seen['what']} port from {seen['first']} to {seen['last']} is free.",
            f"{seen['first']}-{seen['last']}",
            Certainty.LIKELY,
            (seen.quote,),
            (Fix("see who listens there", ("ss -ltnp",)),),
            seen.at,
        )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Have the port chosen."""
    displays = definition.devices(ev.definition, "graphics")
    one = revise.with_value(displays, "port", finding.subject)
    return revise.given(one, "port", "-1") + revise.given(one, "autoport", "yes")
