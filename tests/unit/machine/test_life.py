"""The life of one guest: every QEMU event in every state, and every way to its end."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import FakeProcess
from tests.fakes.qmp import HANG, FakeQmp, Refused, serving
from virtup.errors import OperationInvalid, OperationTimeout
from virtup.host.clock import SystemClock
from virtup.host.logfile import GuestLog
from virtup.host.process import Exit
from virtup.machine import agent
from virtup.machine.life import Machine, resync
from virtup.machine.monitor import open_monitor
from virtup.machine.states import MOVES, Lifecycle, Paused, Running, Shutoff, State
from virtup.model.domain import parse_domain

XML = """<domain type='qemu'><name>g</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>
<memory>1024</memory><os><type>hvm</type></os><on_crash>{crash}</on_crash><devices>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>
<alias name='channel0'/></channel></devices></domain>"""


@dataclass
class Life:
    """One machine on a fake QEMU, and all that it told."""

    machine: Machine
    qmp: FakeQmp
    process: FakeProcess
    log: Path
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ends: list[Shutoff] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def lifecycle(self) -> list[tuple[int, int]]:
        return [(a["event"], a["detail"]) for kind, a in self.events if kind == "lifecycle"]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events if kind not in {"lifecycle", "monitor"}]

    async def heard(self, name: str) -> None:
        """Wait until the machine has heard one more QEMU event of that name."""
        async with asyncio.timeout(10):
            while not any(k == "monitor" and a["event"] == name for k, a in self.events):
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)

    async def ran(self, *commands: str) -> None:
        """Wait until QEMU was last given these commands."""
        async with asyncio.timeout(10):
            while [one["execute"] for one in self.qmp.seen][-len(commands) :] != [*commands]:
                await asyncio.sleep(0.001)

    async def resumed(self) -> None:
        """Wait until the machine has told that its guest runs again."""
        async with asyncio.timeout(10):
            while self.lifecycle()[-1:] != [(Lifecycle.RESUMED, 0)]:
                await asyncio.sleep(0.001)

    async def ended(self) -> Shutoff:
        async with asyncio.timeout(10):
            while not self.ends:
                await asyncio.sleep(0.001)
        return self.ends[0]


@contextlib.asynccontextmanager
async def living(
    tmp_path: Path, *, crash: str = "destroy", deaf: bool = False, stop_timeout_s: float = 0.1
) -> AsyncIterator[Life]:
    qmp = FakeQmp()
    qmp.answers |= {"stop": {}, "cont": {}, "system_reset": {}, "system_powerdown": {}}
    process = FakeProcess(deaf=deaf)
    log = GuestLog(str(tmp_path / "g.log"), fifo=str(tmp_path / "g.fifo"), clock=SystemClock())
    log.open()
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=10)
        life: Life

        async def release() -> None:
            life.released.append("released")
            log.close()

        machine = Machine(
            uuid=uuid.UUID(int=7).bytes,
            id=3,
            live=parse_domain(XML.format(crash=crash)),
            process=process,
            log=log,
            release=release,
            on_event=lambda event: life.events.append((event.kind, event.args)),
            on_change=lambda _machine: None,
            on_end=lambda _machine, why: life.ends.append(why),
            stop_timeout_s=stop_timeout_s,
        )
        life = Life(machine, qmp, process, tmp_path / "g.log")
        machine.attach(monitor)
        machine.watch()
        machine.started(paused=False)
        life.events.clear()
        yield life
        process.end(Exit(0, None))
        await life.ended()


async def test_a_start_is_told_as_libvirt_tells_it(tmp_path):
    async with living(tmp_path) as life:
        life.machine.started(paused=False)
        assert life.lifecycle() == [(Lifecycle.RESUMED, 0), (Lifecycle.STARTED, 0)]
        life.events.clear()
        life.machine.started(paused=True)
        assert life.lifecycle() == [(Lifecycle.STARTED, 0), (Lifecycle.SUSPENDED, 0)]
        assert (life.machine.state, life.machine.reason) == (State.PAUSED, Paused.USER)


async def test_a_restore_is_told_as_libvirt_tells_it(tmp_path):
    started, suspended = (Lifecycle.STARTED, 2), Lifecycle.SUSPENDED
    async with living(tmp_path) as life:
        for as_saved, detail in ((True, 4), (False, 0)):
            life.machine.started(paused=True, restored=True, as_saved=as_saved)
            assert life.lifecycle() == [started, (suspended, detail)]
            assert (life.machine.state, life.machine.reason) == (State.PAUSED, Paused.MIGRATION)
            life.events.clear()
        life.machine.started(paused=False, restored=True)
        assert life.lifecycle() == [started, (Lifecycle.RESUMED, 2)]
        assert (life.machine.state, life.machine.reason) == (State.RUNNING, Running.RESTORED)


@pytest.mark.parametrize(
    "key",
    [key for key in MOVES if key[0] in {"STOP", "RESUME", "SUSPEND", "SUSPEND_DISK", "WAKEUP"}],
)
async def test_every_move_of_the_table_happens(tmp_path, key):
    event, before = key
    move = MOVES[key]
    async with living(tmp_path) as life:
        life.machine.state = before
        life.qmp.event(event)
        await life.heard(event)
        assert (life.machine.state, life.machine.reason) == (move.state, move.reason)
        assert life.lifecycle() == [(move.event, move.detail)]


@pytest.mark.parametrize("event", ["STOP", "RESUME", "WAKEUP", "NIC_RX_FILTER_CHANGED", ""])
async def test_an_event_that_the_table_lacks_changes_nothing(tmp_path, event):
    async with living(tmp_path) as life:
        life.machine.state, life.machine.reason = State.SHUTDOWN, 1
        life.qmp.event(event)
        await life.heard(event)
        assert (life.machine.state, life.machine.reason) == (State.SHUTDOWN, 1)
        assert life.lifecycle() == []


async def test_pause_and_resume_by_us_are_the_users(tmp_path):
    async with living(tmp_path) as life:

        def stop(_message):
            life.qmp.event("STOP")
            return {}

        life.qmp.answers["stop"] = stop
        await life.machine.pause()
        assert (life.machine.state, life.machine.reason) == (State.PAUSED, Paused.USER)
        await life.machine.pause()
        await life.machine.resume()
        assert (life.machine.state, life.machine.reason) == (State.RUNNING, Running.UNPAUSED)
        assert life.lifecycle() == [(Lifecycle.SUSPENDED, 0), (Lifecycle.RESUMED, 0)]
        with pytest.raises(OperationInvalid, match="already running"):
            await life.machine.resume()


@pytest.mark.parametrize("guest", [True, False])
async def test_a_guest_that_shuts_down_is_ended_and_given_back(tmp_path, guest):
    async with living(tmp_path) as life:
        life.qmp.event("SHUTDOWN", guest=guest)
        assert await life.ended() is Shutoff.SHUTDOWN
        assert life.released == ["released"]
        assert life.lifecycle() == [(Lifecycle.SHUTDOWN, 1 if guest else 2), (Lifecycle.STOPPED, 0)]
        assert "shutting down, reason=shutdown" in life.log.read_text()


async def test_a_reboot_by_acpi_resets_instead_of_ending(tmp_path):
    async with living(tmp_path) as life:
        await life.machine.power_down(reboot=True)
        life.qmp.event("SHUTDOWN", guest=True)
        await life.ran("system_powerdown", "system_reset", "cont")
        assert not life.ends
        assert life.machine.state is State.RUNNING


@pytest.mark.parametrize(
    ("crash", "end"),
    [("destroy", Shutoff.CRASHED), ("preserve", None)],
)
async def test_a_panic_does_what_the_definition_says(tmp_path, crash, end):
    async with living(tmp_path, crash=crash) as life:
        life.qmp.event("GUEST_PANICKED", action="pause")
        if end is not None:
            assert await life.ended() is end
        else:
            await life.heard("GUEST_PANICKED")
            assert life.machine.state is State.CRASHED
            assert not life.ends


async def test_a_panic_restarts_the_guest_when_the_definition_says_so(tmp_path):
    async with living(tmp_path, crash="restart") as life:
        life.qmp.event("GUEST_PANICKED")
        await life.ran("system_reset", "cont")
        await life.resumed()
        assert life.lifecycle() == [(Lifecycle.CRASHED, 0), (Lifecycle.RESUMED, 0)]
        assert (life.machine.state, life.machine.reason) == (State.RUNNING, Running.CRASHED)


async def test_a_crash_starts_over_where_a_reset_ends_the_guest(tmp_path):
    async with living(tmp_path, crash="restart") as life:
        life.machine.live = replace(life.machine.live, on_reboot="destroy")
        life.qmp.answers["set-action"] = {}
        life.qmp.event("GUEST_PANICKED")
        await life.ran("set-action", "system_reset", "set-action", "cont")
        ran = [(one["execute"], one.get("arguments", {}).get("reboot")) for one in life.qmp.seen]
        assert ran[-4:] == [
            ("set-action", "reset"), ("system_reset", None), ("set-action", "shutdown"), ("cont", None),
        ]  # fmt: skip


async def test_a_guest_that_powers_off_starts_over_when_the_definition_says_so(tmp_path):
    async with living(tmp_path) as life:
        life.machine.live = replace(life.machine.live, on_poweroff="restart")
        life.qmp.event("SHUTDOWN", guest=True, reason="guest-shutdown")
        await life.ran("system_reset", "cont")
        assert not life.ends
        life.qmp.event("SHUTDOWN", guest=False, reason="host-signal")
        assert await life.ended() is Shutoff.SHUTDOWN


@pytest.mark.parametrize(
    ("policies", "reboot", "restarts"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"on_reboot": "destroy"}, True, False),
        ({"on_reboot": "preserve"}, True, False),
        ({"on_poweroff": "restart"}, False, True),
        ({"on_poweroff": "preserve"}, False, False),
    ],
)
async def test_what_a_guest_is_asked_for_follows_the_definition(
    tmp_path, policies, reboot, restarts
):
    async with living(tmp_path) as life:
        life.machine.live = replace(life.machine.live, **policies)
        assert life.machine.restarts(reboot=reboot) is restarts


@pytest.mark.parametrize(("action", "state"), [("pause", State.PAUSED), ("reset", State.RUNNING)])
async def test_a_watchdog_is_told_and_pauses_only_when_it_does(tmp_path, action, state):
    async with living(tmp_path) as life:
        life.qmp.event("WATCHDOG", action=action)
        await life.heard("WATCHDOG")
        assert life.kinds() == ["watchdog"]
        assert life.machine.state is state


@pytest.mark.parametrize(("action", "state"), [("stop", State.PAUSED), ("report", State.RUNNING)])
async def test_an_io_error_is_told_and_pauses_only_when_it_does(tmp_path, action, state):
    async with living(tmp_path) as life:
        life.qmp.event("BLOCK_IO_ERROR", action=action, device="virtio-disk0", reason="nospace")
        await life.heard("BLOCK_IO_ERROR")
        assert life.kinds() == ["io-error"]
        assert life.machine.state is state


async def test_smaller_news_are_handed_on(tmp_path):
    async with living(tmp_path) as life:
        life.qmp.event("RTC_CHANGE", offset=5)
        life.qmp.event("BALLOON_CHANGE", actual=1 << 20)
        life.qmp.event("DEVICE_DELETED", device="net0")
        life.qmp.event("VSERPORT_CHANGE", id="channel0", open=True)
        life.qmp.event("RESET", guest=True)
        await life.heard("RESET")
        assert life.kinds() == [
            "rtc-change", "balloon-change", "device-removed", "agent-lifecycle", "reboot",
        ]  # fmt: skip
        assert life.machine.balloon_kib == 1024
        assert life.machine.agent_connected


async def test_destroy_is_sigterm_and_tells_it(tmp_path):
    async with living(tmp_path) as life:
        await life.machine.end(Shutoff.DESTROYED)
        assert life.process.signals == [15]
        assert life.ends == [Shutoff.DESTROYED]
        assert life.lifecycle() == [(Lifecycle.STOPPED, 1)]
        assert life.machine.monitor is None
        with pytest.raises(OperationInvalid, match="not running"):
            await life.machine.reset()


async def test_a_qemu_deaf_to_sigterm_is_killed(tmp_path):
    async with living(tmp_path, deaf=True) as life:
        await life.machine.end(Shutoff.DESTROYED)
        assert life.process.signals == [15, 9]


async def test_a_stopped_qemu_is_killed_at_once(tmp_path):
    async with living(tmp_path, deaf=True) as life:
        life.process.doing = "stopped (T)"
        await life.machine.end(Shutoff.DESTROYED)
        assert life.process.signals == [9]


async def test_graceful_refuses_to_kill_and_the_guest_runs_on(tmp_path):
    async with living(tmp_path, deaf=True) as life:
        with pytest.raises(OperationTimeout, match="--graceful"):
            await life.machine.end(Shutoff.DESTROYED, graceful=True)
        assert life.process.signals == [15]
        await life.machine.reset()


async def test_a_hanging_monitor_does_not_hold_destroy(tmp_path):
    async with living(tmp_path) as life:
        life.qmp.answers["stop"] = HANG
        pausing = asyncio.create_task(life.machine.pause())
        await asyncio.sleep(0.05)
        await life.machine.end(Shutoff.DESTROYED)
        with pytest.raises(Exception, match="monitor ended"):
            await pausing


async def test_a_qemu_that_dies_by_itself_is_a_crash_with_its_signal_in_the_log(tmp_path):
    async with living(tmp_path) as life:
        life.process.end(Exit(None, 11))
        assert await life.ended() is Shutoff.CRASHED
        assert life.lifecycle() == [(Lifecycle.STOPPED, 2)]
        text = life.log.read_text()
        assert "killed by signal 11 (SIGSEGV)" in text
        assert "shutting down, reason=crashed" in text


async def test_a_monitor_that_closes_on_a_live_qemu_ends_it(tmp_path):
    async with living(tmp_path) as life:
        life.qmp.close()
        assert await life.ended() is Shutoff.CRASHED
        assert 9 in life.process.signals


async def test_a_failed_release_is_no_hang(tmp_path):
    async with living(tmp_path) as life:

        async def broken() -> None:
            raise OSError(5, "Input/output error")

        life.machine.release = broken
        await life.machine.end(Shutoff.DESTROYED)
        assert life.ends == [Shutoff.DESTROYED]


async def test_taint_is_noted_once(tmp_path):
    async with living(tmp_path) as life:
        life.machine.taint("custom-monitor")
        life.machine.taint("custom-monitor")
        assert life.machine.tainted == ("custom-monitor",)
        assert life.log.read_text().count("Domain id=3 is tainted: custom-monitor") == 1


@pytest.mark.parametrize(
    ("status", "before", "after"),
    [
        ("running", (State.RUNNING, Running.UNPAUSED), (State.RUNNING, Running.UNPAUSED)),
        ("running", (State.PAUSED, Paused.USER), (State.RUNNING, Running.BOOTED)),
        ("paused", (State.PAUSED, Paused.USER), (State.PAUSED, Paused.USER)),
        ("paused", (State.RUNNING, Running.BOOTED), (State.PAUSED, Paused.UNKNOWN)),
        ("io-error", (State.RUNNING, Running.BOOTED), (State.PAUSED, Paused.IOERROR)),
        ("watchdog", (State.RUNNING, Running.BOOTED), (State.PAUSED, Paused.WATCHDOG)),
        ("suspended", (State.RUNNING, Running.BOOTED), (State.PMSUSPENDED, 0)),
    ],
)
async def test_resync_takes_qemus_word_for_the_state(tmp_path, status, before, after):
    async with living(tmp_path) as life:
        life.machine.state, life.machine.reason = before
        life.qmp.answers["query-status"] = {"status": status}
        await resync(life.machine)
        assert (life.machine.state, life.machine.reason) == after


async def test_resync_ends_a_guest_that_shut_down_meanwhile(tmp_path):
    async with living(tmp_path) as life:
        life.qmp.answers["query-status"] = {"status": "shutdown"}
        with pytest.raises(Exception, match="ended while"):
            await resync(life.machine)
        assert life.ends == [Shutoff.SHUTDOWN]


async def test_a_failed_reset_after_a_reboot_ends_the_guest(tmp_path):
    async with living(tmp_path) as life:
        life.qmp.answers["system_reset"] = Refused("GenericError", "no")
        await life.machine.power_down(reboot=True)
        life.qmp.event("SHUTDOWN", guest=True)
        assert await life.ended() is Shutoff.CRASHED


async def test_without_an_agent_the_agent_is_refused_by_name(tmp_path):
    async with living(tmp_path) as life:
        with pytest.raises(agent.AgentNotConfigured, match="not configured"):
            await life.machine.ask_agent({"execute": "guest-ping"}, timeout_s=1)
        life.machine.agent_path = str(tmp_path / "agent")
        with pytest.raises(agent.AgentNotReady, match="not connected"):
            await life.machine.ask_agent({"execute": "guest-ping"}, timeout_s=1)
