"""A serial line or channel is to connect to somebody who does not listen.

## What it means
A character device with `<source mode='connect' ...>` makes QEMU the client: at the start it connects
to a socket that another program has to have opened before, and nobody listens there.

## How to confirm
`ss -xlp | grep PATH`, `ss -tlnp | grep :PORT`.

## What to do
Start the program that listens first, let QEMU listen (`mode='bind'`), or let it try again until
somebody does (`<reconnect enabled='yes' timeout='10'/>` in `<source>`).

## Strings it goes by
- `-chardev socket,id=charserial0,path=/run/x.sock: Failed to connect to '/run/x.sock': Connection refused`
- `-chardev socket,id=charserial0,host=127.0.0.1,port=4555: Failed to connect to '127.0.0.1:4555'`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import definition, revise
from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.usage import options
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PortFact, PortHolder, Probe
from virtup.model.probe_system import Listener, ListenerFact
from virtup.model.repair import Change

CODE = "VU443"
SLUG = "chardev-peer-missing"

_WORDS = re.compile(
    r"-chardev socket,(?!id=(?:chrtpm|chr-vu-))[^\n]*: failed to connect (?:to (?:socket )?'?(?P<peer>[^'\n]+?)'?|socket)"
    r": (?P<err>no such file or directory|connection refused)",
    re.IGNORECASE,
)
_HELPERS = ("chrtpm", "chr-vu-")
"""Lines to helpers that the manager starts itself: they are not there when these died."""
_SAID = (
    "qemu-system-x86_64: -chardev socket,id=charserial0,path=/run/x.sock: Failed to connect to "
    "'/run/x.sock': Connection refused\n"
)
_LINE = ("/usr/bin/qemu-system-x86_64", "-chardev", "socket,id=charserial0,path=/run/x.sock")
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, argv=_LINE, uid=991, host={Listener("/run/x.sock"): ListenerFact()}),
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,id=charserial0,host=127.0.0.1,port=4555: "
        "Failed to connect to '127.0.0.1:4555': Connection refused\n",
        uid=991,
        host={PortHolder(4555): PortFact()},
    ),
    Evidence(
        phase="check",
        argv=_LINE,
        uid=991,
        host={Listener("/run/x.sock"): ListenerFact()},
    ),
)
NEGATIVE = (
    Evidence(
        phase="check",
        argv=_LINE,
        uid=991,
        host={Listener("/run/x.sock"): ListenerFact(exists=True)},
    ),
    Evidence(stderr=_SAID.replace("Connection refused", "Permission denied")),
    Evidence(
        phase="check",
        argv=_LINE,
        uid=991,
        host={Listener("/run/x.sock"): ListenerFact(exists=True, listening=True)},
    ),
    Evidence(
        phase="check",
        argv=(*_LINE[:2], f"{_LINE[2]},reconnect=10"),
        uid=991,
        host={Listener("/run/x.sock"): ListenerFact()},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask who listens there, if it is this host."""
    if ev.uid is not None:
        for peer in _peers(ev):
            probe = _probe(peer)
            if probe is not None:
                yield probe


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each peer that is not there."""
    for peer, (quotes, at) in _peers(ev).items():
        probe = _probe(peer)
        fact = ev.host.get(probe) if probe is not None else None
        fact = fact if isinstance(fact, ListenerFact | PortFact) else None
        there = fact is not None and fact.listening
        if ev.ahead and (there or fact is None or _elsewhere(fact)):
            continue
        now = "somebody listens there now" if there else "nobody listens there"
        shown = (f"this host: {now}",) if fact is not None else ()
        yield _found(
            f"QEMU is to connect a character device to '{peer}', and nobody listens there.",
            peer,
            Certainty.PROVEN if shown and not there else Certainty.LIKELY,
            (*quotes, *shown),
            (
                Fix(f"start the program that listens on '{peer}' first, or use mode='bind'"),
                edit("or let QEMU listen there: <source mode='bind' ...>"),
            ),
            at,
        )


def _elsewhere(fact: ListenerFact | PortFact) -> bool:
    """May somebody listen whom this host does not list: in another network namespace?

    A UNIX socket with a path is reached from all of them, and `/proc/net/unix` lists those of one.
    """
    return isinstance(fact, ListenerFact) and fact.exists


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Let QEMU listen on the path to which it was to connect."""
    for tag in ("serial", "console", "channel", "parallel"):
        for device in definition.devices(ev.definition, tag):
            source = device.find("source")
            if source is not None and source.get("path") == finding.subject:
                return revise.given(source, "mode", "bind")
    return ()


def _peers(ev: Evidence) -> dict[str, tuple[tuple[str, ...], int]]:
    """Return to whom QEMU could not connect, or would have to, each with the words on it."""
    found: dict[str, tuple[tuple[str, ...], int]] = {}
    for seen in said(ev).find_all(_WORDS):
        named = re.search(r"path=([^,]+)|host=([^,]*),port=(\d+)", seen.line)
        peer = seen["peer"] or (named[1] or f"{named[2]}:{named[3]}" if named else "")
        if peer:
            found.setdefault(peer, ((seen.quote,), seen.at))
    for option in options(ev.argv) if ev.ahead else ():
        fields = option.fields()
        serves = str(fields.get("server", "off")) not in {"off", "no", "false"}
        if option.name != "chardev" or fields.get("") != "socket" or serves:
            continue
        if str(fields.get("id", "")).startswith(_HELPERS):
            continue
        if str(fields.get("reconnect", "0")) != "0" or "fd" in fields:
            continue
        peer = fields.get("path") or f"{fields.get('host', '')}:{fields.get('port', '')}"
        found.setdefault(str(peer), ((), NOWHERE))
    return found


def _probe(peer: str) -> Listener | PortHolder | None:
    """Return what tells whether *peer* listens; None for one that is on another host."""
    if peer.startswith("/"):
        return Listener(peer)
    host, _, port = peer.rpartition(":")
    if port.isdigit() and (host.strip("[]") in {"localhost", "::1"} or host.startswith("127.")):
        return PortHolder(int(port))
    return None
