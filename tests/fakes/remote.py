"""A daemon as virtup-guests sees it, without one: guests that save and stop as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.fakes.clock import FakeClock
from virtup.client.exchange import ConnectionLost
from virtup.errors import OperationFailed, OperationInvalid, VirtError
from virtup.guests.plan import Guest
from virtup.guests.remote import Look, Member
from virtup.model.boot_order import NO_WISH, Wish

T = TypeVar("T")


@dataclass
class FakeGuest:
    """A guest of a FakeRemote. Times in seconds; ``shutdown_s`` None never shuts down.

    Until ``deaf_s`` it does not hear that it is asked to.
    """

    name: str
    active: bool = True
    persistent: bool = True
    memory_mib: int = 64
    wish: Wish = NO_WISH
    save_s: float = 1.0
    shutdown_s: float | None = 1.0
    deaf_s: float = 0.0
    answer_s: float = 0.0
    start_s: float = 1.0
    save_error: VirtError | None = None
    shutdown_error: VirtError | None = None
    start_error: VirtError | None = None
    abort_works: bool = True
    saved: bool = False
    booted: bool = True
    loses_state: str | None = None
    autostart: bool = False
    once: bool = False
    pools: tuple[str, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    start_notes: tuple[str, ...] = ()
    aborted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uuid(self) -> str:
        return f"00000000-0000-4000-8000-{self.name.encode().hex():0>12.12}"


class FakeRemote:
    """Keeps a diary of what was done, with the clock's time, in ``log``."""

    def __init__(self, clock: FakeClock, *guests: FakeGuest, uri: str = "default") -> None:
        self.uri = uri
        self.clock = clock
        self.guests = {guest.uuid: guest for guest in guests}
        self.log: list[tuple[float, str]] = []
        self.at_once: dict[str, int] = {"save": 0, "shutdown": 0, "start": 0}
        self.most = dict(self.at_once)
        self.directory = ""
        self.losing = 0
        self.closed = False
        self.list_error: VirtError | None = None
        self.is_own = True
        self.known_pools: dict[str, bool] = {}

    def _note(self, text: str) -> None:
        self.log.append((self.clock.monotonic(), text))

    def when(self, text: str) -> float:
        (at,) = [at for at, noted in self.log if noted == text]
        return at

    def order(self, verb: str) -> list[str]:
        return [
            text.removeprefix(verb + " ") for _, text in self.log if text.startswith(verb + " ")
        ]

    async def running(self) -> list[Guest]:
        if self.list_error:
            raise self.list_error
        return [
            Guest(one.uuid, one.name, one.persistent, one.memory_mib << 10, 0, one.wish)
            for one in self.guests.values()
            if one.active
        ]

    async def members(self) -> list[Member]:
        if self.list_error:
            raise self.list_error
        return [
            Member(
                one.uuid,
                one.name,
                one.active,
                one.persistent,
                one.saved,
                one.autostart,
                one.once,
                one.wish,
                one.pools,
            )
            for one in self.guests.values()
        ]

    async def pools(self) -> dict[str, bool]:
        return self.known_pools

    async def verdict(self, uuid: str) -> dict[str, Any] | None:
        one = self.guests[uuid]
        if not self.is_own:
            return None
        refused = bool(one.findings or one.start_error)
        return {
            "outlook": "would not start" if refused else "would start",
            "sentence": one.start_error.message if one.start_error else "",
            "findings": list(one.findings),
            "notes": list(one.start_notes),
        }

    async def is_virtup(self) -> bool:
        return self.is_own

    async def look(self, uuid: str) -> Look | None:
        one = self.guests.get(uuid)
        if one is None:
            return None
        return Look(one.name, one.active, one.saved, one.active and one.booted, one.wish)

    async def save(self, uuid: str, *, bypass_cache: bool) -> None:
        one = self.guests[uuid]
        async with _Counted(self, "save"):
            self._note(f"save {one.name}{' bypass' * bypass_cache}")
            if self.losing:
                self.losing -= 1
                await self.clock.sleep(one.save_s / 2)
                raise ConnectionLost.at_end()
            ended = asyncio.ensure_future(self.clock.sleep(one.save_s))
            aborted = asyncio.ensure_future(one.aborted.wait())
            try:
                await asyncio.wait({ended, aborted}, return_when=asyncio.FIRST_COMPLETED)
                if aborted.done():
                    raise OperationFailed("save job: canceled by client")
            finally:
                ended.cancel()
                aborted.cancel()
            if one.save_error:
                raise one.save_error
            one.active, one.saved = False, True
            self._note(f"saved {one.name}")

    async def progress(self, uuid: str) -> tuple[int, int]:
        return 1 << 20, self.guests[uuid].memory_mib << 20

    async def abort(self, uuid: str) -> None:
        one = self.guests[uuid]
        self._note(f"abort {one.name}")
        if one.abort_works:
            one.aborted.set()

    async def shutdown(self, uuid: str) -> None:
        one = self.guests[uuid]
        self._note(f"shutdown {one.name}")
        if one.shutdown_error:
            raise one.shutdown_error
        if one.answer_s:
            await self.clock.sleep(one.answer_s)
        if one.shutdown_s is not None and self.clock.monotonic() >= one.deaf_s:
            _KEPT.append(asyncio.ensure_future(self._go_down(one, one.shutdown_s)))

    async def _go_down(self, one: FakeGuest, seconds: float) -> None:
        async with _Counted(self, "shutdown"):
            await self.clock.sleep(seconds)
            one.active = False
            self._note(f"down {one.name}")

    async def start(self, uuid: str, *, bypass_cache: bool) -> None:
        one = self.guests[uuid]
        async with _Counted(self, "start"):
            self._note(f"start {one.name}{' bypass' * bypass_cache}")
            await self.clock.sleep(one.start_s)
            if one.active:
                raise OperationInvalid("domain is already running")
            if one.start_error:
                raise one.start_error
            one.active, one.booted = True, not one.saved or one.loses_state is not None
            one.saved = False
            self._note(f"up {one.name}")

    async def sync_time(self, uuid: str) -> None:
        self._note(f"sync {self.guests[uuid].name}")

    async def cold_reason(self, uuid: str) -> str:
        return self.guests[uuid].loses_state or ""

    async def autostarted(self) -> list[dict[str, Any]]:
        return [{"name": "auto", "uuid": "u", "outcome": "started", "why": ""}]

    async def save_directory(self) -> str:
        return self.directory

    async def close(self) -> None:
        self.closed = True


_KEPT: list[asyncio.Future[None]] = []


class _Counted:
    def __init__(self, remote: FakeRemote, verb: str) -> None:
        self.remote, self.verb = remote, verb

    async def __aenter__(self) -> None:
        self.remote.at_once[self.verb] += 1
        now = self.remote.at_once[self.verb]
        self.remote.most[self.verb] = max(now, self.remote.most[self.verb])

    async def __aexit__(self, *_: object) -> None:
        self.remote.at_once[self.verb] -= 1


async def driven(clock: FakeClock, work: Coroutine[Any, Any, T], *, step_s: float = 0.25) -> T:
    """Await *work* while the clock goes on whenever nothing else does."""
    task = asyncio.ensure_future(work)
    for _ in range(40_000):
        for _ in range(30):
            await asyncio.sleep(0)
        if task.done():
            return await task
        clock.advance(step_s)
    task.cancel()
    raise AssertionError("it does not end")
