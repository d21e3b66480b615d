"""UNIX sockets that could not be made: which path, and why."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from virtup.causes.finding import NOWHERE
from virtup.causes.usage import sockets
from virtup.causes.words import Seen, errno_of, said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

_WORDS = re.compile(
    r"(?:failed to bind socket to (?P<a>/[^:\n]+): (?P<e1>[^\n]*)"
    r"|(?:cannot|unable to|failed to) (?:listen on|bind|create) (?:the )?(?:unix )?socket(?: to)?"
    r" '?(?P<b>/[^'\n:]+)'?: (?P<e2>[^\n]*)"
    r"|-chardev socket,[^\n]*?\bpath=(?P<d>/[^,\s]+)[^\n]*?: failed to bind socket: (?P<e4>[^\n]*)"
    r"|unix socket bind\((?P<c>[^)\n]+)\)[^\n:]*: (?P<e3>[^\n]*))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Unbound:
    """A socket that could not be made; ``foreseen`` that nobody has tried yet.

    ``ours``: the daemon makes it, for QEMU to inherit.
    """

    path: str
    errno: int | None
    seen: Seen | None
    fact: PathFact | None
    foreseen: bool = False
    ours: bool = False

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
        name = errno.errorcode.get(self.errno or 0, str(self.errno))
        return (f"making the socket '{self.path}' failed with {name}",)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the directory of each socket that could not be made."""
    if ev.uid is not None or ev.ahead:
        yield from (_probe(ev, one.path, ours=one.ours) for one in unbound(ev))


def unbound(ev: Evidence) -> list[Unbound]:
    """Return the sockets that could not be made, in the order of the words.

    Before a start these are all that it would make.
    """
    if ev.ahead:
        bound = [_foreseen(ev, path, ours=True) for path in _lasting(ev, ev.plan.sockets)]
        made = _lasting(ev, sockets(ev.argv))
        return [*bound, *(_foreseen(ev, path, ours=False) for path in made)]
    ours = ev.phase == "prepare"
    found = []
    for seen in said(ev).find_all(_WORDS):
        path = seen["a"] or seen["b"] or seen["c"] or seen["d"]
        code = errno_of(seen["e1"] or seen["e2"] or seen["e3"] or seen["e4"])
        found.append(Unbound(path, code, seen, _fact(ev, path, ours=ours), ours=ours))
    if not found and ev.phase == "prepare" and ev.path.endswith((".sock", ".socket")) and ev.errno:
        found.append(Unbound(ev.path, ev.errno, None, _fact(ev, ev.path, ours=True), ours=True))
    return found


def _foreseen(ev: Evidence, path: str, *, ours: bool) -> Unbound:
    fact = _fact(ev, path, ours=ours)
    return Unbound(path, foreseen_errno(fact), None, fact, foreseen=True, ours=ours)


def foreseen_errno(fact: PathFact | None) -> int | None:
    """Return what the kernel will answer who makes an entry there, None when it may be made."""
    if fact is None or fact.allowed:
        return None
    if fact.missing:
        return errno.ENOENT
    if fact.not_directory:
        return errno.ENOTDIR
    if fact.loop:
        return errno.ELOOP
    return errno.EROFS if fact.readonly else errno.EACCES


def _lasting(ev: Evidence, paths: Iterable[str]) -> Iterator[str]:
    """Yield those of a start's sockets whose directory it does not make itself."""
    own = tuple(f"{path}/" for path in ev.plan.makes)
    yield from (path for path in paths if not path.startswith(own))


def _probe(ev: Evidence, path: str, *, ours: bool) -> PathAccess:
    if ours:
        return PathAccess(path, "create")
    return PathAccess(path, "create", ev.uid, ev.gids)


def _fact(ev: Evidence, path: str, *, ours: bool) -> PathFact | None:
    return ev.fact(_probe(ev, path, ours=ours)) if ev.uid is not None or ev.ahead else None
