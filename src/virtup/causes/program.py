"""An emulator that could not be run: what the kernel or the words say of the program."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass

from virtup.causes.finding import NOWHERE
from virtup.causes.words import Seen, errno_of, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator, EmulatorFact, PathAccess

_WORDS = re.compile(
    r"(?:cannot (?:check|run) QEMU binary|failed to start QEMU binary|cannot execute binary"
    r"|cannot find (?:suitable )?emulator|failed to probe|exec of)"
    r" '?(?P<path>/[^\s':]+)'?(?: for probing)?:? ?(?P<err>[^\n]*)",
    re.IGNORECASE,
)
_CALLS = frozenset(
    {
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.ENOEXEC,
        errno.ELOOP,
        errno.ENOTDIR,
        errno.ELIBBAD,
        errno.ETXTBSY,
    }
)


@dataclass(frozen=True, slots=True)
class NotRun:
    """A program that did not come to run; ``errno`` is None when nobody says.

    ``foreseen``: nobody has tried it yet, and the kernel will answer so.
    """

    path: str
    errno: int | None
    seen: Seen | None
    fact: EmulatorFact | None
    foreseen: bool = False

    @property
    def at(self) -> int:
        """Where the words tell it."""
        return self.seen.at if self.seen else NOWHERE

    @property
    def quotes(self) -> tuple[str, ...]:
        """The line that tells it, or what the kernel answered."""
        if self.seen:
            return (self.seen.quote,)
        if self.foreseen:
            return ()
        name = errno.errorcode.get(self.errno or 0, "")
        return (f"running '{self.path}' failed with {name}",) if name else ()


def probe(ev: Evidence) -> Iterator[Emulator]:
    """Ask for the program when it did not run."""
    if ev.ahead and ev.uid is not None:
        yield Emulator(ev.emulator, ev.uid, ev.gids)
    found = _suspect(ev)
    if found is not None and ev.uid is not None:
        yield Emulator(found.path, ev.uid, ev.gids)


def not_run(ev: Evidence) -> NotRun | None:
    """Return the program that did not run, or None when one did or nothing tells."""
    return _suspect(ev)


def _foreseen(ev: Evidence) -> NotRun | None:
    """Return the emulator when QEMU's account would not get it to run."""
    if ev.uid is None:
        return None
    fact = ev.fact(Emulator(ev.emulator, ev.uid, ev.gids))
    way = ev.fact(PathAccess(ev.emulator, "execute", ev.uid, ev.gids))
    if fact is None or not (fact.exists and fact.interpreter_exists):
        number = errno.ENOENT
    elif way is not None and not way.allowed:
        number = errno.EACCES
    else:
        return None
    return NotRun(ev.emulator, number, None, fact, foreseen=True) if fact else None


def _suspect(ev: Evidence) -> NotRun | None:
    if ev.ahead:
        return _foreseen(ev)
    seen = said(ev).find(_WORDS)
    called = ev.errno in _CALLS and (ev.phase == "exec" or bool(ev.path and ev.path == ev.emulator))
    if seen is None and not called:
        return None
    path = (seen["path"] if seen else "") or ev.path or ev.emulator
    if not called and not (
        path == ev.emulator or "qemu" in path or "kvm" in path.rpartition("/")[2]
    ):
        return None
    code = ev.errno if called else errno_of(seen["err"] if seen else "")
    fact = ev.fact(Emulator(path, ev.uid, ev.gids)) if ev.uid is not None else None
    return NotRun(path, code, seen, fact)
