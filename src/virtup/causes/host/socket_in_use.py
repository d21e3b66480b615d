"""The path of a socket that virtup is to bind is taken.

## What it means
A serial port, console or channel has a UNIX socket of its own (`<source mode='bind' path='...'/>`), and
somebody listens on that path already: another guest with the same definition, a helper, a QEMU that was
left over. Or a file that is no socket has the name. virtup takes neither away; a socket on which nobody
listens any more is replaced.

## How to confirm
`ss -xlp src PATH` names the process; `stat -c %F PATH` says what has the name.

## What to do
End the other program, or give the socket another path. Without a path virtup makes one itself.

## Strings it goes by
- `cannot listen on the socket '/run/a.sock': process 77 (socat) already listens there`
- `cannot listen on the socket '/run/a.sock': a file that is no socket has the name`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.who import holders
from virtup.causes.words import said
from virtup.model.evidence import Evidence, Plan
from virtup.model.probe import Holder, PathAccess, PathFact
from virtup.model.probe_system import Listener, ListenerFact

CODE = "VU419"
SLUG = "socket-in-use"

_WORDS = re.compile(
    r"cannot listen on the socket '(?P<path>/[^'\n]+)': (?:(?P<who>[^\n]+?) already listens there"
    r"|a file that is no socket has the name)",
    re.IGNORECASE,
)
_PATH = "/run/a.sock"
_SAID = f"cannot listen on the socket '{_PATH}': "
_AHEAD = Evidence(phase="check", uid=991, plan=Plan(sockets=(_PATH,)))
POSITIVE = (
    Evidence(phase="prepare", error=f"{_SAID}process 77 (socat) already listens there"),
    Evidence(phase="prepare", error=f"{_SAID}a file that is no socket has the name"),
    _AHEAD.with_facts({Listener(_PATH): ListenerFact(exists=True, listening=True)}),
    _AHEAD.with_facts(
        {Listener(_PATH): ListenerFact(True, True, holders=(Holder(7, "qemu-system-x86", "vm2"),))}
    ),
    _AHEAD.with_facts(
        {
            Listener(_PATH): ListenerFact(exists=True),
            PathAccess(_PATH): PathFact(exists=True, kind="file"),
        }
    ),
)
NEGATIVE = (
    Evidence(phase="prepare", error=f"{_SAID}Permission denied"),
    _AHEAD.with_facts(
        {
            Listener(_PATH): ListenerFact(exists=True),
            PathAccess(_PATH): PathFact(exists=True, kind="socket"),
        }
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Listener | PathAccess]:
    """Ask for what has the names of the sockets that were refused, or that a start would bind."""
    if ev.uid is not None:
        for path in (*ev.plan.sockets, *(seen["path"] for seen in said(ev).find_all(_WORDS))):
            yield Listener(path)
            yield PathAccess(path)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each socket whose name is taken."""
    for seen in said(ev).find_all(_WORDS):
        shown = _shown(ev, seen["path"])
        who = _guest(ev, seen["path"]) or seen["who"]
        yield _finding(seen["path"], who, (seen.quote, *shown), seen.at, sure=bool(shown))
    for path in ev.plan.sockets:
        shown = _shown(ev, path)
        if shown:
            fact = ev.fact(Listener(path))
            who = _who(fact) if fact is not None and fact.listening else ""
            yield _finding(path, who, shown, NOWHERE, sure=True)


def _guest(ev: Evidence, path: str) -> str:
    """Return the noun for the guest that listens on *path*, ``""`` when none does."""
    fact = ev.fact(Listener(path))
    by = [one for one in fact.holders if one.guest] if fact is not None else []
    return holders(by) if by else ""


def _who(fact: ListenerFact) -> str:
    """Return the noun for those that listen: a guest, before the daemon that made its socket."""
    by = [one for one in fact.holders if one.guest] or list(fact.holders)
    return holders(by) if by else "a process"


def _shown(ev: Evidence, path: str) -> tuple[str, ...]:
    """Return what the host shows to stand in the way of that socket."""
    listener, name = ev.fact(Listener(path)), ev.fact(PathAccess(path))
    if listener is not None and listener.listening:
        return (f"this host: somebody listens on '{path}'",)
    if name is not None and name.exists and name.kind not in {"socket", ""}:
        return (f"this host: '{path}' is a {name.kind}",)
    return ()


def _finding(path: str, who: str, evidence: tuple[str, ...], at: int, *, sure: bool) -> Finding:
    where = shlex.quote(path)
    if who:
        sentence = f"The socket '{path}' is taken: {who} listens there."
        fix = Fix("see who that is, and end it, or use another path", (f"ss -xlp src {where}",))
    else:
        sentence = f"The socket '{path}' cannot be made: a file that is no socket has that name."
        fix = Fix("use another path, or move the file away")
    certainty = Certainty.PROVEN if sure else Certainty.LIKELY
    return _found(sentence, path, certainty, evidence, (fix,), at)
