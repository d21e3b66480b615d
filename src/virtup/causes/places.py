"""Directories that virtup itself writes to: logs, state, libraries, sockets."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass

from virtup.causes.finding import NOWHERE
from virtup.causes.sockets import foreseen_errno
from virtup.causes.words import Seen, errno_of, said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

_WORDS = re.compile(
    r"(?:cannot|could not|unable to|failed to) (?:\w+ )*?"
    r"(?:(?:directory|file|path|log|to) )*'(?P<path>/[^'\n]+)'[^\n:]*: (?P<err>[^\n]*)",
    re.IGNORECASE,
)
OURS = ("prepare", "define", "log", "configure")


@dataclass(frozen=True, slots=True)
class Refused:
    """A place where the daemon could not write; ``foreseen`` that it has not tried yet."""

    path: str
    errno: int
    seen: Seen | None
    fact: PathFact | None
    foreseen: bool = False

    @property
    def at(self) -> int:
        """Where the words tell it."""
        return self.seen.at if self.seen else NOWHERE

    @property
    def quotes(self) -> tuple[str, ...]:
        """The line that tells it, or what the kernel answered."""
        if self.seen is not None:
            return (self.seen.quote,)
        if self.foreseen:
            return ()
        return (f"using '{self.path}' failed with {errno.errorcode.get(self.errno, self.errno)}",)


def probe(path: str) -> PathAccess:
    """Return the probe whether the daemon itself may make an entry at *path*."""
    return PathAccess(path, "create")


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the place where the daemon could not write, or for all where it would."""
    if ev.ahead:
        yield from map(probe, ev.plan.makes)
    found = _refused(ev)
    if found is not None and ev.uid is not None:
        yield probe(found.path)


def refused(ev: Evidence) -> Iterator[Refused]:
    """Yield where the daemon could not write in one of its own steps, or could not before a start."""
    if ev.ahead:
        for path in ev.plan.makes:
            fact = ev.fact(probe(path))
            number = foreseen_errno(fact) or (errno.ENOSPC if fact and _full(fact) else None)
            if number is not None:
                yield Refused(path, number, None, fact, foreseen=True)
    found = _refused(ev)
    if found is not None:
        yield found


BLOCK = 4096
"""What a new file takes at least, in bytes."""


def _full(fact: PathFact) -> bool:
    return 0 <= fact.free_bytes < BLOCK or fact.free_inodes == 0


def _refused(ev: Evidence) -> Refused | None:
    if ev.phase not in OURS:
        return None
    seen = said(Evidence(error=ev.error)).find(_WORDS)
    path = ev.path if ev.path.startswith("/") else (seen["path"] if seen else "")
    code = ev.errno or (errno_of(seen["err"]) if seen else None)
    if not path or not code:
        return None
    return Refused(path, code, seen, ev.fact(probe(path)))


_ELSEWHERE = re.compile(
    r"'(?P<path>/[^'\n]+)'[^\n]*: (?P<err>no space left on device|disk quota exceeded)",
    re.IGNORECASE,
)


def told(ev: Evidence) -> Refused | None:
    """Return a place without space that the words name, whoever wrote there."""
    seen = said(ev).find(_ELSEWHERE)
    code = errno_of(seen["err"]) if seen else None
    if seen is None or code is None:
        return None
    return Refused(seen["path"], code, seen, None)
