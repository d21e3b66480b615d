"""Time, as a port: everything that waits or stamps takes a Clock, so that tests own the time."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """What virtup knows of time."""

    def now(self) -> float:
        """Return the seconds since 1970-01-01 UTC; may jump when the host's clock is set."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an origin of their own."""

    async def sleep(self, seconds: float) -> None:
        """Wait; other tasks run meanwhile."""


class SystemClock:
    """The host's own clock."""

    def now(self) -> float:
        """Return the host's time of day."""
        return time.time()

    def monotonic(self) -> float:
        """Return the host's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


def stamp(now: float) -> str:
    """Format a time of day as libvirt's logs do: ``2026-01-31 08:05:09.123+0000``, in UTC."""
    moment = dt.datetime.fromtimestamp(int(now * 1000) / 1000, tz=dt.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
