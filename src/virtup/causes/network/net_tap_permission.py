"""QEMU or the daemon lacks the privilege to make or attach a tap device.

## What it means
Making a tap, or opening one of another owner, needs CAP_NET_ADMIN, and `/dev/net/tun` must be open
to the account. A user's session has neither; QEMU itself has neither, when a raw argument
(`-netdev tap`) makes it open the tap.

## How to confirm
`ls -l /dev/net/tun`; `ip -d tuntap list` shows the owner of an existing tap.

## What to do
As a user: `<interface type='user'>`, or a tap that an administrator made for the account
(`ip tuntap add tap7 mode tap user ME`) with `managed='no'`. On a system daemon: use `<interface>`,
whose tap virtup opens and hands to QEMU, in place of raw arguments.

## Strings it goes by
- `could not open /dev/net/tun: Permission denied`
- `could not configure /dev/net/tun (tap7): Operation not permitted`
- `warning: could not open /dev/net/tun: no virtual network emulation` (QEMU before 1.3)
- `Unable to create tap device vnet%d: Operation not permitted`
- `error creating bridge interface virbr0: Operation not permitted`
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import interfaces
from virtup.causes.finding import Certainty, Finding
from virtup.causes.network.net_tun_missing import DEVICE, OPEN, UNSAID
from virtup.causes.who import account, edit, mode
from virtup.causes.words import Seen, errno_of, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Link, PathAccess, PathFact

CODE = "VU083"
SLUG = "net-tap-permission"
ALSO = ("net-tun-missing",)

OURS = PathAccess(DEVICE, "write")
"""May the daemon itself open the device?"""
_DENIED = {errno.EACCES, errno.EPERM}
_BRIDGE = re.compile(
    r"(?:error|failed|unable|cannot)[^\n]{0,20} creat\w+ bridge [^\n]{0,40}?"
    r"(?:operation not permitted|permission denied)",
    re.IGNORECASE,
)
"""A network of a user's session wants a bridge, which needs the same privilege."""
_SAID = "qemu-system-x86_64: -netdev tap,id=n,ifname=tap7: could not open /dev/net/tun: Permission denied\n"
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr="qemu-system-x86_64: -netdev tap,id=n,ifname=tap7: could not configure /dev/net/tun "
        "(tap7): Operation not permitted\n"
    ),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={
            PathAccess(DEVICE, "write", 991): PathFact(
                exists=True, blocked=DEVICE, lacks="write", owner="root", group="root", mode="0600"
            )
        },
    ),
    Evidence(error="error: Unable to create bridge virbr7: Operation not permitted"),
)
NEGATIVE = (
    Evidence(stderr=_SAID.replace("Permission denied", "No such file or directory")),
    Evidence(stderr="qemu: could not open kernel file '/boot/k': Permission denied\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess | Link]:
    """Ask for the device."""
    if ev.plan.taps:
        yield OURS
        yield from interfaces.tap_probes(ev)
    if ev.uid is not None and said(ev).find(OPEN) is not None:
        yield PathAccess(DEVICE, "write", ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the device or the tap is refused."""
    yield from _foreseen(ev)
    seen = _refused(ev)
    if seen is None:
        return
    fact = ev.fact(PathAccess(DEVICE, "write", ev.uid, ev.gids)) if ev.uid is not None else None
    blocked = fact is not None and bool(fact.blocked)
    doubt = Certainty.POSSIBLE if UNSAID in seen.quote else Certainty.LIKELY
    evidence = [seen.quote]
    if fact is not None and fact.blocked:
        evidence.append(
            f"this host: '{fact.blocked}' has mode {fact.mode}, owner {fact.owner}:{fact.group}"
        )
    bridge = _BRIDGE.search(seen.quote) is not None
    what = "a bridge" if bridge else f"or open tap devices (through {DEVICE})"
    yield _found(
        f"{account(ev)} may not make {what}.",
        DEVICE,
        Certainty.PROVEN if blocked else doubt,
        tuple(evidence),
        (edit("use <interface> (virtup opens its tap) or <interface type='user'>"),),
        seen.at,
    )


def _foreseen(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding before a start, where it is the daemon that opens taps."""
    node = ev.fact(OURS)
    closed = node is not None and bool(node.blocked)
    for tap in ev.plan.taps:
        fact = ev.fact(Link(tap.name))
        gone = fact is not None and tap.must_exist and not fact.exists
        if not closed and (fact is None or fact.ours or gone):
            continue
        if closed and node is not None:
            seen = f"this host: '{node.blocked}' has {mode(node)}"
        elif fact is not None and fact.exists:
            seen = f"this host: the tap '{tap.name}' belongs to uid {fact.owner}"
        else:
            seen = "this host: making a tap needs CAP_NET_ADMIN, which the daemon does not have"
        yield _found(
            f"{account(ev)} may not make or open tap devices (through {DEVICE}).",
            DEVICE,
            Certainty.PROVEN,
            (seen,),
            (edit("use <interface type='user'>, or a tap that was made for that user"),),
        )
        return


def _refused(ev: Evidence) -> Seen | None:
    opened = said(ev).find(OPEN)
    if opened is not None and (errno_of(opened["err"]) in _DENIED or UNSAID in opened["err"]):
        return opened
    for named in interfaces.taps_told(ev):
        if (named.seen and errno_of(named.words) in _DENIED) or ev.errno in _DENIED:
            return named.seen
    return said(ev).find(_BRIDGE)
