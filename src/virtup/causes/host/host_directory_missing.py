"""A directory that virtup is to write to, or that of a storage pool, does not exist.

## What it means
Before QEMU runs, the daemon makes the guest's log, state and sockets, and the files that its serial
ports and consoles are written to. A directory on the way to one of these is not there: the
definition has a path that was never made or is misspelled, its file system is not mounted, or one of
virtup's own directories was removed while the daemon ran.

## How to confirm
`namei -l PATH` stops at the component that is missing.

## What to do
Mount the file system, make the directory, or correct the path in the definition. The daemon makes
its own directories anew when it is restarted; guests run on meanwhile.

## Strings it goes by
- `cannot access '/srv/logs/vm1.log': No such file or directory`
- `cannot open directory '/srv/pool': No such file or directory` (libvirt, of a pool)
"""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes import places
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.places import Refused
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU383"
SLUG = "host-directory-missing"

_OUTPUT = "/srv/logs/vm1.log"
_TRIED = Evidence(phase="prepare", errno=errno.ENOENT, path=_OUTPUT, uid=991)
POSITIVE = (
    _TRIED,
    Evidence(
        error="Failed to start pool: cannot open directory '/srv/vm': No such file or directory"
    ),
    Evidence(
        phase="prepare",
        errno=errno.ENOENT,
        path=_OUTPUT,
        uid=991,
        host={PathAccess(_OUTPUT, "create"): PathFact(missing="/srv/logs")},
    ),
    Evidence(
        stderr="qemu-img: /srv/vm/a.qcow2: Could not create file: No such file or directory\n"
    ),
)
NEGATIVE = (
    Evidence(error="cannot open directory '/srv/vm': Permission denied"),
    Evidence(phase="prepare", errno=errno.EACCES, path=_OUTPUT),
    Evidence(phase="prepare", error="cannot open '/dev/net/tun': No such file or directory"),
    Evidence(phase="prepare", errno=errno.ENOENT, path="/srv/sock/a.sock"),
)

_POOL = re.compile(
    r"(?:cannot open directory|(?:cannot|could not) open path) '(?P<path>/[^'\n]+)': no such file"
    r"|qemu-img: (?P<made>/[^:\n]+)/[^/:\n]+: could not create(?: file)?: no such file",
    re.IGNORECASE,
)
"""What libvirt says of the directory of a storage pool, and qemu-img of one for a new image."""
_found = partial(Finding, CODE, SLUG)
_OTHERS = (".sock", ".socket")
"""Ends of paths that `socket-directory-missing` is for."""


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the way to what could not be made."""
    return places.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each directory that is not there."""
    for refused in places.refused(ev):
        named = refused.foreseen or (ev.errno == errno.ENOENT and refused.path == ev.path)
        if refused.errno != errno.ENOENT or not named or refused.path.endswith(_OTHERS):
            continue
        if refused.fact is None or refused.fact.missing:
            yield _finding(refused)
    for seen in said(ev).find_all(_POOL):
        path = seen["path"] or seen["made"]
        make = Fix(
            "make it, or correct the path",
            (f"mkdir {shlex.quote(path)}",),
            Safety.CONFIRM,
            (f"rmdir {shlex.quote(path)}",),
        )
        yield _found(
            f"The directory '{path}' does not exist.",
            path,
            Certainty.LIKELY,
            (seen.quote,),
            (make,),
            seen.at,
        )


def _finding(refused: Refused) -> Finding:
    directory = refused.path.rpartition("/")[0] or "/"
    fact = refused.fact
    missing = fact.missing if fact else directory
    seen = (f"this host has no '{missing}'",) if fact else ()
    commands = (f"mkdir {shlex.quote(missing)}",) if missing == directory else ()
    undo = (f"rmdir {shlex.quote(missing)}",) if commands else ()
    return _found(
        f"The directory '{missing}', in which '{refused.path}' is to be made, does not exist.",
        missing,
        Certainty.PROVEN if fact else Certainty.LIKELY,
        (*refused.quotes, *seen),
        (
            Fix(
                "make it, or correct the path in the definition",
                commands,
                Safety.CONFIRM if commands else Safety.MANUAL,
                undo,
            ),
        ),
        refused.at,
    )
