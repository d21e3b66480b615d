"""QEMU may not make a socket at that path.

## What it means
The directory of a socket that QEMU is to listen on is closed to QEMU's account, or on a file system
that is mounted read-only.

## How to confirm
`namei -l DIR`; `runuser -u QEMU_USER -- touch DIR/x`.

## What to do
Let the account write to that one directory, or name a path in a directory of its own.

## Strings it goes by
- `Failed to bind socket to /srv/a.sock: Permission denied`
- `Failed to bind socket to /srv/a.sock: Read-only file system`
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes import sockets
from virtup.causes.finding import Certainty, Finding, Fix, Safety, mend
from virtup.causes.who import account, account_name, mode
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact
from virtup.model.repair import GrantAccess

CODE = "VU106"
SLUG = "socket-path-unwritable"

_SAID = (
    "qemu-system-x86_64: -chardev socket,id=c,path=/srv/a.sock,server=on: Failed to bind socket to "
    "/srv/a.sock: Permission denied\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={
            PathAccess("/srv/a.sock", "create", 991): PathFact(
                exists=True, blocked="/srv", lacks="write", mode="0755", owner="root", group="root"
            )
        },
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Failed to bind socket to /srv/x/a: No such file or directory\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the socket's directory."""
    return sockets.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each socket that may not be made."""
    for socket in sockets.unbound(ev):
        fact, path = socket.fact, socket.path
        if socket.errno not in {errno.EACCES, errno.EPERM, errno.EROFS} or (fact and fact.allowed):
            continue
        directory = path.rpartition("/")[0] or "/"
        evidence = list(socket.quotes)
        who = "The daemon" if socket.ours else account(ev)
        sentence = f"{who} may not make the socket '{path}'"
        fix = Fix("see what keeps it out", (f"namei -l {shlex.quote(directory)}",))
        if fact is not None and fact.blocked:
            evidence.append(f"this host: '{fact.blocked}' has {mode(fact)}")
            sentence += f": '{fact.blocked}' is closed to it ({mode(fact)})"
            fix = _grant(ev, fact, ours=socket.ours)
        elif (fact is not None and fact.readonly) or socket.errno == errno.EROFS:
            sentence += ": its file system is mounted read-only"
        yield _found(
            sentence + ".",
            path,
            Certainty.PROVEN if fact and (fact.blocked or fact.readonly) else Certainty.LIKELY,
            tuple(evidence),
            (fix,),
            socket.at,
        )


def _grant(ev: Evidence, fact: PathFact, *, ours: bool) -> Fix:
    letters = "--x" if fact.lacks == "search" else "-wx"
    text = "let the account use that directory"
    if ev.uid is not None and not ours and fact.owner != account_name(ev):
        repair = GrantAccess(
            fact.blocked, ev.uid, ev.user, letters, listed=fact.acl, readonly=fact.readonly
        )
        return mend(text, repair, safety=Safety.CONFIRM)
    who, where = account_name(ev), shlex.quote(fact.blocked)
    undo = f"setfacl -x u:{who} {where}" if fact.acl else f"setfacl -b {where}"
    return Fix(text, (f"setfacl -m u:{who}:{letters} {where}",), Safety.CONFIRM, (undo,))
