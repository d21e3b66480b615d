"""When the host goes down: guests are saved or shut down, in the reverse of their boot order.

Before anything is done to a guest it is on the list of those that are to come back. What fails
for one guest is told and changes nothing for the others; a guest that could not be saved is asked
to shut down.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from virtup.client.exchange import ConnectionLost
from virtup.errors import VirtError
from virtup.guests import plan as plans
from virtup.guests.office import PROGRESS_S, Office, Unreachable, first_line
from virtup.guests.plan import Guest, Limits, Plan, Step
from virtup.guests.remote import Remote
from virtup.guests.report import LEFT, NOT_DONE, SAVED, SHUT_DOWN, Outcome, Run, iso
from virtup.guests.waiting import Entry, How
from virtup.host import space
from virtup.model.boot_order import Member, arrange, reverse

GRACE_S_MAX = 60.0
"""How much of the deadline is kept for guests whose save came to nothing."""
REACH_S = 10.0
"""How long a daemon is looked for at a stop, CONNECT_TIMEOUT if that is less."""
ASK_AGAIN_S = 15.0
"""After how long a guest is asked to shut down once more: one that boots does not hear it."""
ANSWER_S = 5.0
"""How long the answer to that is waited for before the guest is looked at."""
_POLL_S = 0.5


async def stop(office: Office) -> Run:
    """Save or shut down the guests of every URI; what became of them, also kept in the report.

    A list or report that cannot be written is an error of the run and stops nothing: guests that
    are saved are worth more.
    """
    run = Run(began=iso(office.clock.now()), boot=office.boot)
    office.report.stop = run
    ends = _Ends(office)
    for uri in office.uris():
        try:
            remote = await office.reach(uri, min(REACH_S, office.settings.connect_timeout))
        except Unreachable as error:
            office.fail(run, f"{error.message}; whoever runs there was not looked after")
            continue
        try:
            await _one(office, remote, run, ends)
        except VirtError as error:
            office.fail(run, f"'{uri}': {first_line(error)}")
        finally:
            await remote.close()
    run.ended = iso(office.clock.now())
    office.durably(run, office.report.save)
    return run


async def foresee(office: Office) -> list[tuple[str, Plan | str]]:
    """Return, for every URI, what a stop would do now, or why that is not known."""
    found: list[tuple[str, Plan | str]] = []
    ends = _Ends(office)
    for uri in office.uris():
        try:
            remote = await office.reach(uri, REACH_S, once=True)
        except Unreachable as error:
            found.append((uri, error.message))
            continue
        try:
            found.append((uri, await _plan(office, remote, await remote.running(), ends)))
        except VirtError as error:
            found.append((uri, first_line(error)))
        finally:
            await remote.close()
    return found


class _Ends:
    """When all has to be over, and when saves have to be."""

    def __init__(self, office: Office) -> None:
        self._clock = office.clock
        seconds = float(office.settings.deadline)
        grace = min(GRACE_S_MAX, seconds / 4)
        now = self._clock.monotonic()
        self._end = now + seconds if seconds else None
        self._saves = now + seconds - grace if seconds else None

    def left(self) -> float | None:
        """Return the seconds until the deadline; None without one."""
        return self._until(self._end)

    def for_saves(self) -> float | None:
        """Return the seconds until saves have to be over."""
        return self._until(self._saves)

    def _until(self, end: float | None) -> float | None:
        return None if end is None else max(0.0, end - self._clock.monotonic())


async def _one(office: Office, remote: Remote, run: Run, ends: _Ends) -> None:
    guests = await remote.running()
    plan = await _plan(office, remote, guests, ends)
    office.say(f"Guests on {remote.uri}:")
    for line in plans.lines(plan):
        office.say(line)
    back = [step.guest for step in plan.steps if step.guest.persistent]
    entries = [Entry(remote.uri, guest.uuid, guest.name) for guest in back]
    office.durably(run, lambda: office.waiting.add(entries))
    office.durably(run, office.report.save)
    await _Stopping(office, remote, run, ends).all(plan)


async def _plan(office: Office, remote: Remote, guests: list[Guest], ends: _Ends) -> Plan:
    settings = office.settings
    limits = Limits()
    if settings.suspends and guests:
        limits = await _limits(office, remote, ends)
    return plans.make(
        guests, limits, suspends=settings.suspends, leaves_transient=settings.leaves_transient
    )


async def _limits(office: Office, remote: Remote, ends: _Ends) -> Limits:
    """Return the room there is; what cannot be found out limits nothing, and is said."""
    settings = office.settings
    directory = settings.save_dir or await remote.save_directory()
    free: int | None = None
    speed: float | None = float(settings.save_speed << 20) or office.report.bytes_per_s or None
    try:
        free = space.free_bytes(directory)
        if speed is None:
            speed = await asyncio.to_thread(space.write_speed, directory)
    except OSError as error:
        office.say(
            f"how much room '{directory}' has is not known ({error.strerror}); SAVE_DIR says "
            "where the saves go"
        )
    return Limits(directory, free, speed, ends.for_saves())


@dataclass
class _Turn:
    """A guest's turn: set when it is over, whatever came of it."""

    step: Step
    over: asyncio.Event


class _Stopping:
    """The stop of the guests of one daemon."""

    def __init__(self, office: Office, remote: Remote, run: Run, ends: _Ends) -> None:
        self._office = office
        self._settings = office.settings
        self._clock = office.clock
        self._remote = remote
        self._run = run
        self._ends = ends
        self._saves = asyncio.Semaphore(office.settings.parallel_save)
        self._shutdowns = asyncio.Semaphore(max(1, office.settings.parallel_shutdown))
        self._in_parallel_until: float | None = None
        self._saved_bytes = 0
        self._saved_from: float | None = None

    async def all(self, plan: Plan) -> None:
        """Do what is planned; each guest after those that come up after it."""
        members = {
            step.guest.uuid: Member(step.guest.name, step.guest.uuid, step.guest.wish)
            for step in plan.steps
        }
        later = reverse(arrange(members).before)
        turns: dict[Hashable, _Turn] = {
            step.guest.uuid: _Turn(step, asyncio.Event()) for step in plan.steps
        }
        if self._settings.parallel_shutdown > 1 and self._settings.shutdown_timeout:
            self._in_parallel_until = self._clock.monotonic() + self._settings.shutdown_timeout
        names = {turn.step.guest.name: self._turn(turn, turns, later) for turn in turns.values()}
        await self._office.all_of(self._run, names)
        if self._saved_from is not None:
            took = self._clock.monotonic() - self._saved_from
            if self._saved_bytes > 64 << 20 and took > 0:
                self._office.report.bytes_per_s = self._saved_bytes / took

    async def _turn(
        self,
        turn: _Turn,
        turns: Mapping[Hashable, _Turn],
        later: Mapping[Hashable, frozenset[Hashable]],
    ) -> None:
        guest = turn.step.guest
        began = self._clock.monotonic()
        try:
            for key in later[guest.uuid]:
                await turns[key].over.wait()
            began = self._clock.monotonic()
            outcome, why = await self._do(turn.step)
        except VirtError as error:
            outcome, why = NOT_DONE, first_line(error)
        finally:
            turn.over.set()
        took = self._clock.monotonic() - began
        self._run.add(
            Outcome(self._remote.uri, guest.uuid, guest.name, outcome, why, round(took, 1))
        )
        self._office.say(f"{guest.name}: {outcome}{': ' + why if why else ''}")
        key = (self._remote.uri, guest.uuid)
        if guest.persistent and outcome in (SAVED, SHUT_DOWN):
            how: How = "saved" if outcome == SAVED else "shut down"
            self._office.durably(self._run, lambda: self._office.waiting.note(key, how, why))

    async def _do(self, step: Step) -> tuple[str, str]:
        if step.act == "leave":
            return LEFT, step.why
        if step.act == "save":
            async with self._saves:
                failure = await self._save(step.guest)
            if failure is None:
                return SAVED, ""
            self._office.say(f"{step.guest.name}: not saved, asked to shut down: {failure}")
            return await self._shut_down(step.guest, f"not saved: {failure}")
        # a guest for which there is no room waits for nobody: it takes no disk
        if self._settings.suspends:
            return await self._shut_down(step.guest, step.why)
        async with self._shutdowns:
            return await self._shut_down(step.guest, step.why)

    # -- saving --------------------------------------------------------------------------------

    async def _save(self, guest: Guest) -> str | None:
        """Save a guest; None when it is saved, else why it is not."""
        left = self._ends.for_saves()
        if left is not None and left <= 0:
            return "no time is left (DEADLINE)"
        if self._saved_from is None:
            self._saved_from = self._clock.monotonic()
        failure = await self._save_once(guest)
        if isinstance(failure, ConnectionLost):
            look = await self._remote.look(guest.uuid)
            if look is not None and not look.active and look.saved:
                failure = None
            elif look is not None and look.active:
                self._office.say(f"{guest.name}: the daemon went away in mid-save; once more")
                failure = await self._save_once(guest)
        if failure is None:
            self._saved_bytes += guest.image_bytes
            return None
        return first_line(failure)

    async def _save_once(self, guest: Guest) -> VirtError | None:
        saving = asyncio.ensure_future(
            self._remote.save(guest.uuid, bypass_cache=self._settings.bypass_cache)
        )
        try:
            while not await self._office.within(saving, self._pause()):
                if self._ends.for_saves() == 0:
                    await self._give_up(guest, saving)
                    break
                await self._tell_progress(guest)
            await saving
        except VirtError as error:
            return error
        finally:
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)
        return None

    def _pause(self) -> float:
        left = self._ends.for_saves()
        return PROGRESS_S if left is None else min(PROGRESS_S, left)

    async def _give_up(self, guest: Guest, saving: asyncio.Future[None]) -> None:
        """End a save that takes too long; raises when it does not even end."""
        self._office.say(f"{guest.name}: its save takes too long and is given up")
        with contextlib.suppress(VirtError):  # it may have come to its end just now
            await self._remote.abort(guest.uuid)
        left = self._ends.left()
        if not await self._office.within(saving, None if left is None else left / 2):
            raise VirtError("its save did not end in time, nor when it was given up (DEADLINE)")
        if saving.exception() is not None:
            raise VirtError("its save took too long and was given up (DEADLINE)")

    async def _tell_progress(self, guest: Guest) -> None:
        try:
            done, total = await self._remote.progress(guest.uuid)
        except VirtError:
            return  # the save itself tells what is wrong
        if total:
            share = f"{plans.size(done)} of {plans.size(total)}"
            self._office.say(f"{guest.name}: saving, {share}")

    # -- shutting down -------------------------------------------------------------------------

    async def _shut_down(self, guest: Guest, why: str) -> tuple[str, str]:
        """Have a guest shut down, within its time-out; what became of it and why."""
        began = told = asked = self._clock.monotonic()
        asking = self._office.ask(self._remote.shutdown(guest.uuid))
        try:
            # a daemon may answer only when an agent did its part: that is not waited for
            if await self._office.within(asking, ANSWER_S):
                await asking
            while await self._is_up(guest):
                left = self._shutdown_left(began)
                if left is not None and left <= 0:
                    took = self._clock.monotonic() - began
                    over = f"did not shut down within {took:.0f} s; it runs on"
                    return NOT_DONE, f"{why}; {over}" if why else over
                if self._clock.monotonic() - told >= PROGRESS_S:
                    told = self._clock.monotonic()
                    rest = "" if left is None else f", {left:.0f} s left"
                    self._office.say(f"{guest.name}: waiting for it to shut down{rest}")
                if self._clock.monotonic() - asked >= ASK_AGAIN_S and asking.done():
                    asked = self._clock.monotonic()
                    asking = self._office.ask(self._remote.shutdown(guest.uuid))
                await self._clock.sleep(_POLL_S if left is None else min(_POLL_S, left))
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        return SHUT_DOWN, why

    async def _is_up(self, guest: Guest) -> bool:
        look = await self._remote.look(guest.uuid)
        return look is not None and look.active

    def _shutdown_left(self, began: float) -> float | None:
        """Return the seconds that a guest still has: its own, its URI's when in parallel, all's."""
        now, timeout = self._clock.monotonic(), self._settings.shutdown_timeout
        limits = []
        if timeout:
            until = self._in_parallel_until
            limits.append((began + timeout if until is None else until) - now)
        if (left := self._ends.left()) is not None:
            limits.append(left)
        return min(limits) if limits else None
