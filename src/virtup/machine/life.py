"""One running guest: its QEMU, its monitor, its state, and the end of all three.

A `Machine` exists from the moment QEMU answers until its process is gone and everything it used
has been given back. Whoever reads ``state`` never waits for QEMU; whoever stops it need not
wait for a call that hangs in its monitor.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid as uuids
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from virtup.errors import OperationInvalid, OperationTimeout, VirtError
from virtup.host.logfile import GuestLog
from virtup.host.process import Exit
from virtup.host.process import Running as RunningProcess
from virtup.machine import agent, files, volumes
from virtup.machine.events import DomainRef, Event
from virtup.machine.jobs import Job
from virtup.machine.monitor import Monitor, MonitorGone
from virtup.machine.states import (
    LOG_REASON,
    STOPPED_DETAIL,
    Lifecycle,
    Paused,
    Running,
    Shutoff,
    State,
    moved,
)
from virtup.machine.status import SaveNote, Status
from virtup.model.domain import Domain, format_domain

log = logging.getLogger(__name__)

TERM, KILL = 15, 9
GO_ON_WAIT_S = 2.0
"""How long QEMU may take to give up a save that came to nothing, before it is asked again later."""

GO_ON_S = 1.0
"""How long to wait before a QEMU that did not answer is asked again to let its guest go on."""

KILL_WAIT_S = 30.0
"""How long a killed QEMU may stay (in the kernel, on a dead disk) before the caller is told."""


@dataclass
class Machine:
    """A running guest; all times in seconds.

    ``release`` gives back what the start took (taps, files, sockets); ``on_event`` tells an event;
    ``on_change`` asks that the status record be written anew; ``on_end`` is called once, with the
    reason, when the guest is gone and everything is given back.
    """

    uuid: bytes
    id: int
    live: Domain
    process: RunningProcess
    log: GuestLog
    release: Callable[[], Awaitable[None]]
    on_event: Callable[[Event], None]
    on_change: Callable[[Machine], None]
    on_end: Callable[[Machine, Shutoff], None]
    stop_timeout_s: float = 10.0
    command_timeout_s: float = 30.0
    monitor: Monitor | None = None
    monitor_path: str = ""
    agent_path: str = ""
    directories: tuple[str, ...] = ()
    persistent: bool = False
    agent_connected: bool = False
    state: State = State.PAUSED
    reason: int = Paused.STARTING_UP
    balloon_kib: int | None = None
    autodestroy: int | None = None
    tainted: tuple[str, ...] = ()
    job: Job | None = None
    last_job: Job | None = None
    saving: SaveNote | None = None
    restored: bool = False
    fake_reboot: bool = False
    _why: Shutoff | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _finishing: bool = False
    _supervisor: asyncio.Task[None] | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _agent: agent.Line = field(default_factory=agent.Line)
    _by_us: bool = False

    @property
    def name(self) -> str:
        """The guest's name."""
        return self.live.name

    @property
    def ref(self) -> DomainRef:
        """How the guest is named on the wire while it runs."""
        return DomainRef(self.name, self.uuid, self.id)

    @property
    def running(self) -> Monitor:
        """The monitor, or OperationInvalid when the guest has none (any more)."""
        if self._why is not None:
            raise OperationInvalid("domain is not running")
        if self.monitor is None:
            raise OperationTimeout(
                f"QEMU of '{self.name}' (pid {self.process.pid}) has not answered on its monitor "
                f"since the daemon started: {self.process.describe()}"
            )
        return self.monitor

    # -- state ---------------------------------------------------------------------------------

    def move(self, state: State, reason: int, event: Lifecycle | None, detail: int = 0) -> None:
        """Enter *state*, tell the lifecycle *event*, if any, and have the status written."""
        self.state, self.reason = state, reason
        self.on_change(self)
        if event is not None:
            self.tell("lifecycle", event=int(event), detail=detail)

    def tell(self, kind: str, **args: Any) -> None:
        """Emit an event about this guest."""
        self.on_event(Event(kind, self.ref, args))

    def started(self, *, paused: bool, restored: bool = False, as_saved: bool = False) -> None:
        """Enter the state that a start ends in, with the events that libvirt tells of it.

        *as_saved* says that the guest is paused as its saved state has it, and not as asked for.
        """
        self.restored = restored
        if self._agent_alias() is not None:
            self.tell("agent-lifecycle", state=1 if self.agent_connected else 2, reason=1)
        if restored:
            self._restored(paused=paused, as_saved=as_saved)
        elif paused:
            self.move(State.PAUSED, Paused.USER, Lifecycle.STARTED, 0)
            self.tell("lifecycle", event=int(Lifecycle.SUSPENDED), detail=0)
        else:
            self.move(State.RUNNING, Running.BOOTED, Lifecycle.RESUMED, 0)
            self.tell("lifecycle", event=int(Lifecycle.STARTED), detail=0)

    def _restored(self, *, paused: bool, as_saved: bool) -> None:
        self.move(State.PAUSED, Paused.MIGRATION, Lifecycle.STARTED, 2)
        if paused:
            self.tell("lifecycle", event=int(Lifecycle.SUSPENDED), detail=4 if as_saved else 0)
        else:
            self.move(State.RUNNING, Running.RESTORED, Lifecycle.RESUMED, 2)

    def status(self, *, boot: str) -> Status:
        """Return the record from which a later daemon finds this guest."""
        return Status(
            name=self.name,
            uuid=str(uuids.UUID(bytes=self.uuid)),
            id=self.id,
            pid=self.process.pid,
            start_ticks=self.process.start_ticks,
            boot=boot,
            monitor=self.monitor_path,
            agent=self.agent_path,
            state=int(self.state),
            reason=int(self.reason),
            persistent=self.persistent,
            xml=format_domain(self.live, secure=True, id=self.id),
            directories=list(self.directories),
            tainted=list(self.tainted),
            saving=self.saving,
            ending=None if self._why is None else int(self._why),
            autodestroy=self.autodestroy is not None,
            volumes=volumes.paths(self.live),
        )

    # -- supervision ---------------------------------------------------------------------------

    def attach(self, monitor: Monitor) -> None:
        """Take QEMU's monitor and follow its events."""
        self.monitor = monitor
        monitor.timeout_s = self.command_timeout_s
        monitor.whose = lambda: (
            f"QEMU of '{self.name}' (pid {self.process.pid}, {self.process.describe()})"
        )
        monitor.listen(self._on_qmp_event, self._on_monitor_closed)

    def watch(self) -> None:
        """From now on the end of the process is the end of the guest."""
        loop = asyncio.get_running_loop()
        self._supervisor = loop.create_task(self._watch_process(), name=f"guest-{self.name}")

    async def _watch_process(self) -> None:
        ended = await self.process.wait()
        self._finishing = True
        await self._finish(ended)

    def _on_monitor_closed(self) -> None:
        # a monitor that closes with QEMU alive is a QEMU that nobody can steer: it is ended, and
        # the log says why; usually the process is gone and its own watcher is first
        async def check() -> None:
            try:
                async with asyncio.timeout(self.stop_timeout_s):
                    await self._ended.wait()
            except TimeoutError:
                log.error(
                    "guest '%s': QEMU closed its monitor and lives on; it is ended", self.name
                )
                self._why = self._why or Shutoff.CRASHED
                self.process.kill(KILL)

        if self._supervisor is not None:
            self._spawn(check())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_qmp_event(self, event: dict[str, Any]) -> None:
        name = str(event.get("event", ""))
        data = event.get("data") or {}
        stamp = event.get("timestamp") or {}
        self.tell(
            "monitor",
            event=name,
            seconds=int(stamp.get("seconds", 0)),
            micros=int(stamp.get("microseconds", 0)),
            details=json.dumps(data) if data else None,
        )
        if self._why is not None:
            return
        special = getattr(self, f"_qmp_{name.lower()}", None)
        if special is not None and special(data) is False:
            return
        if name in {"STOP", "RESUME"} and self._by_us:
            return  # the call that caused it sets the state and its reason
        move = moved(name, self.state)
        if move is not None:
            self.move(move.state, move.reason, move.event, move.detail)

    def set_persistent(self, persistent: bool) -> None:
        """Note whether the guest outlives this run."""
        self.persistent = persistent
        self.on_change(self)

    def note_saving(self, note: SaveNote | None) -> None:
        """Note the save that is under way, so that a later daemon can end it either way."""
        self.saving = note
        self.on_change(self)

    async def after_cut_save(self) -> None:
        """Let the guest go on after a save that came to nothing.

        A QEMU that does not answer is asked again until it does or is gone, in the background.
        """
        if not await self._try_to_go_on():
            self._spawn(self._go_on())

    async def _go_on(self) -> None:
        while self._why is None:
            if await self._try_to_go_on():
                return
            await asyncio.sleep(GO_ON_S)

    async def _try_to_go_on(self) -> bool:
        note = self.saving
        if note is None or self._why is not None:
            return True
        if self.monitor is None:
            return False
        try:
            await self.running.cancel_migration(timeout_s=GO_ON_WAIT_S)
            if note.was_running and self.state is State.PAUSED:
                await self.resume(Running.SAVE_CANCELED)
        except OperationTimeout as error:
            log.warning("guest '%s' does not go on yet after a save: %s", self.name, error)
            return False
        except VirtError as error:
            if self._why is None and self.process.alive():
                log.error("guest '%s' could not be resumed after a save: %s", self.name, error)
                self.log.note(f"the guest could not be resumed after a save: {error}")
        self.note_saving(None)
        return True

    def taint(self, word: str) -> None:
        """Note, once, that the guest runs with something that virtup does not vouch for."""
        if word not in self.tainted:
            self.tainted = (*self.tainted, word)
            self.log.note(f"Domain id={self.id} is tainted: {word}")
            self.on_change(self)

    # each returns False when the event must not move the state

    def _qmp_shutdown(self, data: dict[str, Any]) -> bool:
        self._agent.guest_went()
        again = self.live.on_poweroff == "restart" and data.get("reason") != "host-signal"
        if self.fake_reboot or again:
            self.fake_reboot = False
            self._spawn(self._reset_and_go())
            return False
        if self.state is State.CRASHED:
            return False
        guest = bool(data.get("guest"))
        if self.state is not State.SHUTDOWN:
            self.move(State.SHUTDOWN, 1, Lifecycle.SHUTDOWN, 1 if guest else 2)
        self._spawn(self.end_quietly(Shutoff.SHUTDOWN))
        return False

    def _qmp_reset(self, _data: dict[str, Any]) -> bool:
        self._agent.guest_went()
        self.fake_reboot = False
        self.tell("reboot")
        return False

    def _qmp_watchdog(self, data: dict[str, Any]) -> bool:
        actions = ("none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi")
        action = str(data.get("action", "none"))
        self.tell("watchdog", action=actions.index(action) if action in actions else 0)
        return action == "pause"

    def _qmp_block_io_error(self, data: dict[str, Any]) -> bool:
        action = str(data.get("action", "report"))
        self.tell(
            "io-error",
            srcPath="",
            devAlias=str(data.get("device") or data.get("qom-path", "")),
            action={"ignore": 0, "stop": 1, "report": 2}.get(action, 2),
            reason=str(data.get("reason", "")),
        )
        return action == "stop"

    def _qmp_rtc_change(self, data: dict[str, Any]) -> bool:
        self.tell("rtc-change", offset=int(data.get("offset", 0)))
        return False

    def _qmp_balloon_change(self, data: dict[str, Any]) -> bool:
        self.balloon_kib = int(data.get("actual", 0)) // 1024
        self.tell("balloon-change", actual=self.balloon_kib)
        return False

    def _qmp_device_deleted(self, data: dict[str, Any]) -> bool:
        if data.get("device"):
            self.tell("device-removed", devAlias=str(data["device"]))
        return False

    def _qmp_suspend(self, _data: dict[str, Any]) -> bool:
        self.tell("pmsuspend", reason=0)
        return True

    def _qmp_wakeup(self, _data: dict[str, Any]) -> bool:
        self.tell("pmwakeup", reason=0)
        return True

    def _qmp_vserport_change(self, data: dict[str, Any]) -> bool:
        alias, is_open = str(data.get("id", "")), bool(data.get("open"))
        self.live = files.with_ports(self.live, {alias: is_open})
        self.on_change(self)
        if alias == self._agent_alias():
            self.agent_connected = is_open
            if not self.agent_connected:
                self._agent.agent_left()
            self.tell("agent-lifecycle", state=1 if self.agent_connected else 2, reason=2)
        return False

    def _qmp_guest_panicked(self, _data: dict[str, Any]) -> bool:
        action = self.live.on_crash or "destroy"
        self.move(State.CRASHED, 1, Lifecycle.CRASHED, 0)
        if action == "destroy":
            self._spawn(self.end_quietly(Shutoff.CRASHED))
        elif action == "restart":
            self._spawn(self._reset_and_go())
        return False  # preserved: it stays as it is, to be looked at

    def _agent_alias(self) -> str | None:
        channel = files.agent_channel(self.live)
        return channel.alias if channel is not None else None

    async def find_agent(self) -> None:
        """Ask QEMU which channels the guest holds its end open of, the agent's among them."""
        if not self.live.devices.channel:
            return
        ports = files.open_ports(await self.running.execute("query-chardev"))
        self.live = files.with_ports(self.live, ports)
        self.agent_connected = ports.get(self._agent_alias() or "", False)

    # -- acts ----------------------------------------------------------------------------------

    async def pause(self, reason: Paused = Paused.USER) -> None:
        """Stop the vCPUs; a guest that is paused stays so."""
        if self.state is State.PAUSED:
            return
        if self.state is State.PMSUSPENDED:
            raise OperationInvalid("domain is pmsuspended")
        await self._by_us_run("stop")
        self.move(State.PAUSED, reason, Lifecycle.SUSPENDED, 0)

    async def resume(self, reason: Running = Running.UNPAUSED) -> None:
        """Let the vCPUs run."""
        if self.state is State.RUNNING:
            raise OperationInvalid("domain is already running")
        if self.state is State.PMSUSPENDED:
            raise OperationInvalid("domain is pmsuspended")
        await self._by_us_run("cont")
        self.move(State.RUNNING, reason, Lifecycle.RESUMED, 0)

    async def _by_us_run(self, command: str) -> None:
        self._by_us = True
        try:
            await self.running.execute(command)
            await asyncio.sleep(0)  # the event comes before the reply; let it be seen
        finally:
            self._by_us = False

    def restarts(self, *, reboot: bool) -> bool:
        """Whether the guest starts over after a reboot, or else a shutdown, that it is asked for.

        ``on_reboot`` and ``on_poweroff`` turn one into the other, as libvirt has it.
        """
        if reboot:
            return self.live.on_reboot not in ("destroy", "preserve")
        return self.live.on_poweroff == "restart"

    async def power_down(self, *, reboot: bool = False) -> None:
        """Press the ACPI power button; with *reboot* the guest starts over when it is down."""
        self.fake_reboot = reboot
        await self.running.execute("system_powerdown")

    async def reset(self) -> None:
        """Reset the guest as its reset button would."""
        await self.running.execute("system_reset")

    @property
    def agent_ready(self) -> bool:
        """Whether there is an agent that can answer now."""
        return self.agent_connected and self.state is State.RUNNING

    def require_agent(self) -> None:
        """Raise OperationInvalid, AgentNotConfigured or AgentNotReady when no agent can answer."""
        if self.state is not State.RUNNING:
            raise OperationInvalid("domain is not running")
        if not self.agent_path:
            raise agent.AgentNotConfigured
        if not self.agent_connected:
            raise agent.AgentNotReady("QEMU guest agent is not connected")

    async def ask_agent(
        self, command: dict[str, Any], *, timeout_s: float | None
    ) -> dict[str, Any]:
        """Send one command to the guest agent; one at a time a guest."""
        self.require_agent()
        return await self._agent.ask(self.agent_path, command, timeout_s=timeout_s)

    async def shut_down_by_agent(self, *, restart: bool = False) -> None:
        """Have the agent shut the guest down, or with *restart* reboot it; wait until it does."""
        self.require_agent()
        self.fake_reboot = False
        await self._agent.shut_down(self.agent_path, "reboot" if restart else "powerdown")

    async def _reset_and_go(self) -> None:
        reason = Running.CRASHED if self.state is State.CRASHED else Running.BOOTED
        ends_at_reset = self.live.on_reboot == "destroy"
        try:
            if ends_at_reset:  # the guest's own, not this one
                await self.running.execute("set-action", {"reboot": "reset"})
            await self.running.execute("system_reset")
            if ends_at_reset:
                await self.running.execute("set-action", {"reboot": "shutdown"})
            await self._by_us_run("cont")
        except VirtError as error:
            log.error("guest '%s' could not be rebooted: %s", self.name, error)
            await self.end_quietly(Shutoff.CRASHED)
            return
        if self.state is not State.RUNNING:
            self.move(State.RUNNING, reason, Lifecycle.RESUMED, 0)

    async def gone_within(self, seconds: float) -> bool:
        """Wait that long for the guest to be gone, and tell whether it is."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def end_quietly(self, why: Shutoff) -> None:
        """End QEMU as `end` does; what keeps it from ending goes to the log."""
        try:
            await self.end(why)
        except VirtError as error:
            log.error("guest '%s' could not be ended: %s", self.name, error)

    async def end(self, why: Shutoff, *, graceful: bool = False) -> None:
        """End QEMU and wait until everything it used is given back.

        SIGTERM first; SIGKILL after ``stop_timeout_s``, or, when *graceful*, an error instead.
        Raises OperationTimeout when even a killed QEMU does not go (a dead disk holds it).
        """
        if self._why is None:
            self._why = why
            self.on_change(self)
        if not self._ended.is_set():
            # a stopped process does not hear SIGTERM
            deaf = not graceful and self.process.describe().startswith("stopped")
            self.process.kill(KILL if deaf else TERM)
        try:
            async with asyncio.timeout(self.stop_timeout_s):
                await self._ended.wait()
            return
        except TimeoutError:
            if graceful:
                self._why = None
                self.on_change(self)
                raise OperationTimeout(
                    f"QEMU of '{self.name}' (pid {self.process.pid}) did not end within "
                    f"{self.stop_timeout_s:g} s of SIGTERM; without --graceful it is killed"
                ) from None
        self.process.kill(KILL)
        try:
            async with asyncio.timeout(KILL_WAIT_S):
                await self._ended.wait()
        except TimeoutError:
            raise OperationTimeout(
                f"QEMU of '{self.name}' (pid {self.process.pid}) does not end after SIGKILL: "
                f"{self.process.describe()}"
            ) from None

    async def _finish(self, ended: Exit) -> None:
        """Give everything back once the process is gone.

        Cancelled, it leaves the status record: the next daemon gives back what is left.
        """
        why = self._why
        if why is None:
            why = Shutoff.SHUTDOWN if self.state is State.SHUTDOWN else Shutoff.CRASHED
        self._why = why
        self._agent.agent_left()
        self._agent.guest_went()
        monitor, self.monitor = self.monitor, None
        try:
            if monitor is not None:
                await monitor.close()
            await self.log.drain()
            if why is Shutoff.CRASHED:
                self.log.note(f"QEMU ended by itself: {ended}")
            self.log.shutting_down(LOG_REASON[why])
            await self.release()
        except (OSError, VirtError) as error:
            log.error("guest '%s': not everything could be given back: %s", self.name, error)
        self.on_end(self, why)
        stopped = {"event": int(Lifecycle.STOPPED), "detail": STOPPED_DETAIL[why]}
        self.on_event(Event("lifecycle", replace(self.ref, id=-1), stopped))
        self._ended.set()

    async def let_go(self) -> None:
        """Stop following QEMU, which runs on: the daemon ends."""
        if self._supervisor is not None and self._finishing:
            await asyncio.wait({self._supervisor}, timeout=self.stop_timeout_s)
        for task in (self._supervisor, *self._tasks):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self.monitor is not None:
            await self.monitor.close()
        self.log.leave()


async def resync(machine: Machine) -> None:
    """Ask QEMU for its state after the daemon was away, and enter it."""
    status = await machine.running.execute("query-status")
    name = str(status.get("status"))
    if name == "running":
        state, reason = State.RUNNING, Running.BOOTED
        if machine.state is State.RUNNING:
            reason = Running(machine.reason)
        machine.state, machine.reason = state, int(reason)
    elif name in {"shutdown", "guest-panicked"}:
        why = Shutoff.SHUTDOWN if name == "shutdown" else Shutoff.CRASHED
        await machine.end(why)
        raise MonitorGone("the guest had ended while the daemon was away")
    elif name == "suspended":
        machine.state, machine.reason = State.PMSUSPENDED, 0
    elif machine.state is not State.PAUSED:
        reasons = {"io-error": Paused.IOERROR, "watchdog": Paused.WATCHDOG}
        machine.state, machine.reason = State.PAUSED, int(reasons.get(name, Paused.UNKNOWN))
