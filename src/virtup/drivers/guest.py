"""One guest as clients see it: its definition, the machine while it runs, and what may be done."""

from __future__ import annotations

import asyncio
import contextlib
import uuid as uuids
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

from virtup.errors import (
    AgentUnresponsive,
    Code,
    DomainNotFound,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    OperationTimeout,
    OperationUnsupported,
)
from virtup.host.console import Console
from virtup.host.node import cpu_time_ns, rss_kib
from virtup.machine import agent, files
from virtup.machine.events import DomainRef
from virtup.machine.jobs import NO_JOB, Job, JobType
from virtup.machine.life import Machine
from virtup.machine.monitor import CommandFailed
from virtup.machine.states import Paused, Shutoff, State
from virtup.model.domain import Domain, format_domain
from virtup.model.domain.devices.character import Character
from virtup.model.domain.inactive import as_definition
from virtup.model.domain.migratable import as_migratable

if TYPE_CHECKING:
    from virtup.drivers.domains import Domains

START_PAUSED, START_AUTODESTROY, START_BYPASS_CACHE, START_FORCE_BOOT = 1, 2, 4, 8
START_VALIDATE, START_RESET_NVRAM = 16, 32
XML_SECURE, XML_INACTIVE, XML_UPDATE_CPU, XML_MIGRATABLE = 1, 2, 4, 8
POWER_ACPI, POWER_AGENT = 1, 2
DESTROY_GRACEFUL = 1
CONSOLE_FORCE = 1
START_KNOWN = 1 | 2 | 4 | 8 | 16 | 32
SAVE_KNOWN = 1 | 2 | 4
JOB_STATS_COMPLETED, JOB_STATS_KEEP = 1, 2
AGENT_BLOCK, AGENT_DEFAULT = -2, -1
MONITOR_HMP = 1
STAT_ACTUAL, STAT_RSS = 6, 7
TIME_SYNC = 1
TAINTS = {
    "custom-argv": "custom configuration parameters specified",
    "custom-monitor": "custom monitor control commands issued",
    "custom-ga-command": "custom guest agent control commands issued",
}
"""What libvirt says of a tainted guest, by the word that its log has for it."""


class Guest:
    """A guest that is defined, runs, or both. Reading never waits for QEMU or for another call.

    A call that changes the guest holds its job; a second one waits for it, bounded, and says who
    holds it when it gives up. ``destroy`` waits for nobody.
    """

    def __init__(self, domains: Domains, domain: Domain, *, persistent: bool) -> None:
        self._domains = domains
        self.definition: Domain = domain
        self.as_stored = False
        """Whether the definition was read from disk, and lacks what its writer did not know."""
        self.persistent = persistent
        self.machine: Machine | None = None
        self.starting: asyncio.Task[Machine] | None = None
        self.starting_id = -1
        self.autostart = False
        self.autostart_once = False
        self.start_notes: tuple[str, ...] = ()
        self._off = Shutoff.UNKNOWN
        self._lock = asyncio.Lock()
        self._job = ""
        self._last_job: Job | None = None

    # -- what it is ----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The guest's name."""
        return self.definition.name

    @property
    def uuid(self) -> bytes:
        """The guest's UUID, 16 bytes."""
        return uuids.UUID(self.definition.uuid).bytes

    @property
    def id(self) -> int:
        """The id of the running guest, -1 when it is off."""
        if self.machine is not None:
            return self.machine.id
        return self.starting_id if self.starting is not None else -1

    @property
    def ref(self) -> DomainRef:
        """How libvirt names the guest on the wire."""
        return DomainRef(self.name, self.uuid, self.id)

    @property
    def active(self) -> bool:
        """Whether the guest has a QEMU, or is about to."""
        return self.machine is not None or self.starting is not None

    @property
    def updated(self) -> bool:
        """Whether the definition changed since the guest started."""
        return False

    @property
    def has_managed_save(self) -> bool:
        """Whether a managed save waits for the next start."""
        return self._domains.saving.saves.has(self.name)

    def state(self) -> tuple[int, int]:
        """Return ``virDomainState`` and its reason."""
        if self.machine is not None:
            return int(self.machine.state), int(self.machine.reason)
        if self.starting is not None:
            return int(State.PAUSED), int(Paused.STARTING_UP)
        return int(State.SHUTOFF), int(self._off)

    def info(self) -> dict[str, int]:
        """Return what ``virDomainGetInfo`` tells: memory in KiB, CPU time in ns."""
        machine = self.machine
        domain = machine.live if machine is not None else self.definition
        memory = domain.current_memory_kib or domain.memory_kib
        cpu_time = 0
        if machine is not None:
            cpu_time = cpu_time_ns(machine.process.pid) or 0
            if machine.balloon_kib is not None:
                memory = machine.balloon_kib
        return {
            "state": self.state()[0],
            "maxMem": domain.memory_kib,
            "memory": memory,
            "nrVirtCpu": (domain.vcpu.current if domain.vcpu else None) or domain.vcpus,
            "cpuTime": cpu_time,
        }

    def memory_stats(self) -> dict[int, int]:
        """Return what ``virDomainMemoryStats`` tells, in KiB: the balloon (6), QEMU's resident (7)."""
        machine = self.running()
        found = {STAT_ACTUAL: self.info()["memory"]}
        resident = rss_kib(machine.process.pid)
        return found if resident is None else {**found, STAT_RSS: resident}

    def os_type(self) -> str:
        """Return the OS type of the definition, ``hvm``."""
        return self.definition.os.type

    def xml(self, flags: int) -> str:
        """Return the guest's XML: the live one while it runs, unless INACTIVE is asked for.

        MIGRATABLE is what another host needs of it, so it has the secrets as well.
        """
        secure = bool(flags & XML_SECURE)
        inactive = bool(flags & XML_INACTIVE)
        stored = self.machine is None or (inactive and self.persistent)
        if flags & XML_MIGRATABLE:
            asked = self.definition if stored else as_definition(self.running().live)
            return format_domain(as_migratable(asked), secure=True, inactive=True)
        if self.machine is None or stored:
            return format_domain(self.definition, secure=secure, inactive=True)
        return format_domain(
            self.machine.live,
            secure=secure,
            inactive=inactive,
            id=None if inactive else self.machine.id,
        )

    def messages(self, _flags: int) -> list[str]:
        """Return what should be known about the running guest: what taints it."""
        if self.machine is None:
            return []
        return [f"tainted: {TAINTS.get(word, word)}" for word in self.machine.tainted]

    # -- acts ----------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def job(self, what: str) -> AsyncIterator[None]:
        """Hold the guest for one changing call.

        Raises OperationTimeout, which names who holds it, and DomainNotFound when it was
        undefined or ended for good meanwhile.
        """
        await self.acquire(what)
        try:
            if not self._domains.knows(self):
                raise DomainNotFound(f"no domain with matching name '{self.name}'")
            yield
        finally:
            self.release()

    async def acquire(self, what: str) -> None:
        """Hold the guest until :meth:`release`; who waited must ask whether it is still known."""
        timeout_s = self._domains.settings.job_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._lock.acquire()
        except TimeoutError:
            raise OperationTimeout(
                f"cannot acquire state change lock of '{self.name}' within {timeout_s:g} s "
                f"(held by '{self._job}')"
            ) from None
        self._job = what

    def release(self) -> None:
        """Let the next call have the guest, which is forgotten if nothing is left of it."""
        self._job = ""
        self._lock.release()
        self._domains.drop_if_gone(self)

    @property
    def held(self) -> bool:
        """Whether a changing call has the guest now."""
        return self._lock.locked()

    def running(self) -> Machine:
        """Return the machine, or refuse: the guest is off."""
        if self.machine is None:
            raise OperationInvalid("domain is not running")
        return self.machine

    async def start(self, flags: int, client_id: int | None) -> None:
        """Start the defined guest; returns when it runs, or raises with the findings.

        A managed save is loaded, unless FORCE_BOOT gives it up.
        """
        refuse_flags(flags, START_KNOWN)
        async with self.job("start"):
            if self.active:
                raise OperationInvalid("domain is already running")
            if flags & START_FORCE_BOOT:
                await self._domains.give_up_state(self)
            await self._domains.start_defined(self, flags, client_id)

    async def destroy(self, flags: int) -> None:
        """End the guest at once; a start under way is ended too."""
        refuse_flags(flags, DESTROY_GRACEFUL)
        starting = self.starting
        if self.machine is None and starting is not None:
            starting.cancel()
            await asyncio.wait([starting])
            return
        await self.running().end(Shutoff.DESTROYED, graceful=bool(flags & DESTROY_GRACEFUL))

    async def shutdown(self, flags: int) -> None:
        """Ask the guest to shut down: by its agent when it has one, else by ACPI."""
        await self._power(flags, reboot=False)

    async def reboot(self, flags: int) -> None:
        """Ask the guest to reboot: by its agent when it has one, else by ACPI."""
        await self._power(flags, reboot=True)

    async def _power(self, flags: int, *, reboot: bool) -> None:
        refuse_flags(flags, POWER_ACPI | POWER_AGENT)
        async with self.job("reboot" if reboot else "shutdown"):
            machine = self.running()
            reboot = machine.restarts(reboot=reboot)
            may_agent = bool(flags & POWER_AGENT) or not flags
            may_acpi = bool(flags & POWER_ACPI) or not flags
            if may_agent and (machine.agent_ready or not may_acpi):
                try:
                    await machine.shut_down_by_agent(restart=reboot)
                except (AgentUnresponsive, agent.AgentRefused, agent.AgentNotConfigured):
                    if not may_acpi:
                        raise
                else:
                    return
            await machine.power_down(reboot=reboot)

    async def reset(self, flags: int) -> None:
        """Reset the guest without asking it."""
        refuse_flags(flags, 0)
        async with self.job("reset"):
            await self.running().reset()

    async def suspend(self) -> None:
        """Stop the guest's vCPUs."""
        async with self.job("suspend"):
            await self.running().pause()

    async def resume(self) -> None:
        """Let the guest's vCPUs run again."""
        async with self.job("resume"):
            await self.running().resume()

    async def save(self, path: str, xml: str | None, flags: int, format: str | None = None) -> None:
        """Save the running guest to *path* and end it; durable when this returns."""
        refuse_flags(flags, SAVE_KNOWN)
        async with self.job("save"):
            await self._domains.saving.to_file(self.running(), path, xml, flags, format)

    async def managed_save(self, flags: int) -> None:
        """Save the running guest for its next start and end it; durable when this returns."""
        refuse_flags(flags, SAVE_KNOWN)
        async with self.job("managedsave"):
            await self._domains.saving.managed(self, flags)

    async def managed_save_remove(self, flags: int) -> None:
        """Give the managed save up; none there is no error."""
        refuse_flags(flags, 0)
        async with self.job("managedsave-remove"):
            await self._domains.give_up_state(self)

    async def managed_save_xml(self, flags: int) -> str:
        """Return the definition in the managed save."""
        return await self._domains.saving.xml(self._managed_path(), flags)

    async def managed_save_define(self, xml: str, flags: int) -> None:
        """Change the definition in the managed save."""
        async with self.job("managedsave-define"):
            await self._domains.saving.define(self._managed_path(), xml, flags)

    def _managed_path(self) -> str:
        if not self.has_managed_save:
            raise OperationInvalid("domain does not have managed save image")
        return self._domains.saving.saves.path(self.name)

    def job_info(self) -> dict[str, int]:
        """Return how far the guest's job is, as ``virDomainGetJobInfo`` tells it."""
        job = self.running().job
        return dict(NO_JOB) if job is None else job.info(self._domains.now_ms())

    def job_stats(self, flags: int) -> tuple[int, dict[str, Any]]:
        """Return type and statistics of the guest's job, or of the last one when so asked.

        The last one is told once, unless it is to be kept.
        """
        refuse_flags(flags, JOB_STATS_COMPLETED | JOB_STATS_KEEP)
        if flags & JOB_STATS_COMPLETED:
            job = self._completed(keep=bool(flags & JOB_STATS_KEEP))
        else:
            job = self.running().job
        if job is None:
            return 0, {}
        return int(job.type), job.stats(self._domains.now_ms())

    def _completed(self, *, keep: bool) -> Job | None:
        """Return the job that came to its end last, also that of a guest that is off by it."""
        job = self._last_job if self.machine is None else self.machine.last_job
        if not keep:
            self._last_job = None
            if self.machine is not None:
                self.machine.last_job = None
        return job if job is not None and job.type is JobType.COMPLETED else None

    async def abort_job(self, flags: int) -> None:
        """Have the guest's job end without its result; the guest runs on."""
        refuse_flags(flags, 0)
        job = self.running().job
        if job is None:
            raise OperationInvalid("no job is active on the domain")
        job.aborted.set()

    async def undefine(self, flags: int) -> None:
        """Forget the definition; a running guest becomes transient."""
        async with self.job("undefine"):
            if not self.persistent:
                raise OperationInvalid("cannot undefine transient domain")
            await self._domains.forget(self, flags)

    async def set_autostart(self, autostart: bool) -> None:
        """Have the guest started at boot, or not."""
        async with self.job("autostart"):
            if not self.persistent:
                raise OperationInvalid("cannot set autostart for transient domain")
            if autostart != self.autostart:
                mark = partial(self._domains.store.set_autostart, self.name, autostart)
                await self._domains.kept(mark, self.definition)
                self.autostart = autostart

    async def set_autostart_once(self, once: bool) -> None:
        """Have the guest started at the next boot alone, or not."""
        async with self.job("autostart"):
            if not self.persistent:
                raise OperationInvalid("cannot set autostart for transient domain")
            if once != self.autostart_once:
                mark = partial(self._domains.store.set_autostart_once, self.name, once)
                await self._domains.kept(mark, self.definition)
                self.autostart_once = once

    async def open_console(self, device: str | None, flags: int) -> Console:
        """Open the guest's console, the first one or the device with that alias."""
        machine = self.running()
        found = _console(machine.live, device)
        path = files.first_source(found).path
        if found.type not in {"pty", "unix"} or not path:
            raise OperationUnsupported(
                f"character device '{found.alias}' of type '{found.type}' is not a pty or a "
                "unix socket: it cannot be opened as a console"
            )
        return self._domains.consoles.open(path, force=bool(flags & CONSOLE_FORCE))

    async def monitor_command(self, command: str, flags: int) -> str:
        """Pass a command to QEMU's monitor and return its reply; the guest is tainted by it."""
        refuse_flags(flags, MONITOR_HMP)
        machine = self.running()
        machine.taint("custom-monitor")
        if flags & MONITOR_HMP:
            return await machine.running.hmp(command)
        return await machine.running.raw(command)

    async def agent_command(self, command: str, wait_s: int, flags: int) -> str | None:
        """Pass a command to the guest agent and return its reply; *wait_s* as libvirt has it."""
        refuse_flags(flags, 0)
        if wait_s < AGENT_BLOCK:
            raise InvalidArgument(f"timeout '{wait_s}' is less than the minimum '{AGENT_BLOCK}'")
        machine = self.running()
        machine.require_agent()
        request = agent.parse_command(command)
        machine.taint("custom-ga-command")
        limit = {AGENT_BLOCK: None, AGENT_DEFAULT: agent.SYNC_TIMEOUT_S}.get(wait_s, wait_s)
        return agent.to_text(await machine.ask_agent(request, timeout_s=limit))

    async def set_time(self, seconds: int, nseconds: int, flags: int) -> None:
        """Have the guest agent set the guest's clock; with SYNC to what its own RTC says.

        QEMU forgets the ticks of the RTC that it owes the guest, which would set it forward again.
        """
        refuse_flags(flags, TIME_SYNC)
        async with self.job("domtime"):
            machine = self.running()
            command: dict[str, Any] = {"execute": "guest-set-time"}
            if not flags & TIME_SYNC:
                command["arguments"] = {"time": seconds * 10**9 + nseconds}
            await machine.ask_agent(command, timeout_s=self._domains.settings.agent_timeout_s)
            try:
                await machine.running.execute("rtc-reset-reinjection")
            except CommandFailed as error:
                if error.kind != "CommandNotFound":  # only some machines owe ticks
                    raise

    # -- what the registry tells it ------------------------------------------------------------

    def ended(self, why: Shutoff) -> None:
        """Note that the machine is gone."""
        self._last_job = self.machine.job if self.machine is not None else None
        self.machine = None
        self._off = why

    def redefine(self, domain: Domain) -> None:
        """Take a new definition; a running machine keeps the one it started with."""
        self.definition = domain
        self.as_stored = False
        self.persistent = True
        if self.machine is not None:
            self.machine.set_persistent(True)


class ConsoleMissing(OperationFailed):
    """The guest has no console."""

    code, template = Code.INTERNAL_ERROR, "internal error: {message}"


def _console(domain: Domain, alias: str | None) -> Character:
    """Return the character device *alias*, or the guest's first console."""
    if alias:
        for device in files.characters(domain):
            if device.alias == alias:
                return device
        raise InvalidArgument(f"cannot find character device '{alias}'")
    for device in (*domain.devices.console, *domain.devices.serial):
        return device
    raise ConsoleMissing("cannot find default console device")


def refuse_flags(flags: int, known: int) -> None:
    """Refuse flags that are not understood rather than ignore them."""
    if flags & ~known:
        raise InvalidArgument(f"unsupported flags (0x{flags & ~known:x})")
