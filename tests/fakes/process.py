"""A process that ends when the test says so."""

from __future__ import annotations

import asyncio
import itertools

from virtup.host.process import Exit

_pids = itertools.count(100_001)


class FakeProcess:
    """What `virtup.host.process.Process` offers, without a process.

    It ends by :meth:`end`, or by SIGKILL, or by SIGTERM unless it is ``deaf``.
    """

    def __init__(self, *, deaf: bool = False) -> None:
        self.pid = next(_pids)
        self.start_ticks = self.pid * 7
        self.signals: list[int] = []
        self.doing = "sleeping (S)"
        self._deaf = deaf
        self._exit: Exit | None = None
        self._waiters: list[asyncio.Future[Exit]] = []

    def end(self, ended: Exit) -> None:
        """End it."""
        if self._exit is None:
            self._exit = ended
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(ended)

    async def wait(self) -> Exit:
        if self._exit is None:
            waiter: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            return await waiter
        return self._exit

    def kill(self, sig: int) -> bool:
        if self._exit is not None:
            return False
        self.signals.append(sig)
        if sig == 9 or (sig == 15 and not self._deaf):
            self.end(Exit(None, sig))
        return True

    def alive(self) -> bool:
        return self._exit is None

    def describe(self) -> str:
        return self.doing if self._exit is None else str(self._exit)

    def close(self) -> None:
        for waiter in self._waiters:
            waiter.cancel()
