"""The states of a guest and their reasons, as libvirt numbers them, and what moves between them.

The numbers are those of ``virDomainState`` and its reason enumerations; the table ``MOVES`` is
the whole of what QEMU's events do to a guest's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """``virDomainState``."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    PMSUSPENDED = 7


class Running(IntEnum):
    """``virDomainRunningReason``."""

    UNKNOWN = 0
    BOOTED = 1
    MIGRATED = 2
    RESTORED = 3
    FROM_SNAPSHOT = 4
    UNPAUSED = 5
    MIGRATION_CANCELED = 6
    SAVE_CANCELED = 7
    WAKEUP = 8
    CRASHED = 9


class Paused(IntEnum):
    """``virDomainPausedReason``."""

    UNKNOWN = 0
    USER = 1
    MIGRATION = 2
    SAVE = 3
    DUMP = 4
    IOERROR = 5
    WATCHDOG = 6
    FROM_SNAPSHOT = 7
    SHUTTING_DOWN = 8
    SNAPSHOT = 9
    CRASHED = 10
    STARTING_UP = 11


class Shutoff(IntEnum):
    """``virDomainShutoffReason``."""

    UNKNOWN = 0
    SHUTDOWN = 1
    DESTROYED = 2
    CRASHED = 3
    MIGRATED = 4
    SAVED = 5
    FAILED = 6
    FROM_SNAPSHOT = 7
    DAEMON = 8


class Lifecycle(IntEnum):
    """``virDomainEventType``."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    SUSPENDED = 3
    RESUMED = 4
    STOPPED = 5
    SHUTDOWN = 6
    PMSUSPENDED = 7
    CRASHED = 8


LOG_REASON = {
    Shutoff.SHUTDOWN: "shutdown",
    Shutoff.DESTROYED: "destroyed",
    Shutoff.CRASHED: "crashed",
    Shutoff.MIGRATED: "migrated",
    Shutoff.SAVED: "saved",
    Shutoff.FAILED: "failed",
    Shutoff.FROM_SNAPSHOT: "from snapshot",
    Shutoff.DAEMON: "daemon",
    Shutoff.UNKNOWN: "unknown",
}
"""The word of the guest log's ``shutting down, reason=``."""

STOPPED_DETAIL = {
    Shutoff.SHUTDOWN: 0,
    Shutoff.DESTROYED: 1,
    Shutoff.CRASHED: 2,
    Shutoff.MIGRATED: 3,
    Shutoff.SAVED: 4,
    Shutoff.FAILED: 5,
    Shutoff.FROM_SNAPSHOT: 6,
    Shutoff.UNKNOWN: 0,
    Shutoff.DAEMON: 0,
}
"""``virDomainEventStoppedDetailType`` of each reason."""


@dataclass(frozen=True)
class Move:
    """What one QEMU event does: the state that it leads to, and the lifecycle event told."""

    state: State
    reason: int
    event: Lifecycle
    detail: int


MOVES: dict[tuple[str, State], Move] = {
    ("STOP", State.RUNNING): Move(State.PAUSED, Paused.UNKNOWN, Lifecycle.SUSPENDED, 0),
    ("RESUME", State.PAUSED): Move(State.RUNNING, Running.UNPAUSED, Lifecycle.RESUMED, 0),
    ("RESUME", State.PMSUSPENDED): Move(State.RUNNING, Running.WAKEUP, Lifecycle.STARTED, 4),
    ("SUSPEND", State.RUNNING): Move(State.PMSUSPENDED, 0, Lifecycle.PMSUSPENDED, 0),
    ("SUSPEND_DISK", State.RUNNING): Move(State.PMSUSPENDED, 0, Lifecycle.PMSUSPENDED, 1),
    ("WAKEUP", State.PMSUSPENDED): Move(State.RUNNING, Running.WAKEUP, Lifecycle.STARTED, 4),
    ("SHUTDOWN", State.RUNNING): Move(State.SHUTDOWN, 0, Lifecycle.SHUTDOWN, 0),
    ("SHUTDOWN", State.PAUSED): Move(State.SHUTDOWN, 0, Lifecycle.SHUTDOWN, 0),
    ("SHUTDOWN", State.PMSUSPENDED): Move(State.SHUTDOWN, 0, Lifecycle.SHUTDOWN, 0),
    ("GUEST_PANICKED", State.RUNNING): Move(State.CRASHED, 1, Lifecycle.CRASHED, 0),
    ("GUEST_PANICKED", State.PAUSED): Move(State.CRASHED, 1, Lifecycle.CRASHED, 0),
    ("WATCHDOG", State.RUNNING): Move(State.PAUSED, Paused.WATCHDOG, Lifecycle.SUSPENDED, 3),
    ("BLOCK_IO_ERROR", State.RUNNING): Move(State.PAUSED, Paused.IOERROR, Lifecycle.SUSPENDED, 2),
}
"""QEMU event and present state -> move. An event that is not here leaves the state alone.

``WATCHDOG`` and ``BLOCK_IO_ERROR`` move only when their ``action`` stops the guest
(``pause`` and ``stop``); the caller looks at that before it asks this table.
"""


def moved(event: str, state: State) -> Move | None:
    """Return what *event* does to a guest in *state*, or None."""
    return MOVES.get((event, state))
