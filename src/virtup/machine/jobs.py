"""The job of a guest that takes its time: what it is, how far it is, and its end.

The numbers are libvirt's (``virDomainJobType``, ``virDomainJobOperation``); sizes in bytes, times
in milliseconds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class JobType(IntEnum):
    """``virDomainJobType``."""

    NONE = 0
    BOUNDED = 1
    UNBOUNDED = 2
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5


class Operation(IntEnum):
    """``virDomainJobOperation``."""

    UNKNOWN = 0
    START = 1
    SAVE = 2
    RESTORE = 3


_MEMORY = {
    "duplicate": "memory_constant",
    "normal": "memory_normal",
    "normal-bytes": "memory_normal_bytes",
    "dirty-pages-rate": "memory_dirty_rate",
    "dirty-sync-count": "memory_iteration",
    "postcopy-requests": "memory_postcopy_requests",
    "page-size": "memory_page_size",
}
"""What QEMU tells of a migration's memory, and libvirt's names for it."""

_BITS_PER_MEGABIT = 1_000_000


@dataclass
class Job:
    """One job. ``aborted`` is set by whoever wants its end; the job looks at it.

    ``done_bytes`` are those that were written, fewer than there are where pages are alike.
    """

    operation: Operation
    began_ms: float
    type: JobType = JobType.UNBOUNDED
    total_bytes: int = 0
    done_bytes: int = 0
    left_bytes: int = 0
    details: dict[str, int] = field(default_factory=dict)
    ended_ms: float | None = None
    error: str = ""
    aborted: asyncio.Event = field(default_factory=asyncio.Event)

    def elapsed_ms(self, now_ms: float) -> int:
        """Return how long it has run, or ran."""
        return int((self.ended_ms if self.ended_ms is not None else now_ms) - self.began_ms)

    def take(self, seen: dict[str, Any]) -> None:
        """Note what QEMU's ``query-migrate`` says; an answer without memory says nothing."""
        ram = seen.get("ram")
        if not ram:
            return
        self.total_bytes = int(ram.get("total", 0))
        self.done_bytes = int(ram.get("transferred", 0))
        self.left_bytes = int(ram.get("remaining", 0))
        found = {
            "downtime": seen.get("downtime", seen.get("expected-downtime")),
            "setup_time": seen.get("setup-time"),
            "memory_bps": int(ram.get("mbps", 0) * _BITS_PER_MEGABIT / 8) or None,
            **{name: ram.get(theirs) for theirs, name in _MEMORY.items()},
        }
        self.details = {name: int(value) for name, value in found.items() if value is not None}

    def info(self, now_ms: float) -> dict[str, int]:
        """Return what ``virDomainGetJobInfo`` tells."""
        return {
            "type": int(self.type),
            "timeElapsed": self.elapsed_ms(now_ms),
            "timeRemaining": 0,
            "dataTotal": self.total_bytes,
            "dataProcessed": self.done_bytes,
            "dataRemaining": self.left_bytes,
            "memTotal": self.total_bytes,
            "memProcessed": self.done_bytes,
            "memRemaining": self.left_bytes,
            "fileTotal": 0,
            "fileProcessed": 0,
            "fileRemaining": 0,
        }

    def stats(self, now_ms: float) -> dict[str, Any]:
        """Return what ``virDomainGetJobStats`` tells, by libvirt's parameter names."""
        info = self.info(now_ms)
        found: dict[str, Any] = {
            "operation": int(self.operation),
            "time_elapsed": info["timeElapsed"],
            "data_total": info["dataTotal"],
            "data_processed": info["dataProcessed"],
            "data_remaining": info["dataRemaining"],
            "memory_total": info["memTotal"],
            "memory_processed": info["memProcessed"],
            "memory_remaining": info["memRemaining"],
            **self.details,
        }
        if self.ended_ms is not None:
            found["success"] = self.type is JobType.COMPLETED
        return found


NO_JOB = dict.fromkeys(
    [
        "type",
        "timeElapsed",
        "timeRemaining",
        "dataTotal",
        "dataProcessed",
        "dataRemaining",
        "memTotal",
        "memProcessed",
        "memRemaining",
        "fileTotal",
        "fileProcessed",
        "fileRemaining",
    ],
    0,
)
"""``virDomainGetJobInfo`` of a guest without a job."""
