"""When the host is up again: the guests that are on the list come back, in their order.

A guest is taken off the list when it is back, one by one; one that does not come back stays on it
and is tried again at the next start. What fails for one changes nothing for the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from virtup.errors import VirtError
from virtup.guests.office import Office, Unreachable, first_line
from virtup.guests.remote import Look, Remote
from virtup.guests.report import (
    COLD_BOOTED,
    FAILED,
    RESTORED,
    STARTED,
    Outcome,
    Run,
    iso,
)
from virtup.guests.waiting import Entry
from virtup.model.boot_order import Member, arrange


async def start(office: Office) -> Run:
    """Bring back who is on the list; what became of them, also kept in the report.

    Raises ListDamaged when the list cannot be read.
    """
    run = Run(began=iso(office.clock.now()), boot=office.boot)
    office.report.start = run
    waiting = office.waiting.entries()
    if waiting and office.settings.on_boot != "start":
        names = ", ".join(entry.name for entry in waiting)
        office.say(f"Guests are not started with the host (ON_BOOT=ignore): {names}")
        office.durably(run, office.waiting.clear)
        waiting = []
    configured = {office.same(uri) for uri in office.settings.uris}
    for uri in dict.fromkeys(entry.uri for entry in waiting):
        entries = office.waiting.of(uri)
        if office.same(uri) not in configured:
            _strangers(office, run, uri, entries)
        else:
            await _one(office, run, uri, entries)
    run.ended = iso(office.clock.now())
    office.durably(run, office.report.save)
    return run


def _strangers(office: Office, run: Run, uri: str, entries: list[Entry]) -> None:
    names = ", ".join(entry.name for entry in entries)
    text = f"URIS does not name '{uri}' any more, where these ran: {names}; they stay listed"
    office.fail(run, text)


async def _one(office: Office, run: Run, uri: str, entries: list[Entry]) -> None:
    try:
        remote = await office.reach(uri, office.settings.connect_timeout)
    except Unreachable as error:
        names = ", ".join(entry.name for entry in entries)
        text = f"{error.message}; not back, and still listed: {names}"
        office.fail(run, text)
        return
    try:
        office.say(f"Bringing back guests on {uri}")
        await _Starting(office, remote, run).all(entries)
    finally:
        await remote.close()


@dataclass
class _Turn:
    """A guest's turn: ``up`` is set when it is over and those behind it may go."""

    entry: Entry
    look: Look
    up: asyncio.Event = field(default_factory=asyncio.Event)


class _Starting:
    """The return of the guests of one daemon."""

    def __init__(self, office: Office, remote: Remote, run: Run) -> None:
        self._office = office
        self._settings = office.settings
        self._clock = office.clock
        self._remote = remote
        self._run = run
        at_once = 1 if office.settings.start_delay else office.settings.parallel_start
        self._slots = asyncio.Semaphore(at_once)
        self._first = True
        stop = office.report.stop
        self._ran_on = stop is not None and bool(office.boot) and stop.boot == office.boot

    async def all(self, entries: list[Entry]) -> None:
        """Bring them back; each after those that come before it."""
        turns: dict[Hashable, _Turn] = {}
        for entry in entries:
            if (look := await self._look(entry)) is not None:
                turns[entry.uuid] = _Turn(entry, look)
        members = {
            key: Member(turn.look.name, turn.entry.uuid, turn.look.wish)
            for key, turn in turns.items()
        }
        order = arrange(members)
        for key, problem in order.problems.items():
            self._office.say(f"{turns[key].look.name}: its boot order: {problem}")
        names = {turn.look.name: self._turn(turn, turns, order.before) for turn in turns.values()}
        await self._office.all_of(self._run, names)

    async def _look(self, entry: Entry) -> Look | None:
        """Look at a listed guest; None, and told, when nothing can be done for it."""
        try:
            look = await self._remote.look(entry.uuid)
        except VirtError as error:
            self._tell(entry, FAILED, first_line(error), 0.0)
            return None
        if look is None:
            self._tell(entry, FAILED, "there is no such guest any more; taken off the list", 0.0)
            self._off_the_list(entry)
        return look

    async def _turn(
        self,
        turn: _Turn,
        turns: Mapping[Hashable, _Turn],
        before: Mapping[Hashable, frozenset[Hashable]],
    ) -> None:
        entry = turn.entry
        try:
            for key in before[entry.uuid]:
                await turns[key].up.wait()
            async with self._slots:
                began = self._clock.monotonic()
                await self._back(turn, began)
            if delay_s := turn.look.wish.delay_s:
                await self._clock.sleep(delay_s)
        finally:
            turn.up.set()

    async def _back(self, turn: _Turn, began: float) -> None:
        entry = turn.entry
        try:
            outcome, why = await self._start(turn)
        except VirtError as error:
            why = first_line(error)
            self._tell(entry, FAILED, why, self._clock.monotonic() - began)
            if entry.how == "saved":  # should it come back without its state, this is the reason
                office = self._office
                office.durably(self._run, lambda: office.waiting.note(entry.key, "saved", why))
            return
        self._tell(entry, outcome, why, self._clock.monotonic() - began)
        self._off_the_list(entry)
        if self._settings.sync_time:
            await self._sync_time(entry)

    def _off_the_list(self, entry: Entry) -> None:
        office = self._office
        office.durably(self._run, lambda: office.waiting.remove(entry.key))
        office.durably(self._run, office.report.save)

    async def _start(self, turn: _Turn) -> tuple[str, str]:
        """Start a guest that is off; what became of it, and why that if it needs saying."""
        entry, look = turn.entry, turn.look
        # a daemon that starts guests with the host may have been faster
        now = await self._remote.look(entry.uuid) or look
        if now.active and self._ran_on and entry.how == "pending":
            return STARTED, "it ran on: it was neither saved nor shut down"
        if not now.active:
            await self._delay()
            try:
                await self._remote.start(entry.uuid, bypass_cache=self._settings.bypass_cache)
            except VirtError:
                after = await self._remote.look(entry.uuid)
                if after is None or not after.active:
                    raise
            look, now = now, await self._remote.look(entry.uuid) or now
        was_saved = look.saved or entry.how == "saved"
        if was_saved and not now.booted:
            return RESTORED, ""
        if was_saved:
            why = await self._remote.cold_reason(entry.uuid)
            lost = entry.why or "its saved state was not there any more, or not used"
            return COLD_BOOTED, why or lost
        if entry.how == "pending":
            why = await self._remote.cold_reason(entry.uuid)
            return COLD_BOOTED, why or "the host went down before it was saved"
        return (COLD_BOOTED, entry.why) if entry.why else (STARTED, "")

    async def _delay(self) -> None:
        """Wait between two starts, as START_DELAY says."""
        first, self._first = self._first, False
        if self._settings.start_delay and not first:
            await self._clock.sleep(self._settings.start_delay)

    async def _sync_time(self, entry: Entry) -> None:
        try:
            await self._remote.sync_time(entry.uuid)
        except VirtError as error:
            self._office.say(f"{entry.name}: its clock was not set: {first_line(error)}")

    def _tell(self, entry: Entry, outcome: str, why: str, seconds: float) -> None:
        self._run.add(Outcome(entry.uri, entry.uuid, entry.name, outcome, why, round(seconds, 1)))
        self._office.say(f"{entry.name}: {outcome}{': ' + why if why else ''}")
