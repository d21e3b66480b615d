"""What stop and start share: the daemons, the time, the list, and how it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from virtup.errors import VirtError
from virtup.guests.remote import Remote
from virtup.guests.report import Report, Run
from virtup.guests.settings import Settings
from virtup.guests.waiting import Waiting
from virtup.host.clock import Clock

T = TypeVar("T")

PROGRESS_S = 5.0
"""How often a person is told how far a long act is."""

_RETRY_S = 0.5


class Unreachable(VirtError):
    """A daemon did not answer: nothing is known of its guests."""


@dataclass
class Office:
    """Everything that a stop or a start works with; ``say`` tells a person one line."""

    settings: Settings
    clock: Clock
    waiting: Waiting
    report: Report
    connect: Callable[[str], Awaitable[Remote]]
    say: Callable[[str], None]
    same: Callable[[str], str] = field(default=lambda uri: uri)
    boot: str = ""

    async def reach(self, uri: str, seconds: float, *, once: bool = False) -> Remote:
        """Connect to a daemon within *seconds*, again and again unless *once*; raises Unreachable."""
        until = self.clock.monotonic() + seconds
        while True:
            attempt = asyncio.ensure_future(self.connect(uri))
            if not await self.within(attempt, max(0.0, until - self.clock.monotonic())):
                attempt.cancel()
                await asyncio.gather(attempt, return_exceptions=True)
                raise Unreachable(f"'{uri}' did not answer within {seconds:g} s")
            try:
                return await attempt
            except VirtError as error:
                if once or self.clock.monotonic() + _RETRY_S >= until:
                    raise Unreachable(f"'{uri}' cannot be reached: {error.message}") from error
            await self.clock.sleep(_RETRY_S)

    async def within(self, task: asyncio.Future[T], seconds: float | None) -> bool:
        """Wait for *task*, at most so long by the clock; tell whether it is done. Never cancels it."""
        if seconds is None or task.done():
            await asyncio.wait([task])
            return True
        timer = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            both: list[asyncio.Future[Any]] = [task, timer]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            await asyncio.gather(timer, return_exceptions=True)
        return task.done()

    def durably(self, run: Run, act: Callable[[], None]) -> None:
        """Write something down; that it cannot be is told, and stops nothing."""
        try:
            act()
        except OSError as error:
            self.fail(run, f"'{error.filename}' cannot be written: {error.strerror or error}")

    async def all_of(self, run: Run, turns: Mapping[str, Coroutine[Any, Any, None]]) -> None:
        """Run the turns of guests, by their names; a mistake of ours in one ends that one alone."""
        results = await asyncio.gather(*turns.values(), return_exceptions=True)
        for name, result in zip(turns, results, strict=True):
            if result is not None:
                kind = type(result).__name__
                self.fail(run, f"{name}: internal error: {kind}: {result}")

    def fail(self, run: Run, text: str) -> None:
        """Tell an error that is no single guest's."""
        if text not in run.errors:
            run.errors.append(text)
        self.say(f"error: {text}")

    def ask(self, call: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Begin a call, to be waited for with `within`."""
        return asyncio.ensure_future(call)

    def uris(self, more: Iterable[str] = ()) -> list[str]:
        """Return the configured URIs and *more*, each daemon once."""
        found: dict[str, str] = {}
        for uri in (*self.settings.uris, *more):
            found.setdefault(self.same(uri), uri)
        return list(found.values())


def first_line(error: VirtError) -> str:
    """Return what to tell of an error: its first line, and the cause where one was found."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    return "\n".join(lines[:4]) if lines else type(error).__name__
