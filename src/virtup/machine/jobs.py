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


@dataclass
class Job:
    """One job. ``aborted`` is set by whoever wants its end; the job looks at it."""

    operation: Operation
    began_ms: float
    type: JobType = JobType.UNBOUNDED
    total_bytes: int = 0
    done_bytes: int = 0
    ended_ms: float | None = None
    error: str = ""
    aborted: asyncio.Event = field(default_factory=asyncio.Event)

    def elapsed_ms(self, now_ms: float) -> int:
        """Return how long it has run, or ran."""
        return int((self.ended_ms if self.ended_ms is not None else now_ms) - self.began_ms)

    def info(self, now_ms: float) -> dict[str, int]:
        """Return what ``virDomainGetJobInfo`` tells."""
        left = max(0, self.total_bytes - self.done_bytes)
        return {
            "type": int(self.type),
            "timeElapsed": self.elapsed_ms(now_ms),
            "timeRemaining": 0,
            "dataTotal": self.total_bytes,
            "dataProcessed": self.done_bytes,
            "dataRemaining": left,
            "memTotal": self.total_bytes,
            "memProcessed": self.done_bytes,
            "memRemaining": left,
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
