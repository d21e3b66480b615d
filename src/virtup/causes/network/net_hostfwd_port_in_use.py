"""The host port of a user-mode forward is taken.

## What it means
A user-mode network forwards a port of the host into the guest (`hostfwd`, `<portForward>`), and
another program, often another guest with the same forward, already listens on it.

## How to confirm
`ss -lnp 'sport = :2222'` names the process.

## What to do
Forward another port, or end the other program.

## Strings it goes by
- `Could not set up host forwarding rule 'tcp:127.0.0.1:2222-:22'`
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import ports
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit, holders
from virtup.model.evidence import Evidence
from virtup.model.probe import Holder, PortFact, PortHolder

CODE = "VU086"
SLUG = "net-hostfwd-port-in-use"

_SAID = (
    "qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp:127.0.0.1:2222-:22: Could not set up host "
    "forwarding rule 'tcp:127.0.0.1:2222-:22'\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PortHolder(2222): PortFact(True, "0.0.0.0", (Holder(77, "sshd"),))},  # noqa: S104
    ),
    Evidence(
        stderr="Failed to bind port 2222 (Address already in use) for option '-t 2222', exiting\n"
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID.replace("2222", "80")),
    Evidence(stderr=_SAID, uid=991, host={PortHolder(2222): PortFact()}),
    Evidence(
        stderr="qemu-system-x86_64: -vnc :7: Failed to find an available port: Address already in use\n"
    ),
    Evidence(stderr="Failed to bind port 2222 (Permission denied) for option '-t 2222', exiting\n"),
)

_OTHER = re.compile(r"rule '[^'\n]*': (?!address already)", re.IGNORECASE)
"""A reason that is another one; most versions give none."""
_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PortHolder]:
    """Ask who has the forwarded port."""
    return ports.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each forward whose port is taken; QEMU gives no reason itself."""
    for taken in ports.taken(ev):
        use, fact = taken.use, taken.fact
        if use.what != "port forward" or (fact is None and use.port < 1024):
            continue
        if fact is not None and not fact.listening:
            continue
        if fact is None and taken.errno in {errno.EACCES, errno.EPERM}:
            continue
        if fact is None and _OTHER.search(taken.quotes[0] if taken.quotes else ""):
            continue
        who = holders(fact.holders) if fact and fact.holders else "another process"
        evidence = list(taken.quotes)
        if fact is not None:
            evidence.append(f"this host: {who} listens on {fact.address}:{use.port}")
        yield _found(
            f"The host's {use.protocol} port {use.port}, to be forwarded, is taken by {who}.",
            str(use.port),
            taken.certainty if fact else Certainty.LIKELY,
            tuple(evidence),
            (edit(f"forward another port than {use.port}"),),
            taken.at,
        )
