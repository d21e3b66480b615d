"""A directory that virtup writes to is read-only or closed to it.

## What it means
The daemon makes a guest's log, state and sockets in directories of its own. One of them is on a file
system that is mounted read-only, or belongs to another account: most often after the daemon was once
run as root and now as a user, with the same `--root` folder.

## How to confirm
`ls -ld DIR`; `findmnt -T DIR -o TARGET,OPTIONS`.

## What to do
Give the directory back to the account that the daemon runs as, or remount the file system writable
after a look at the kernel's log.

## Strings it goes by
- `Read-only file system`
- `cannot access '/var/log/virtup/vm.log': Permission denied`
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes import places
from virtup.causes.finding import Certainty, Finding, Fix, Safety, mend
from virtup.causes.places import Refused
from virtup.causes.who import account_name, mode, remount
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact
from virtup.model.repair import SetMode

CODE = "VU102"
SLUG = "host-directory-unwritable"

_LOG = "/var/log/virtup/vm1.log"
POSITIVE = (
    Evidence(phase="prepare", errno=errno.EROFS, path=_LOG),
    Evidence(
        phase="prepare",
        errno=errno.EROFS,
        path=_LOG,
        uid=991,
        host={
            PathAccess(_LOG, "create"): PathFact(
                exists=True, target="/var/log/virtup", readonly="/var"
            )
        },
    ),
    Evidence(
        phase="prepare",
        error=f"cannot access '{_LOG}': Permission denied",
        uid=1000,
        host={
            PathAccess(_LOG, "create"): PathFact(
                exists=True,
                blocked="/var/log/virtup",
                lacks="write",
                mode="0700",
                owner="root",
                group="root",
            )
        },
    ),
)
NEGATIVE = (
    Evidence(phase="prepare", errno=errno.ENOSPC, path=_LOG),
    Evidence(phase="monitor", stderr="qemu: could not open kernel file '/k': Permission denied\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the directory."""
    return places.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a place of the daemon's own where it may not write."""
    for refused in places.refused(ev):
        closed = refused.errno in {errno.EROFS, errno.EACCES, errno.EPERM}
        if closed and not refused.path.endswith(".sock"):
            yield from _findings(ev, refused)


def _findings(ev: Evidence, refused: Refused) -> Iterator[Finding]:
    fact = refused.fact
    directory = refused.path.rpartition("/")[0] or "/"
    if fact is not None and fact.readonly and not fact.allowed:
        yield _readonly(refused, fact)
    elif fact is not None and fact.blocked:
        yield _found(
            f"The daemon may not {fact.lacks} the directory '{fact.blocked}' ({mode(fact)}).",
            fact.blocked,
            Certainty.PROVEN,
            (*refused.quotes, f"this host: '{fact.blocked}' has {mode(fact)}"),
            (_open(ev, fact),),
            refused.at,
        )
    elif fact is None:
        why = "read-only" if refused.errno == errno.EROFS else "closed to the daemon"
        yield _found(
            f"The directory '{directory}' is {why}.",
            directory,
            Certainty.LIKELY,
            refused.quotes,
            (
                Fix(
                    "see who owns it and how it is mounted", (f"namei -l {shlex.quote(directory)}",)
                ),
            ),
            refused.at,
        )


def _open(ev: Evidence, fact: PathFact) -> Fix:
    """Let the daemon in: it is a user's, as root is kept out of nothing."""
    who, where = account_name(ev), shlex.quote(fact.blocked)
    if fact.owner == who:
        repair = SetMode(fact.blocked, "u+rwx", fact.mode)
        return mend("let the daemon's account at it", repair, safety=Safety.CONFIRM)
    command, undo = f"chown {who} {where}", f"chown {fact.owner} {where}"
    return Fix("let the daemon's account at it", (command,), Safety.CONFIRM, (undo,))


def _readonly(refused: Refused, fact: PathFact) -> Finding:
    directory = refused.path.rpartition("/")[0] or "/"
    return _found(
        f"The file system '{fact.readonly}', which holds '{directory}', is mounted read-only.",
        directory,
        Certainty.PROVEN,
        (*refused.quotes, f"this host: '{fact.readonly}' is mounted read-only"),
        (remount(fact.readonly),),
        refused.at,
    )
