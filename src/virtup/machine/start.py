"""The start of a guest, step by step: each step is timed, has its undo, and fails with its name.

prepare -> exec -> monitor -> negotiate -> configure -> cont. Definitions come here completed; a
failure raises `StepFailed` after everything was undone in the reverse order.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from virtup.errors import VirtError
from virtup.host import layout as layouts
from virtup.host import link, ports, tap
from virtup.host.accounts import Account
from virtup.host.clock import Clock
from virtup.host.layout import Layout
from virtup.host.logfile import GuestLog
from virtup.host.ownership import Ledger
from virtup.host.process import Exit, Process, SpawnError, spawn
from virtup.machine import files
from virtup.machine.attempts import Step
from virtup.machine.failure import StepFailed
from virtup.machine.monitor import Monitor, MonitorFailed, open_monitor
from virtup.machine.settings import Settings
from virtup.model.domain import Domain
from virtup.model.evidence import Evidence
from virtup.qemu.argv import CommandLine, build
from virtup.qemu.capabilities import Capabilities
from virtup.qemu.runtime import Runtime

EXIT_GRACE_S = 0.25
"""How long to wait for the end of a QEMU whose monitor closed: it is usually dying."""

KILL = 9


@dataclass
class Launch:
    """One start under way: what it was given, and what its steps made.

    ``undo`` holds the reverse of every step that held; a start that fails runs it, one that
    succeeds hands it to the machine.
    """

    domain: Domain
    caps: Capabilities
    layout: Layout
    settings: Settings
    account: Account | None
    ledger: Ledger
    clock: Clock
    id: int
    paused: bool
    host: dict[str, str]
    reserved_ports: set[int]
    undo: AsyncExitStack = field(default_factory=AsyncExitStack)
    steps: list[Step] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    taps: dict[str, tap.Tap] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    vnc_ports: dict[str, int] = field(default_factory=dict)
    close_after_exec: list[socket.socket] = field(default_factory=list)
    monitor_path: str = ""
    agent_path: str = ""
    monitor_fd: int = -1
    monitor_socket: socket.socket | None = None
    log: GuestLog | None = None
    command: CommandLine | None = None
    process: Process | None = None
    monitor: Monitor | None = None

    @property
    def short_name(self) -> str:
        """The id and the head of the name, as libvirt names per-guest directories."""
        return f"{self.id}-{self.domain.name[:20]}"

    def evidence(self, phase: str, **more: Any) -> Evidence:
        """Return what is known about this start, for a failure in *phase*."""
        account = self.account
        known = Evidence(
            phase=phase,
            argv=self.command.argv if self.command else (),
            stderr=self.log.words() if self.log is not None else "",
            emulator=self.domain.devices.emulator or "",
            pid=self.process.pid if self.process else None,
            user=account.name if account else "",
            uid=account.uid if account else os.getuid(),
            gids=account.groups if account else tuple(os.getgroups()),
            guest=self.domain.name,
            uuid=self.domain.uuid,
        )
        return replace(known, **more)


async def start(launch: Launch) -> None:
    """Run the steps; *launch* then holds a QEMU that runs (or is paused, if so asked).

    Raises StepFailed when a step did not hold and CancelledError when the start was given up;
    either way QEMU is gone and everything was given back.
    """
    try:
        for name, step in STEPS:
            await _timed(launch, name, step)
    except BaseException:
        await launch.undo.aclose()
        raise


async def _timed(
    launch: Launch, name: str, step: Callable[[Launch], Awaitable[None]]
) -> None:
    began = launch.clock.monotonic()
    error = ""
    try:
        await step(launch)
    except StepFailed as failed:
        error = failed.message
        raise
    except VirtError as failed:
        error = failed.message
        raise StepFailed(failed.message, launch.evidence(name), failed) from failed
    except OSError as failed:
        error = _os_message(failed)
        path = str(failed.filename or "")
        raise StepFailed(error, launch.evidence(name, errno=failed.errno, path=path)) from failed
    finally:
        launch.steps.append(Step(name, (launch.clock.monotonic() - began) * 1000, error))


def _os_message(error: OSError) -> str:
    what = f"cannot access '{error.filename}': " if error.filename else ""
    return f"{what}{error.strerror or error}"


# -- prepare -----------------------------------------------------------------------------------


async def _prepare(launch: Launch) -> None:
    """Make directories, sockets and taps, and hand the guest's files to QEMU's user."""
    _make_log(launch)
    _make_directories(launch)
    _listen_monitor(launch)
    _listen_channels(launch)
    _choose_ports(launch)
    _open_taps(launch)
    await _hand_over_files(launch)


def _make_log(launch: Launch) -> None:
    log = GuestLog(
        f"{launch.layout.log_dir}/{launch.domain.name}.log",
        fifo=f"{launch.layout.state_dir}/{launch.domain.name}.stderr",
        max_bytes=launch.settings.log_max_bytes,
        backups=launch.settings.log_backups,
        clock=launch.clock,
    )
    log.open()
    launch.log = log
    launch.undo.callback(log.close)


def _make_directories(launch: Launch) -> None:
    base = f"{launch.layout.lib_dir}/domain-{launch.short_name}"
    channels = f"{launch.layout.channel_dir}/{launch.short_name}"
    for path in (base, channels):
        layouts.guest_dir(path, launch.account)
        launch.directories.append(path)
        launch.undo.callback(layouts.remove_guest_dir, path)
    layouts.write_master_key(f"{base}/master-key.aes", launch.account)
    launch.monitor_path = f"{base}/monitor.sock"


def _listen_monitor(launch: Launch) -> None:
    """Bind the monitor's socket and connect to it: QEMU inherits the listening end."""
    server = link.listen(launch.monitor_path, mode=0o600, backlog=1)
    launch.close_after_exec.append(server)
    launch.undo.callback(server.close)
    launch.monitor_fd = server.fileno()
    client = link.connect(launch.monitor_path)
    launch.undo.callback(client.close)
    launch.monitor_socket = client


def _listen_channels(launch: Launch) -> None:
    for channel in files.listening_channels(launch.domain):
        path = channel.path or (
            f"{launch.layout.channel_dir}/{launch.short_name}/{channel.target}"
        )
        server = link.listen(path, mode=0o600, backlog=1)
        launch.close_after_exec.append(server)
        launch.undo.callback(link.remove, path)
        launch.undo.callback(server.close)
        launch.channels[channel.alias] = server.fileno()
        launch.domain = files.with_channel_path(launch.domain, channel.alias, path)
        if channel.is_agent:
            launch.agent_path = path
