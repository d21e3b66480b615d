"""Guests that start with the host: once a boot, in their order, and with an account of it.

Which guests those are is settled when the first daemon of a boot comes up. A daemon that comes
after one that died goes on where that one was.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
from collections.abc import Hashable, Mapping
from typing import Any, Protocol

from virtup.errors import OperationInvalid, VirtError
from virtup.host import disk as durable
from virtup.host.clock import Clock
from virtup.host.disk import Disk
from virtup.machine.states import Running, State
from virtup.model.boot_order import Member, arrange, wish_of
from virtup.model.domain import Domain

log = logging.getLogger(__name__)

AT_ONCE = 4
"""How many guests start at the same time: a restore takes all that the disk gives."""

RESTORED, STARTED, COLD_BOOTED, FAILED = "restored", "started", "cold-booted", "failed"
_WHY_LINES = 4


class Startable(Protocol):
    """What this needs of a guest."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def uuid(self) -> bytes:
        """Its UUID, 16 bytes."""

    @property
    def definition(self) -> Domain:
        """Its definition."""

    @property
    def active(self) -> bool:
        """Whether it runs."""

    @property
    def autostart(self) -> bool:
        """Whether it starts with the host."""

    @property
    def autostart_once(self) -> bool:
        """Whether it starts with the host the next time."""

    @property
    def start_notes(self) -> tuple[str, ...]:
        """What was to be said of its last start."""

    def state(self) -> tuple[int, int]:
        """Return ``virDomainState`` and its reason."""

    async def start(self, flags: int, client_id: int | None) -> None:
        """Start it."""

    async def set_autostart_once(self, once: bool) -> None:
        """Have it started at the next boot, or not."""


class Autostart:
    """The starts of one boot, kept in *directory*, which need not outlive it; *boot* names it.

    There a file ``autostarted`` tells libvirtd, as its own tells us, that this boot is done.
    """

    def __init__(self, directory: str, disk: Disk, clock: Clock, boot: str) -> None:
        self._path = f"{directory}/autostarted.json"
        self._marker = f"{directory}/autostarted"
        self._disk = disk
        self._clock = clock
        self._boot = boot
        self._wanted: list[str] = []
        self._outcomes: list[dict[str, Any]] = []

    def summary(self) -> list[dict[str, Any]]:
        """Return what became of each guest: ``name uuid outcome why at``, in the order it came."""
        return [dict(each) for each in self._outcomes]

    async def run(self, guests: list[Startable]) -> None:
        """Start who is to start in this boot and was not yet; returns when all is over.

        What fails for one guest is in the summary and changes nothing for the others.
        """
        if not self._load():
            wanted = [one for one in guests if one.autostart or one.autostart_once]
            self._wanted = [] if self._is_done() else [one.uuid.hex() for one in wanted]
            self._keep()
        over = {each["uuid"].replace("-", "") for each in self._outcomes}
        due = {
            guest.uuid.hex(): guest
            for guest in guests
            if guest.uuid.hex() in self._wanted and guest.uuid.hex() not in over
        }
        if not due:
            return
        order = arrange(
            {
                key: Member(
                    guest.name, guest.definition.uuid or "", wish_of(guest.definition.metadata)
                )
                for key, guest in due.items()
            }
        )
        for key, problem in order.problems.items():
            log.warning("guest '%s': its boot order: %s", due[str(key)].name, problem)
        await self._all(due, order.before)
        self._log_summary()

    async def _all(
        self,
        due: Mapping[str, Startable],
        before: Mapping[Hashable, frozenset[Hashable]],
    ) -> None:
        slots = asyncio.Semaphore(AT_ONCE)
        up: dict[Hashable, asyncio.Event] = {key: asyncio.Event() for key in due}

        async def turn(key: str, guest: Startable) -> None:
            try:
                for other in before[key]:
                    await up[other].wait()
                async with slots:
                    await self._one(guest)
                await self._clock.sleep(wish_of(guest.definition.metadata).delay_s)
            finally:
                up[key].set()

        turns = [turn(key, guest) for key, guest in due.items()]
        for guest, result in zip(
            due.values(), await asyncio.gather(*turns, return_exceptions=True), strict=True
        ):
            if result is not None:  # a mistake of ours ends the turn of that guest alone
                log.error("guest '%s' was not started with the host", guest.name, exc_info=result)
                self._record(guest, FAILED, f"internal error: {type(result).__name__}: {result}")

    async def _one(self, guest: Startable) -> None:
        try:
            await _start(guest)
            outcome, why = _came_up(guest)
        except VirtError as error:
            outcome, why = FAILED, "\n".join(error.message.splitlines()[:_WHY_LINES])
            log.error("guest '%s' does not start with the host: %s", guest.name, error)
        self._record(guest, outcome, why)
        try:
            if guest.autostart_once:
                await guest.set_autostart_once(False)
        except (VirtError, OSError) as error:
            log.error("guest '%s' starts with the host once more: %s", guest.name, error)

    def _record(self, guest: Startable, outcome: str, why: str) -> None:
        now = dt.datetime.fromtimestamp(int(self._clock.now()), dt.UTC)
        self._outcomes.append(
            {
                "name": guest.name,
                "uuid": guest.definition.uuid,
                "outcome": outcome,
                "why": why,
                "at": now.isoformat().replace("+00:00", "Z"),
            }
        )
        self._keep()

    def _load(self) -> bool:
        """Read what an earlier daemon of this boot wrote; tell whether there was one."""
        try:
            data = json.loads(self._disk.read(self._path))
            if data["boot"] != self._boot:
                return False
            self._wanted, self._outcomes = list(data["wanted"]), list(data["guests"])
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("'%s' cannot be read (%s): taken for a new boot", self._path, error)
            return False
        return True

    def _is_done(self) -> bool:
        """Tell whether libvirtd did this boot's starts: its marker is empty, ours names a boot."""
        try:
            return self._disk.read(self._marker).decode().strip() in ("", self._boot)
        except OSError:
            return False

    def _keep(self) -> None:
        data = {"boot": self._boot, "wanted": self._wanted, "guests": self._outcomes}
        try:
            durable.write_at_once(self._disk, self._path, json.dumps(data).encode())
            durable.write_at_once(self._disk, self._marker, self._boot.encode())
        except OSError as error:
            log.error("what starts with the host is not kept in '%s': %s", self._path, error)

    def _log_summary(self) -> None:
        for outcome in (RESTORED, STARTED, COLD_BOOTED, FAILED):
            names = [each["name"] for each in self._outcomes if each["outcome"] == outcome]
            if names:
                log.info("%s with the host: %s", outcome, ", ".join(sorted(names)))


async def _start(guest: Startable) -> None:
    """Start a guest, or wait until the start that somebody else began is over."""
    try:
        await guest.start(0, None)
    except OperationInvalid:
        if not guest.active:
            raise


def _came_up(guest: Startable) -> tuple[str, str]:
    """Return what became of a guest that runs, and why if it lost its saved state."""
    if guest.start_notes:
        return COLD_BOOTED, "; ".join(guest.start_notes)
    state, reason = guest.state()
    booted = state == State.RUNNING and reason == Running.BOOTED
    return (STARTED, "") if booted else (RESTORED, "")
