"""A TCP port that a serial line, monitor or other character device listens on is taken.

## What it means
The definition lets QEMU listen on a fixed port (`<serial type='tcp'>` with mode `bind`, a monitor or
debugger in raw arguments), and another program already does.

## How to confirm
`ss -ltnp 'sport = :4555'` names the process.

## What to do
Use another port or a UNIX socket, or end the other program.

## Strings it goes by
- `-chardev socket,...: Failed to find an available port: Address already in use`
- `-chardev socket,...: Failed to bind socket: Address already in use`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import ports
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit, holders
from virtup.model.evidence import Evidence
from virtup.model.probe import Holder, PortFact, PortHolder

CODE = "VU087"
SLUG = "tcp-port-in-use"

_SAID = (
    "qemu-system-x86_64: -chardev socket,id=c,host=127.0.0.1,port=4555,server=on,wait=off: Failed to "
    "find an available port: Address already in use\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PortHolder(4555): PortFact(True, "127.0.0.1", (Holder(9, "nc"),))},
    ),
    Evidence(
        stderr="qemu-system-x86_64: -gdb tcp::1234: Failed to find an available port: Address already in use\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -vnc :7: Failed to find an available port: Address already in use\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,path=/x: Failed to bind socket to /x: Permission denied\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PortHolder]:
    """Ask who has the port."""
    return ports.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each port that is taken and no display's or forward's."""
    for taken in ports.taken(ev):
        use, fact = taken.use, taken.fact
        display = use.what.startswith(("VNC", "SPICE"))
        if display or use.what == "port forward" or taken.errno != errno.EADDRINUSE:
            continue
        who = holders(fact.holders) if fact and fact.holders else "another process"
        evidence = list(taken.quotes)
        if fact is not None and fact.listening:
            evidence.append(f"this host: {who} listens on {fact.address}:{use.port}")
        yield _found(
            f"The {use.protocol.upper()} port {use.port} of the {use.what} is taken by {who}.",
            str(use.port),
            taken.certainty if fact and fact.listening else Certainty.LIKELY,
            tuple(evidence),
            (edit(f"use another port than {use.port}, or a UNIX socket,"),),
            taken.at,
        )
