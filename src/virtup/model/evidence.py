"""Everything that is known about one start that failed, as plain data.

The causes read nothing else. What virtup knows itself (phase, definition, command line, QEMU's
words, exit) stands in the fields; what only the host can tell stands in ``host``, one fact a probe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from virtup.model.probe import Fact, Probe, Unanswered
from virtup.model.probe_network import POOLS

F = TypeVar("F", bound=Fact)

CHECK = "check"
"""The phase of a start that is only thought through: nobody has spoken, and nothing was made."""


@dataclass(frozen=True, slots=True)
class Running:
    """A guest that runs, as virtup knows it; ``disks`` are the paths of its images."""

    name: str
    uuid: str = ""
    pid: int = 0
    disks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedTap:
    """A tap that a start would open; ``name`` "" is one that the kernel names."""

    name: str
    bridge: str = ""
    must_exist: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the daemon itself would take for a start, beside what QEMU's arguments name.

    ``makes`` are entries that it writes, ``sockets`` paths that it binds. ``lends`` are the files
    whose owner it changes to QEMU's account where that account cannot use them otherwise.
    """

    makes: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    taps: tuple[PlannedTap, ...] = ()
    lends: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One failed start, or one that is thought through before it is tried (``phase`` `CHECK`).

    ``phase`` is the step that failed (``parse``, ``validate``, ``prepare``, ``exec``, ``monitor``,
    ``negotiate``, ``configure``, ``load``, ``cont``), ``check`` for none, as nothing was started,
    or ``""`` for text from elsewhere.
    ``stderr`` holds QEMU's own words since this start, ``error`` the manager's. ``silence`` is
    how a monitor failed while its QEMU lives: ``no greeting``, ``no answer``, ``garbage`` or
    ``closed``. ``errno`` and ``path`` belong to the system call that failed. ``user``, ``uid``
    and ``gids`` are those QEMU runs with; ``uid`` None means that they are not known.
    ``notes`` is what somebody wrote down of a host that is not here: lines of its kernel's log, of
    its audit log, of ``ls -l``.
    ``handed_over`` are paths that QEMU's account owned while it ran, whoever owns them now.
    ``plan`` is what a start would take, in the phase `CHECK`. ``pools`` is where the daemon keeps
    its storage pools: their definitions, and which are active.
    """

    phase: str = ""
    definition: str = ""
    argv: tuple[str, ...] = ()
    stderr: str = ""
    error: str = ""
    exit_status: int | None = None
    signal: int | None = None
    errno: int | None = None
    path: str = ""
    qmp_error: str = ""
    notes: str = ""
    silence: str = ""
    waited_s: float = 0.0
    doing: str = ""
    pid: int | None = None
    emulator: str = ""
    user: str = ""
    uid: int | None = None
    gids: tuple[int, ...] = ()
    guest: str = ""
    uuid: str = ""
    cwd: str = "/"
    handed_over: tuple[str, ...] = ()
    host: Mapping[Probe[Any], Fact] = field(default_factory=dict, hash=False)
    running: tuple[Running, ...] = ()
    plan: Plan = Plan()
    pools: tuple[str, str] = POOLS

    @property
    def ahead(self) -> bool:
        """Is this a start that is only thought through? Causes then go by structure alone."""
        return self.phase == CHECK

    def fact(self, probe: Probe[F]) -> F | None:
        """Return what *probe* saw, or None when it was not asked or gave no answer."""
        seen = self.host.get(probe)
        if seen is None or isinstance(seen, Unanswered):
            return None
        return seen  # type: ignore[return-value]

    def unanswered(self, probe: Probe[Any]) -> Unanswered | None:
        """Return why *probe* gave no answer, or None."""
        seen = self.host.get(probe)
        return seen if isinstance(seen, Unanswered) else None

    def with_facts(self, facts: Mapping[Probe[Any], Fact]) -> Evidence:
        """Return this evidence with *facts* added to those it has."""
        return replace(self, host=MappingProxyType({**self.host, **facts}))
