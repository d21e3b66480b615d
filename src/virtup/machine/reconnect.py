"""Guests that ran on while the daemon was away: found again, or told to have ended.

Each guest is looked for on its own: one whose QEMU does not answer is adopted all the same (it
is there, can be listed and destroyed) and its monitor is tried again until it answers or ends.
What a start or an end that was cut short had taken is given back here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid as uuids
from collections.abc import Callable
from dataclasses import dataclass, field

from virtup.errors import VirtError
from virtup.host import layout as layouts
from virtup.host import link, save_bytes, save_file
from virtup.host.clock import Clock
from virtup.host.layout import Layout
from virtup.host.logfile import GuestLog
from virtup.host.ownership import Ledger
from virtup.host.process import Process, adopt, with_home
from virtup.machine import files, volumes
from virtup.machine.events import DomainRef, Event, EventBus
from virtup.machine.life import KILL, KILL_WAIT_S, Machine, resync
from virtup.machine.monitor import MonitorFailed, open_monitor
from virtup.machine.settings import Settings
from virtup.machine.states import LOG_REASON, STOPPED_DETAIL, Lifecycle, Shutoff, State
from virtup.machine.status import SaveNote, Status, Statuses
from virtup.model.domain import Domain, parse_domain

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""How long to wait before a QEMU that did not answer is asked again."""


@dataclass
class Found:
    """What became of the guests of an earlier daemon.

    ``ended`` are name and reason of those that run no longer; ``kept`` are the records of those
    that could be neither taken over nor given back: they are left alone, with all they use.
    """

    running: list[tuple[Machine, Status]] = field(default_factory=list)
    ended: list[tuple[str, Shutoff]] = field(default_factory=list)
    kept: list[Status] = field(default_factory=list)


class Recovery:
    """Looks for the guests of an earlier daemon, at the start of one, once."""

    def __init__(
        self,
        *,
        layout: Layout,
        settings: Settings,
        clock: Clock,
        ledger: Ledger,
        statuses: Statuses,
        events: EventBus,
        boot: str,
        on_change: Callable[[Machine], None],
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._clock = clock
        self._ledger = ledger
        self._statuses = statuses
        self._events = events
        self._boot = boot
        self._on_change = on_change

    async def survey(self) -> Found:
        """Find what runs; end and give back what does not, with its lent files.

        Whoever takes the machines sets their ``on_end`` and watches them.
        """
        found = Found()
        for kept in list(self._statuses.read_all()):
            try:
                await self._look(kept, found)
            except OSError as error:
                log.error("guest '%s' is left as it is: %s", kept.name, error)
                found.kept.append(kept)
        running = [kept.uuid for _, kept in found.running] + [kept.uuid for kept in found.kept]
        await asyncio.to_thread(self._ledger.recover, running)
        return found

    async def _look(self, kept: Status, found: Found) -> None:
        process = self._process(kept)
        if kept.starting:
            await self._abandon(kept, process)
            found.ended.append((kept.name, Shutoff.FAILED))
        elif process is None:
            found.ended.append((kept.name, await self._bury(kept)))
        elif machine := self._machine(kept, process):
            found.running.append((machine, kept))
        else:
            found.kept.append(kept)

    def _process(self, kept: Status) -> Process | None:
        if kept.boot != self._boot or not kept.pid:
            return None
        return adopt(kept.pid, kept.start_ticks)

    # -- those that run ------------------------------------------------------------------------

    def _machine(self, kept: Status, process: Process) -> Machine | None:
        """Return the machine of a record whose QEMU runs; None when it cannot be understood."""
        live = _live(kept)
        if live is None:
            log.error("guest '%s' runs (pid %d) and cannot be taken over", kept.name, kept.pid)
            process.close()
            return None
        guest_log = self._log_of(kept)
        return Machine(
            uuid=uuids.UUID(kept.uuid).bytes,
            id=kept.id,
            live=live,
            process=process,
            log=guest_log,
            release=lambda: self._give_back(kept, guest_log),
            on_event=self._events.emit,
            on_change=self._on_change,
            on_end=lambda _machine, _why: None,
            stop_timeout_s=self._settings.stop_timeout_s,
            command_timeout_s=self._settings.command_timeout_s,
            monitor_path=kept.monitor,
            agent_path=kept.agent,
            directories=tuple(kept.directories),
            persistent=kept.persistent,
            state=State(kept.state),
            reason=kept.reason,
            tainted=tuple(kept.tainted),
            saving=kept.saving,
        )

    def _log_of(self, kept: Status) -> GuestLog:
        guest_log = GuestLog(
            f"{self._layout.log_dir}/{kept.name}.log",
            fifo=f"{self._layout.state_dir}/{kept.name}.stderr",
            max_bytes=self._settings.log_max_bytes,
            backups=self._settings.log_backups,
            clock=self._clock,
        )
        guest_log.open()
        return guest_log

    # -- those that do not ---------------------------------------------------------------------

    async def _bury(self, kept: Status) -> Shutoff:
        """Give back what a guest held that ended while no daemon looked; tell of its end."""
        log.warning("guest '%s' (pid %d) ended while virtupd was away", kept.name, kept.pid)
        why = Shutoff.CRASHED
        if kept.ending is not None:
            why = Shutoff(kept.ending)
        elif kept.saving is not None and await asyncio.to_thread(self._was_saved, kept.saving):
            why = Shutoff.SAVED
        elif kept.state == State.SHUTDOWN:
            why = Shutoff.SHUTDOWN
        guest_log = self._log_of(kept)
        await guest_log.drain()
        guest_log.note("QEMU ended while virtupd was away")
        guest_log.shutting_down(LOG_REASON[why])
        await self._give_back(kept, guest_log)
        self._statuses.remove(kept.name)
        ref = DomainRef(kept.name, uuids.UUID(kept.uuid).bytes, -1)
        stopped = {"event": int(Lifecycle.STOPPED), "detail": STOPPED_DETAIL[why]}
        self._events.emit(Event("lifecycle", ref, stopped))
        return why

    def _was_saved(self, note: SaveNote) -> bool:
        """Tell whether a guest's save was finished, and remove what is left of it if it was not.

        What is left of a managed save stays: the guest's next start says that it is lost.
        """
        finished = save_file.is_of(note.path, note.id)
        save_file.settle(note.path)
        if finished:
            return True
        managed = os.path.dirname(note.path) == self._layout.save_dir
        if not managed and save_bytes.clear(note.temporary):
            log.warning("what was written of '%s' before its QEMU ended is removed", note.path)
        return False

    async def _abandon(self, kept: Status, process: Process | None) -> None:
        """End what a start made that no daemon saw to its end."""
        log.warning("the start of guest '%s' was cut short: it is undone", kept.name)
        made = [process] if process is not None else []
        if kept.boot == self._boot and kept.directories:
            made += await asyncio.to_thread(with_home, kept.directories[0])
        for one in made:
            one.kill(KILL)
        for one in made:
            try:
                async with asyncio.timeout(KILL_WAIT_S):
                    await one.wait()
            except TimeoutError:
                log.error("process %d does not end after SIGKILL: %s", one.pid, one.describe())
            one.close()
        guest_log = self._log_of(kept)
        await guest_log.drain()
        guest_log.note("virtupd ended while the guest was being started")
        guest_log.shutting_down(LOG_REASON[Shutoff.FAILED])
        await self._give_back(kept, guest_log)
        self._statuses.remove(kept.name)

    async def _give_back(self, kept: Status, guest_log: GuestLog) -> None:
        guest_log.close()
        for path in kept.directories:
            layouts.remove_guest_dir(path)
        live = _live(kept)
        if live is not None:
            for device in files.listening(live):
                name = files.first_source(device).path
                if name:
                    link.remove_dead(name)
        await asyncio.to_thread(self._ledger.give_back, kept.uuid)


def _live(kept: Status) -> Domain | None:
    try:
        live = parse_domain(kept.xml, source=f"status record of '{kept.name}'")
        return volumes.with_files(live, kept.volumes)
    except VirtError as error:
        log.error("the definition of guest '%s' is not understood: %s", kept.name, error)
        return None


@dataclass
class Reconnection:
    """One adopted guest whose monitor is to be taken up again."""

    machine: Machine
    timeout_s: float
    level: int = logging.WARNING
    """How loud a failure is: the first one is, those that follow are not."""

    async def once(self) -> bool:
        """Connect to the monitor and take over its state; False when QEMU does not answer."""
        machine = self.machine
        try:
            sock = link.connect(machine.monitor_path)
            monitor = await open_monitor(sock, timeout_s=self.timeout_s)
        except MonitorFailed as error:
            log.log(
                self.level,
                "guest '%s': QEMU (pid %d) does not answer: %s; it is %s",
                machine.name,
                machine.process.pid,
                error.detail,
                machine.process.describe(),
            )
            return False
        except VirtError as error:
            log.log(self.level, "guest '%s': %s", machine.name, error.message)
            return False
        machine.attach(monitor)
        try:
            await resync(machine)
            await machine.find_agent()
        except VirtError as error:
            log.warning("guest '%s': %s", machine.name, error.message)
        return True

    async def until_done(self) -> None:
        """Try until QEMU answers or is gone."""
        while self.machine.process.alive():
            if await self.once():
                log.info("guest '%s' answers (pid %d)", self.machine.name, self.machine.process.pid)
                return
            self.level = logging.DEBUG
            await asyncio.sleep(RETRY_S)
