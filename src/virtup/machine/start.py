"""The start of a guest, step by step: each step is timed, has its undo, and fails with its name.

prepare -> exec -> monitor -> negotiate -> configure -> cont. Definitions come here completed; a
failure raises `StepFailed` after everything was undone in the reverse order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from virtup.errors import OperationFailed, OperationTimeout, VirtError
from virtup.host import affinity, link, output, ports, save_file, tap
from virtup.host import layout as layouts
from virtup.host.accounts import Account, identity
from virtup.host.clock import Clock
from virtup.host.layout import Layout
from virtup.host.logfile import GuestLog
from virtup.host.ownership import Ledger
from virtup.host.process import Exit, Process, SpawnError, spawn
from virtup.host.save_file import Image
from virtup.machine import demands, files
from virtup.machine.attempts import Step
from virtup.machine.demands import Dropped
from virtup.machine.failure import StepFailed
from virtup.machine.jobs import Job, Operation
from virtup.machine.monitor import CommandFailed, Monitor, MonitorFailed, Silence, open_monitor
from virtup.machine.save import restorer
from virtup.machine.settings import Settings
from virtup.model.domain import Domain
from virtup.model.evidence import Evidence
from virtup.model.save_image import ImageDamaged
from virtup.qemu import settle
from virtup.qemu.argv import CommandLine, build
from virtup.qemu.capabilities import Capabilities
from virtup.qemu.runtime import Runtime

EXIT_GRACE_S = 0.25
"""How long to wait for the end of a QEMU whose monitor closed: it is usually dying."""

KIB_OF_GIB = 1 << 20

KILL = 9
KILL_WAIT_S = 30.0
"""How long a killed QEMU may stay (in the kernel, on a dead disk) before it is given up on."""

log = logging.getLogger(__name__)


@dataclass
class Launch:
    """One start under way: what it was given, and what its steps made.

    ``undo`` holds the reverse of every step that held; a start that fails runs it, one that
    succeeds hands it to the machine. ``note`` keeps on disk what the start takes, for a daemon
    that has to undo it after this one's death; ``forget`` removes that, and ``keep`` makes it the
    record of a guest that runs. ``unused`` says that the image is marked as restored although no
    instruction of the guest ran: QEMU refused to let it run.
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
    facts: Mapping[str, str]
    reserved_ports: set[int]
    note: Callable[[Launch], None]
    forget: Callable[[Launch], None]
    keep: Callable[[Launch], None] = lambda _launch: None
    image: Image | None = None
    unused: bool = False
    reset_nvram: bool = False
    memory_dir: str = ""
    undo: AsyncExitStack = field(default_factory=AsyncExitStack)
    steps: list[Step] = field(default_factory=list)
    taps: dict[str, tap.Tap] = field(default_factory=dict)
    vhosts: dict[str, int] = field(default_factory=dict)
    log_fds: dict[str, int] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    char_fds: dict[str, int] = field(default_factory=dict)
    outputs: list[int] = field(default_factory=list)
    monitor_fd: int = -1
    close_after_exec: list[socket.socket] = field(default_factory=list)
    agent_path: str = ""
    monitor_socket: socket.socket | None = None
    log: GuestLog | None = None
    command: CommandLine | None = None
    process: Process | None = None
    monitor: Monitor | None = None

    @property
    def short_name(self) -> str:
        """The id and the head of the name, as libvirt names per-guest directories."""
        return f"{self.id}-{self.domain.name[:20]}"

    @property
    def lib_dir(self) -> str:
        """The guest's own directory, QEMU's home."""
        return f"{self.layout.lib_dir}/domain-{self.short_name}"

    @property
    def channel_dir(self) -> str:
        """The directory of the guest's channels."""
        return f"{self.layout.channel_dir}/{self.short_name}"

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories that are made for the guest and go with it; QEMU's home first."""
        made = (self.lib_dir, self.channel_dir)
        return (*made, self.memory_dir) if self.memory_dir else made

    def find_memory(self) -> None:
        """Choose the guest's directory on the hugetlbfs that its memory is of, if it is of one.

        Raises ConfigUnsupported when no such pages are to be had.
        """
        root = demands.hugetlbfs(self.domain)
        if root:
            self.memory_dir = f"{root}/{self.layout.name}/qemu/{self.short_name}"

    @property
    def monitor_path(self) -> str:
        """The name of the monitor's socket."""
        return f"{self.lib_dir}/monitor.sock"

    def close_outputs(self) -> None:
        """Close our own of the descriptors that QEMU inherits: files to write to, vhost queues."""
        while self.outputs:
            output.close(self.outputs.pop())

    def evidence(self, phase: str, **more: Any) -> Evidence:
        """Return what is known about this start, for a failure in *phase*."""
        uid, user, gids = identity(self.account)
        known = Evidence(
            phase=phase,
            argv=self.command.argv if self.command else (),
            stderr=self.log.words() if self.log is not None else "",
            emulator=self.domain.devices.emulator or "",
            pid=self.process.pid if self.process else None,
            user=user,
            uid=uid,
            gids=gids,
            guest=self.domain.name,
            uuid=str(self.domain.uuid),
            pools=self.layout.pool_places,
        )
        return replace(known, **more)


async def start(launch: Launch, judge: Callable[[StepFailed], Awaitable[None]]) -> None:
    """Run the steps; *launch* then holds a QEMU that runs (or is paused, if so asked).

    Raises StepFailed when a step did not hold, after *judge* looked into it, and CancelledError when the start was given up;
    either way QEMU is gone and everything was given back.
    """
    try:
        for name, step in STEPS:
            await _timed(launch, name, step)
    except StepFailed as failed:
        try:
            # before the files are given back and the sockets gone: they would look different
            await judge(failed)
        finally:
            await _undo(launch)
        raise
    except BaseException:
        await _undo(launch)
        raise


async def _undo(launch: Launch) -> None:
    """Undo all that was done, to the end, whoever gives up waiting for it meanwhile."""
    began = launch.clock.monotonic()
    undoing = asyncio.ensure_future(launch.undo.aclose())
    while not undoing.done():
        try:
            await asyncio.shield(undoing)
        except asyncio.CancelledError:
            continue
        except (OSError, VirtError) as error:
            log.error("not all that '%s' took is given back: %s", launch.domain.name, error)
    if launch.unused and launch.image is not None:
        await asyncio.to_thread(save_file.mark_unused, launch.image)
    launch.forget(launch)
    launch.steps.append(Step("undo", (launch.clock.monotonic() - began) * 1000))


async def _timed(launch: Launch, name: str, step: Callable[[Launch], Awaitable[None]]) -> None:
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
    launch.note(launch)
    _make_log(launch)
    demands.check_cpus(launch.domain)
    demands.check_nodes(launch.domain)
    launch.find_memory()
    await _drop_missing(launch)
    _make_directories(launch)
    await asyncio.to_thread(demands.make_nvram, launch.domain, anew=launch.reset_nvram)
    _listen_monitor(launch)
    _listen_channels(launch)
    _open_outputs(launch)
    _choose_ports(launch)
    _open_taps(launch)
    _open_vhosts(launch)
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


async def _drop_missing(launch: Launch) -> None:
    """Go on without the images that are missing and may be, and say so in the guest's log."""
    cold = launch.image is None
    if not demands.may_drop(launch.domain, cold=cold):
        return
    launch.domain, launch.dropped = await asyncio.to_thread(
        demands.without_missing, launch.domain, cold=cold
    )
    assert launch.log is not None
    for one in launch.dropped:
        launch.log.note(str(one))
        log.warning("guest '%s': %s", launch.domain.name, one)


def _make_directories(launch: Launch) -> None:
    if launch.memory_dir:
        layouts.make_passed(os.path.dirname(launch.memory_dir))
    for path in launch.directories:
        layouts.guest_dir(path, launch.account)
        launch.undo.callback(layouts.remove_guest_dir, path)


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
    agent = files.agent_channel(launch.domain)
    for device in files.listening(launch.domain):
        path = files.socket_path(device, launch.channel_dir)
        server = link.listen(path, mode=0o600, backlog=1)
        launch.close_after_exec.append(server)
        launch.undo.callback(link.remove, path)
        launch.undo.callback(server.close)
        launch.char_fds[str(device.alias)] = server.fileno()
        launch.domain = files.with_socket(launch.domain, device.alias, path)
        if agent is not None and device.alias == agent.alias:
            launch.agent_path = path


def _open_outputs(launch: Launch) -> None:
    launch.undo.callback(launch.close_outputs)
    for device in files.characters(launch.domain):
        source = files.first_source(device)
        if device.type == "file" and source.path and str(device.alias) not in launch.char_fds:
            fd = output.open_output(source.path, append=source.append is not False)
            launch.char_fds[str(device.alias)] = fd
            launch.outputs.append(fd)
        if device.log is not None and str(device.alias) not in launch.log_fds:
            fd = output.open_output(device.log.file, append=device.log.append is not False)
            launch.log_fds[str(device.alias)] = fd
            launch.outputs.append(fd)


def _choose_ports(launch: Launch) -> None:
    """Give every display its address, and one with an automatic port one that is free."""
    settings = launch.settings
    launch.domain = files.with_listen(launch.domain, settings.vnc_listen)
    for index in files.automatic_displays(launch.domain):
        display = launch.domain.devices.graphics[index]
        address = files.address(display, settings.vnc_listen)
        try:
            port = ports.free(
                address,
                settings.vnc_port_min,
                settings.vnc_port_max,
                taken=launch.reserved_ports,
            )
        except OSError as exc:
            raise OSError(
                exc.errno, f"the VNC display cannot listen on '{address}': {exc.strerror}"
            ) from exc
        launch.reserved_ports.add(port)
        launch.undo.callback(launch.reserved_ports.discard, port)
        launch.domain = files.with_port(launch.domain, index, port)


def _open_taps(launch: Launch) -> None:
    for nic in files.taps(launch.domain):
        wanted = nic.target.dev if nic.target is not None else None
        unmanaged = nic.target is not None and nic.target.managed is False
        made = tap.open_tap(
            wanted,
            mac=str(nic.mac),
            bridge=nic.source_bridge,
            mtu=nic.mtu,
            must_exist=unmanaged,
        )
        launch.undo.callback(made.close)
        launch.taps[str(nic.alias)] = made
        launch.domain = files.with_tap(launch.domain, nic.alias, made.name)


def _open_vhosts(launch: Launch) -> None:
    for nic in launch.domain.devices.interface:
        fd = demands.open_vhost(launch.domain, nic)
        if fd is not None:
            launch.vhosts[str(nic.alias)] = fd
            launch.outputs.append(fd)


async def _hand_over_files(launch: Launch) -> None:
    """Let QEMU's user at the guest's files; what stands in its way is said by QEMU's own error."""
    account = launch.account
    if account is None or not launch.settings.dynamic_ownership:
        return
    guest = str(launch.domain.uuid)
    launch.undo.callback(launch.ledger.give_back, guest)

    def hand_over() -> None:
        # a missing one is named by QEMU's own error, with others that are missing too
        lent = [file for file in files.used(launch.domain) if file.lend]
        wants = [(file.path, file.write) for file in (*lent, *demands.below(launch.domain))]
        launch.ledger.hand_over_all(guest, wants, account)

    handing = asyncio.ensure_future(asyncio.to_thread(hand_over))
    try:
        await asyncio.shield(handing)
    except asyncio.CancelledError:
        await asyncio.wait({handing})  # a thread goes on: only then is there all to give back
        raise


# -- exec --------------------------------------------------------------------------------------


async def _exec(launch: Launch) -> None:
    """Run QEMU; its words go to the guest log."""
    log = launch.log
    assert log is not None
    run = runtime(launch)
    launch.command = build(launch.domain, launch.caps, run)
    log.starting_up(launch.command.env, launch.command.argv, launch.facts)
    try:
        launch.process = spawn(
            launch.command.argv,
            dict(launch.command.env),
            pass_fds=_inherited(launch),
            stdout=log.write_fd,
            account=launch.account,
            may_lock_memory=launch.domain.memory_backing is not None
            and launch.domain.memory_backing.locked,
        )
    except SpawnError as error:
        message = f"Cannot run QEMU binary '{error.filename}': {error.strerror}"
        raise StepFailed(
            message, launch.evidence("exec", errno=error.errno, path=str(error.filename))
        ) from error
    launch.undo.push_async_callback(_kill, launch.process)
    launch.note(launch)
    for server in launch.close_after_exec:
        server.close()
    for made in launch.taps.values():
        made.close_fd()
    launch.close_outputs()


def runtime(launch: Launch) -> Runtime:
    """Return what the command line of *launch* needs beside its definition."""
    return Runtime(
        lib_dir=launch.lib_dir,
        channel_dir=launch.channel_dir,
        monitor_fd=launch.monitor_fd,
        tap_fds=_tap_fds(launch),
        char_fds=launch.char_fds,
        log_fds=launch.log_fds,
        vhost_fds=launch.vhosts,
        host_cdroms=demands.host_cdroms(launch.domain),
        user_runtime_dir=layouts.user_runtime_dir() if launch.account is None else None,
        memory_dir=launch.memory_dir or None,
        vnc_listen=launch.settings.vnc_listen,
        sandbox=launch.settings.sandbox,
        incoming="defer" if launch.image is not None else None,
    )


def _inherited(launch: Launch) -> list[int]:
    given = (launch.char_fds, launch.log_fds, launch.vhosts, _tap_fds(launch))
    return [launch.monitor_fd, *(fd for each in given for fd in each.values())]


def _tap_fds(launch: Launch) -> dict[str, int]:
    return {alias: made.fd for alias, made in launch.taps.items()}


async def _kill(process: Process) -> None:
    process.kill(KILL)
    try:
        async with asyncio.timeout(KILL_WAIT_S):
            await process.wait()
    except TimeoutError:
        log.error("QEMU (pid %d) does not end after SIGKILL: %s", process.pid, process.describe())
    process.close()


# -- monitor -----------------------------------------------------------------------------------


async def _monitor(launch: Launch) -> None:
    """Wait for QEMU's greeting, or for its end, whichever comes first."""
    process, sock = launch.process, launch.monitor_socket
    assert process is not None
    assert sock is not None
    patience_s = launch.settings.monitor_timeout_s
    if (
        launch.memory_dir
    ):  # its pages are zeroed before the greeting: a second a GiB, as libvirt has it
        patience_s += launch.domain.memory_kib / KIB_OF_GIB
    opening = asyncio.ensure_future(open_monitor(sock, timeout_s=patience_s))
    ending = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({opening, ending}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done() and opening.exception() is None:
            launch.monitor = opening.result()
            launch.monitor.timeout_s = launch.settings.monitor_timeout_s
            launch.undo.push_async_callback(launch.monitor.close)
            return
        # of a QEMU that dies, monitor and process end a moment apart, in either order
        await asyncio.wait({ending, opening}, timeout=EXIT_GRACE_S)
        if ending.done():
            raise await _exited(launch, ending.result())
        failed = opening.exception()
        assert isinstance(failed, MonitorFailed), failed
        raise await _silent(launch, failed) from failed
    finally:
        opening.cancel()
        ending.cancel()
        await asyncio.gather(opening, ending, return_exceptions=True)


async def _exited(launch: Launch, ended: Exit, phase: str = "monitor") -> StepFailed:
    assert launch.log is not None
    await launch.log.drain()
    said = _last_error(launch.log.words()) or str(ended)
    return StepFailed(
        f"internal error: process exited while connecting to monitor: {said}",
        launch.evidence(phase, exit_status=ended.status, signal=ended.signal),
    )


def _last_error(words: str) -> str:
    """Return the last line with QEMU's own name before it, else the last line; "" for none.

    What follows such a line without a name are hints ("Is another process using ...?").
    """
    lines = [_STAMP.sub("", line) for line in words.splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("qemu")]
    return (named or lines or [""])[-1]


_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ")
"""What ``-msg timestamp=on`` puts before a line."""


async def _silent(launch: Launch, failed: MonitorFailed) -> StepFailed:
    assert launch.log is not None
    assert launch.process is not None
    await launch.log.drain()
    doing = launch.process.describe()
    return StepFailed(
        f"internal error: QEMU (pid {launch.process.pid}) runs and its monitor did not come up: "
        f"{failed.detail}",
        launch.evidence(
            "monitor",
            silence=failed.kind.value,
            waited_s=launch.settings.monitor_timeout_s,
            doing=doing,
        ),
    )


# -- configure and run -------------------------------------------------------------------------


async def _configure(launch: Launch) -> None:
    """Learn what QEMU made (ptys) and set what has no command-line option."""
    monitor = launch.monitor
    assert monitor is not None
    replies = await _alive(launch, monitor.execute("query-chardev"))
    ptys = {
        reply["label"]: reply["filename"].removeprefix("pty:")
        for reply in replies
        if str(reply.get("filename", "")).startswith("pty:")
    }
    launch.domain = files.with_ptys(launch.domain, ptys)
    launch.domain = files.with_ports(launch.domain, files.open_ports(replies))
    for command in settle.commands(launch.domain):
        # a QEMU before set-action has -no-reboot from the command line, which does the same
        if command.name != "set-action" or launch.caps.has("set-action"):
            await _alive(launch, monitor.execute(command.name, command.arguments))
    await _check_cpu(launch)
    await _pin(launch)


async def _pin(launch: Launch) -> None:
    """Put QEMU's threads on the host's CPUs that the definition gives them."""
    process, monitor = launch.process, launch.monitor
    assert process is not None
    assert monitor is not None
    pins = settle.pins(launch.domain)
    if pins.emulator:
        affinity.pin(process.pid, pins.emulator)
    if not pins.any_thread:
        return
    for one in await _alive(launch, monitor.execute("query-cpus-fast")):
        cpus = pins.vcpus.get(one["cpu-index"], pins.other_vcpus)
        affinity.pin_thread(one["thread-id"], cpus)
    for one in await _alive(launch, monitor.execute("query-iothreads")):
        number = int(one["id"].removeprefix("iothread"))
        affinity.pin_thread(one["thread-id"], pins.iothreads.get(number, pins.other_vcpus))


async def _check_cpu(launch: Launch) -> None:
    """Refuse a CPU that lacks what ``check`` has looked at: all of it, or the required features."""
    wanted = settle.checked_features(launch.domain)
    if wanted is not None and not wanted:
        return
    monitor = launch.monitor
    assert monitor is not None
    first, *_ = await _alive(launch, monitor.execute("query-cpus-fast"))
    where = {"path": first["qom-path"], "property": "unavailable-features"}
    absent = await _alive(launch, monitor.execute("qom-get", where))
    missing = [name for name in absent if wanted is None or name in wanted]
    if missing:
        raise OperationFailed(
            f"guest CPU doesn't match specification: missing features: {','.join(missing)}"
        )


async def _load(launch: Launch) -> None:
    """Load the saved state, if there is one: checked, and marked so that it never runs twice."""
    if launch.image is None:
        return
    monitor, process = launch.monitor, launch.process
    assert monitor is not None
    assert process is not None
    job = Job(Operation.RESTORE, launch.clock.monotonic() * 1000)
    try:
        await restorer.load(monitor, launch.image, job, alive=process.alive)
    except ImageDamaged as damage:
        evidence = launch.evidence("load", path=launch.image.path)
        raise StepFailed(damage.message, evidence, damage) from damage
    except VirtError as error:
        evidence = launch.evidence("load", path=launch.image.path)
        await _raise_if_dead(launch, "load")
        raise StepFailed(error.message, evidence, error) from error
    now_ns = int(launch.clock.now() * 1e9)
    await asyncio.to_thread(save_file.mark_consumed, launch.image, now_ns)


async def _cont(launch: Launch) -> None:
    """Let the vCPUs run, unless the guest is to start paused; from now on it is to be found."""
    assert launch.monitor is not None
    if not launch.paused:
        try:
            await _alive(launch, launch.monitor.execute("cont"))
        except CommandFailed:
            launch.unused = True
            raise
    launch.keep(launch)


async def _alive(launch: Launch, command: Coroutine[Any, Any, Any]) -> Any:
    """Await a monitor command; when QEMU died under it, say that rather than what the monitor saw."""
    try:
        return await command
    except OperationTimeout as error:
        await _raise_if_dead(launch, "monitor")
        what = "it greeted and did not answer a command"
        bound_s = launch.settings.monitor_timeout_s
        failed = MonitorFailed(Silence.NO_ANSWER, f"{what} within {bound_s:g} s")
        raise await _silent(launch, failed) from error
    except VirtError:
        await _raise_if_dead(launch, "monitor")
        raise


async def _raise_if_dead(launch: Launch, phase: str) -> None:
    """Raise what QEMU said when its process has ended or is about to."""
    assert launch.process is not None
    ending = asyncio.ensure_future(launch.process.wait())
    done, _ = await asyncio.wait({ending}, timeout=EXIT_GRACE_S)
    if done:
        raise await _exited(launch, ending.result(), phase) from None
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)


STEPS: tuple[tuple[str, Callable[[Launch], Awaitable[None]]], ...] = (
    ("prepare", _prepare),
    ("exec", _exec),
    ("monitor", _monitor),
    ("configure", _configure),
    ("load", _load),
    ("cont", _cont),
)
"""The steps in their order; the names are those of records, errors and ``virtup attempts``.

A record has ``probe`` before them (QEMU is asked what it can do, when that is not known), and
``diagnose``, ``undo`` and ``foresee`` (what else stands against it) after one that did not hold.
"""
