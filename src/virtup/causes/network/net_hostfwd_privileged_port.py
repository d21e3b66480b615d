"""The host port of a user-mode forward, or of a character device, needs privilege.

## What it means
Ports below 1024 may be opened only by root or with CAP_NET_BIND_SERVICE, and QEMU runs without
either.

## How to confirm
`cat /proc/sys/net/ipv4/ip_unprivileged_port_start` is above the port; nothing listens on it.

## What to do
Take a port from 1024 up, and let the host's firewall redirect the low port to it.

## Strings it goes by
- `Could not set up host forwarding rule 'tcp:127.0.0.1:80-:80'`
- `-chardev socket,...port=23,...: Failed to bind socket: Permission denied`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import ports
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import account, edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PortFact, PortHolder
from virtup.model.probe_system import Setting

CODE = "VU088"
SLUG = "net-hostfwd-privileged-port"
OVER = ("qemu-argument-refused",)

_SAID = (
    "qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp:127.0.0.1:80-:80: Could not set up host "
    "forwarding rule 'tcp:127.0.0.1:80-:80'\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, uid=991, host={PortHolder(80): PortFact()}),
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,id=c,host=127.0.0.1,port=23,server=on,wait=off: "
        "Failed to bind socket: Permission denied\n"
    ),
    Evidence(stderr="Failed to bind port 80 (Permission denied) for option '-t 80', exiting\n"),
)
NEGATIVE = (
    Evidence(stderr=_SAID.replace(":80", ":8080")),
    Evidence(stderr=_SAID, uid=991, host={PortHolder(80): PortFact(True, "0.0.0.0")}),  # noqa: S104
)

RESERVED = 1024
FIRST_FREE = Setting("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PortHolder | Setting]:
    """Ask whether somebody has the port already, and from which one on they are free to take."""
    yield from ports.probes(ev)
    if ev.uid is not None and any(one.use.port < RESERVED for one in ports.taken(ev)):
        yield FIRST_FREE


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each low port that nobody has and QEMU may not open."""
    for taken in ports.taken(ev):
        use, fact = taken.use, taken.fact
        forward = use.what == "port forward"
        refused = forward or taken.errno in {errno.EACCES, errno.EPERM}
        if not refused or use.port >= RESERVED or (fact and fact.listening):
            continue
        evidence = list(taken.quotes)
        if fact is not None:
            evidence.append(f"this host: nobody listens on {use.protocol} port {use.port}")
        first = ev.fact(FIRST_FREE)
        certainty = Certainty.LIKELY
        if first is not None and first.value.isdigit() and fact is not None and ev.uid:
            if use.port >= int(first.value):
                continue
            certainty = Certainty.PROVEN
            evidence.append(f"this host: only root opens ports below {first.value}")
        what = "which is to be forwarded" if forward else f"of the {use.what}"
        yield _found(
            f"{account(ev)} may not open the host's {use.protocol} port {use.port} "
            f"(below 1024), {what}.",
            str(use.port),
            certainty,
            tuple(evidence),
            (edit(f"use a port from 1024 up instead of {use.port}"),),
            taken.at,
        )
