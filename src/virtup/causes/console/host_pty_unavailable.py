"""QEMU cannot make a pseudo terminal for a serial line or console.

## What it means
`<serial type='pty'>` has QEMU open `/dev/ptmx` and make a terminal in `/dev/pts`. The one is missing
or closed to its account, the other is not mounted (a container or chroot without devpts), or
the kernel's number of terminals is used up.

## How to confirm
`ls -l /dev/ptmx /dev/pts`, `cat /proc/sys/kernel/pty/nr /proc/sys/kernel/pty/max`.

## What to do
Let QEMU's user open /dev/ptmx, which is open to all on most systems (mode 0666); mount devpts (`mount -t devpts devpts /dev/pts -o
mode=620,ptmxmode=666`).

## Strings it goes by
- `-chardev pty,id=charserial0: Failed to create PTY: Permission denied`
- `-chardev pty,id=charserial0: Failed to create PTY: No such device`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.usage import options
from virtup.causes.who import account, grant, mode
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, PathAccess, PathFact, Probe

CODE = "VU445"
SLUG = "host-pty-unavailable"

PTMX, PTS = "/dev/ptmx", "/dev/pts"
_WORDS = re.compile(r"failed to create pty: (?P<why>[^\n]+)", re.IGNORECASE)
_SAID = "qemu-system-x86_64: -chardev pty,id=charserial0: Failed to create PTY: Permission denied\n"
_LINE = ("/usr/bin/qemu-system-x86_64", "-chardev", "pty,id=charserial0")
_MODE = PathFact(
    exists=True, blocked=PTMX, lacks="write", mode="0600", owner="root", group="root", target=PTMX
)
_CLOSED: dict[Probe[Any], Fact] = {PathAccess(PTMX, "write", 991): _MODE}
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, uid=991, host=_CLOSED),
    Evidence(phase="check", argv=_LINE, uid=991, host=_CLOSED),
    Evidence(
        stderr=_SAID.replace("Permission denied", "No such device"),
        uid=991,
        host={PathAccess(PTS): PathFact(exists=True, filesystem="tmpfs", allowed=True)},
    ),
)
NEGATIVE = (
    Evidence(
        phase="check",
        argv=_LINE,
        uid=991,
        host={
            PathAccess(PTMX, "write", 991): PathFact(exists=True, allowed=True),
            PathAccess(PTS): PathFact(exists=True, filesystem="devpts", allowed=True),
        },
    ),
    Evidence(phase="check", argv=_LINE[:1], uid=991, host=_CLOSED),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for both places when a terminal was refused, or would be made."""
    if ev.uid is not None and (said(ev).find(_WORDS) is not None or _wanted(ev)):
        yield PathAccess(PTMX, "write", ev.uid, ev.gids)
        yield PathAccess(PTS)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with what the host lacks of the two."""
    seen = said(ev).find(_WORDS)
    if seen is None and not _wanted(ev):
        return
    quotes, at = ((seen.quote,), seen.at) if seen is not None else ((), NOWHERE)
    lacking = _lacking(ev)
    if lacking is not None:
        why, shown, fix, subject = lacking
        sentence = f"QEMU cannot make a pseudo terminal: {why}."
        yield _found(sentence, subject, Certainty.PROVEN, (*quotes, shown), (fix,), at)
    elif seen is not None:
        sentence = f"QEMU cannot make a pseudo terminal: {seen['why'].rstrip('.')}."
        look = Fix("look at what makes them", (f"ls -ld {PTMX} {PTS}", "sysctl kernel.pty"))
        yield _found(sentence, PTMX, Certainty.LIKELY, quotes, (look,), at)


def _wanted(ev: Evidence) -> bool:
    return ev.ahead and any(
        option.name == "chardev" and option.fields().get("") == "pty" for option in options(ev.argv)
    )


def _lacking(ev: Evidence) -> tuple[str, str, Fix, str] | None:
    """Return why, what was seen, what mends it and the place; None when all is as it should be."""
    entrance = ev.fact(PathAccess(PTMX, "write", ev.uid, ev.gids))
    rooms = ev.fact(PathAccess(PTS))
    if rooms is not None and (not rooms.exists or (rooms.filesystem or "devpts") != "devpts"):
        mount = f"mount -t devpts devpts {PTS} -o mode=620,ptmxmode=666"
        fix = Fix(f"mount devpts on '{PTS}'", (mount,))
        return f"no devpts is mounted on '{PTS}'", f"this host: '{PTS}' has no devpts", fix, PTS
    if entrance is None or entrance.allowed:
        return None
    if not entrance.blocked:
        fix = Fix(f"make '{PTMX}' again", (f"ln -s pts/ptmx {PTMX}",))
        return f"'{PTMX}' does not exist", f"this host has no '{PTMX}'", fix, PTMX
    where = entrance.blocked
    seen = f"this host: '{where}' has {mode(entrance)}"
    why = f"{account(ev)} may not open '{where}' ({mode(entrance)})"
    return why, seen, grant(ev, entrance), where
