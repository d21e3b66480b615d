"""Everything between a definition and a running machine, for all guests of one daemon.

The launcher completes definitions with what QEMU can do, runs the start, keeps a record of every
attempt, and after the daemon's own restart finds the guests that run on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid as uuids
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from virtup import __version__
from virtup.causes.finding import Certainty, Finding
from virtup.errors import ConfigUnsupported, OperationFailed, SystemError_, VirtError
from virtup.host import kvm
from virtup.host import node as host_node
from virtup.host.accounts import Account, identity
from virtup.host.clock import Clock
from virtup.host.disk import Disk
from virtup.host.kvm import KvmState
from virtup.host.layout import Layout
from virtup.host.logfile import command_text
from virtup.host.node import random_mac
from virtup.host.ownership import Ledger
from virtup.host.save_file import Image
from virtup.machine import attempts as records
from virtup.machine import check, demands, files, recall
from virtup.machine.attempts import Attempt, Attempts, Step
from virtup.machine.check import Verdict
from virtup.machine.events import EventBus
from virtup.machine.failure import StepFailed, told, with_others
from virtup.machine.life import Machine
from virtup.machine.probe import ProbeFailed
from virtup.machine.reconnect import Reconnection, Recovery
from virtup.machine.recorder import Recorder
from virtup.machine.save import restorer
from virtup.machine.settings import Settings
from virtup.machine.start import Launch, start
from virtup.machine.states import Paused, Shutoff, State
from virtup.machine.states import Running as RunReason
from virtup.machine.status import Status, Statuses
from virtup.machine.volumes import Volumes, located
from virtup.model.domain import Domain, format_domain, parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.cookie import with_cookie
from virtup.model.domain.fill import complete
from virtup.model.evidence import Evidence, Running
from virtup.model.save_image import ImageDamaged
from virtup.qemu.argv import build
from virtup.qemu.capabilities import Capabilities
from virtup.qemu.runtime import Runtime

log = logging.getLogger(__name__)

T = TypeVar("T")

LOG_KEPT = 16 * 1024
"""How much of QEMU's own words a record of a failed start keeps, in characters."""

MISSING_EMPTIED, MISSING_DROPPED = 0, 1
"""``virConnectDomainEventDiskChangeReason``: a drive without its medium, a disk left out."""

LONG_DEFINITION = 64 * 1024
"""A definition of more characters takes more than a few milliseconds to read."""

GIVEN_UP = "the start was given up: the domain was destroyed, or the daemon ended, before it was up"
"""What the record of a start says that nothing but a person or the daemon's end stopped."""

FURTHER_S = 1.0
"""How long is looked, after a start that failed, for what else would keep the guest from starting."""

PORT_TRIES = 5
"""How often a start is tried whose display's port another program takes just before QEMU does."""

RECONNECT_WAIT_S = 2.0
"""How long a starting daemon waits for the monitors of running guests before it serves."""


class Emulators(Protocol):
    """Who knows the QEMU binaries of this host."""

    async def capabilities(self, emulator: str) -> Capabilities:
        """Return what *emulator* can do; probes it when it is new. Raises VirtError."""

    def default_emulator(self, arch: str) -> str:
        """Return the QEMU binary for *arch*."""


@dataclass(frozen=True)
class Request:
    """How a guest is to be started, and whom to tell; ``autodestroy`` is a client's number.

    ``refused`` gets what is wrong with ``image``, and returns what becomes of it, to be told.
    """

    id: int
    persistent: bool
    paused: bool
    autodestroy: int | None
    on_up: Callable[[Machine], None]
    on_end: Callable[[Machine, Shutoff], None]
    image: Image | None = None
    refused: Callable[[ImageDamaged], ImageDamaged] = lambda damage: damage
    notes: tuple[str, ...] = ()
    reset_nvram: bool = False


class Launcher:
    """Starts guests and finds them again; see the module."""

    def __init__(
        self,
        *,
        layout: Layout,
        settings: Settings,
        clock: Clock,
        disk: Disk,
        emulators: Emulators,
        account: Callable[[], Account | None],
        attempts: Attempts,
        events: EventBus,
        volumes: Volumes,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._clock = clock
        self._disk = disk
        self._emulators = emulators
        self._look_up_account = account
        self._events = events
        self._volumes = volumes
        self._ledger = Ledger(layout.ledger_file, disk)
        self.recorder = Recorder(attempts, self._ledger, settings)
        self._machines: dict[str, Machine] = {}
        self._statuses = Statuses(layout.state_dir, disk)
        self._ports: set[int] = set()
        self._boot = host_node.boot_id()
        self._writes: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self._untaken: dict[str, int] = {}

    # -- definitions ---------------------------------------------------------------------------

    async def complete(self, xml: str, *, to_start: bool = False, cookie: str = "") -> Domain:
        """Return *xml* as the definition it becomes: parsed, completed and checked.

        Raises VirtError with findings; *to_start* leaves a record of that, as of every start.
        """
        domain: Domain | None = None
        emulator = ""
        try:
            parsed = await _beside(len(xml), lambda: parse_domain(xml))
            domain = with_cookie(parsed, cookie, "a saved guest")
            emulator = domain.devices.emulator or self._emulators.default_emulator(
                domain.os.arch or "x86_64"
            )
            caps = await self._emulators.capabilities(emulator)
            whole = partial(
                complete,
                domain,
                caps,
                uuid=str(uuids.uuid4()),
                mac=random_mac,
                emulator=emulator,
                nvram_dir=self._layout.nvram_dir,
            )
            done = await _beside(len(xml), whole)
            demands.refuse_labels(done)
            return replace(done, given=parsed)
        except VirtError as error:
            evidence = Evidence(
                phase="parse" if domain is None else "validate",
                definition=xml,
                guest=domain.name if domain is not None else "",
                emulator=emulator,
                running=self.running(),
            )
            evidence = self._as_user(with_probe(evidence, error))
            refusal = await told(error.message, evidence, error)
            if to_start and domain is not None:
                self._note_refusal(domain, evidence, refusal)
            raise

    def _note_refusal(self, domain: Domain, evidence: Evidence, refusal: VirtError) -> None:
        now = self._clock.monotonic()
        attempt = Attempt(
            guest=domain.name,
            uuid=domain.uuid or "",
            began=records.now(),
            verdict=records.FAILED,
            phase=evidence.phase,
            error=refusal.message,
            definition=format_domain(domain, inactive=True),
            emulator=evidence.emulator,
            kernel=host_node.kernel(),
            findings=list(refusal.findings),
            evidence=recall.kept(evidence),
        )
        self._note(attempt, now, domain)

    async def to_native(self, xml: str) -> str:
        """Return the command line for *xml*; nothing is started."""
        domain = await located(await self.complete(xml), self._volumes, cold=True)
        domain = with_aliases(domain)
        caps = await self._emulators.capabilities(str(domain.devices.emulator))
        lib_dir, channel_dir = self._layout.lib_dir, self._layout.channel_dir
        run = Runtime.example(domain, lib_dir=lib_dir, channel_dir=channel_dir)
        line = build(domain, caps, run)
        return command_text(line.env, line.argv, between=" ")

    def running(self) -> tuple[Running, ...]:
        """Return the running guests as the causes need them."""
        return tuple(
            Running(
                name=machine.name,
                uuid=str(machine.live.uuid),
                pid=machine.process.pid,
                disks=tuple(file.path for file in files.used(machine.live) if file.disk),
            )
            for machine in self._machines.values()
        )

    # -- starting ------------------------------------------------------------------------------

    async def next_id(self, domain: Domain) -> int:
        """Return a number that no guest of this boot has had, also of earlier daemons.

        Raises VirtError, and leaves a record of that as of a start, when it cannot be kept.
        """
        try:
            self._last_id = self._statuses.take_id(self._last_id + 1)
        except OSError as failed:
            path = str(failed.filename or self._layout.state_dir)
            error = SystemError_(f"cannot write '{path}': {failed.strerror}")
            await self.explain(error, domain, errno=failed.errno, path=path)
            raise error from failed
        return self._last_id

    async def explain(self, error: VirtError, domain: Domain, **known: Any) -> None:
        """Put cause and fix into *error*, which keeps *domain* from being started or defined.

        Leaves a record of that, as of every start.
        """
        self._note_refusal(domain, await self.judged(error, domain, **known), error)

    async def judged(self, error: VirtError, domain: Domain, **known: Any) -> Evidence:
        """Put cause and fix into *error*, and return on what they rest."""
        evidence = Evidence(
            phase="prepare" if known else "validate",
            definition=format_domain(domain, inactive=True),
            guest=domain.name,
            uuid=str(domain.uuid),
            running=self.running(),
            **known,
        )
        await told(error.message, self._as_user(evidence), error)
        return evidence

    async def rehearse(self, domain: Domain, image: Image | None = None) -> Verdict:
        """Return what a start of *domain* would come to now; nothing is made or changed."""
        definition = format_domain(domain, inactive=True)
        planned = Attempt(guest=domain.name, uuid=str(domain.uuid), began="")
        request = Request(
            id=self._last_id + 1,
            persistent=False,
            paused=False,
            autodestroy=None,
            on_up=_nothing,
            on_end=_nothing,
            image=image,
        )
        refusals: list[VirtError] = []
        evidence: Evidence | None = None
        try:
            domain = await located(domain, self._volumes, cold=image is None)
            launch = await self._launch(domain, request, planned, refusals)
            evidence = await check.foresee(launch, refusals)
        except VirtError as error:
            refusals.append(error)
        verdict = None
        if evidence is not None:
            seen = replace(evidence, definition=definition, running=self.running())
            verdict = await check.judge(seen)
            if not refusals:
                return verdict
        for refusal in refusals:
            seen = self._validation(domain, refusal)
            seen = replace(seen, definition=definition, running=self.running())
            await told(refusal.message, seen, refusal)
        first, *others = refusals
        more = [Finding.from_dict(one) for other in others for one in other.findings]
        with_others(first, [*more, *(verdict.findings if verdict is not None else ())], domain.name)
        return check.refused(domain.name, str(domain.uuid), first)

    async def start(self, domain: Domain, request: Request) -> Machine:
        """Start *domain*; return the machine, or raise the error that says why there is none.

        Whatever a start that fails had taken is given back before this raises. Every start
        leaves a record.
        """
        attempt = Attempt(
            guest=domain.name,
            uuid=str(domain.uuid),
            began=records.now(),
            definition=format_domain(domain, inactive=True),
            emulator=str(domain.devices.emulator),
            kernel=host_node.kernel(),
            image=request.image.path if request.image is not None else "",
            notes=list(request.notes),
        )
        began = self._clock.monotonic()
        launch: Launch | None = None
        try:
            domain = await located(domain, self._volumes, cold=request.image is None)
            for left in reversed(range(PORT_TRIES)):
                launch = await self._launch(domain, request, attempt)
                try:
                    await start(launch, lambda failed: self._judge(failed, attempt, request))
                    break
                except StepFailed as failed:
                    if not left or not _lost_its_port(domain, failed):
                        raise
            assert launch is not None
            machine = self._machine(launch, request)
        except StepFailed as failed:
            raise await self._failed(failed, attempt, request, domain) from failed
        except VirtError as error:
            refused = StepFailed(error.message, self._validation(domain, error), error)
            await self._failed(refused, attempt, request, domain)
            raise
        except asyncio.CancelledError:
            went = [step.name for step in attempt.steps if step.name != "undo"]
            attempt.phase = went[-1] if went else ""
            attempt.verdict, attempt.error = records.FAILED, GIVEN_UP
            raise
        else:
            attempt.verdict = records.RUNNING
            return machine
        finally:
            if launch is not None and launch.command is not None:
                attempt.argv = list(launch.command.argv)
            if attempt.verdict:
                self._note(attempt, began, domain)

    async def _launch(
        self,
        domain: Domain,
        request: Request,
        attempt: Attempt,
        refusals: list[VirtError] | None = None,
    ) -> Launch:
        """Gather what the steps need: the account, QEMU's capabilities, an id.

        Raises VirtError; that KVM cannot be had is added to *refusals* instead, where it is given.
        """
        if domain.name in self._untaken:
            pid = self._untaken[domain.name]
            raise OperationFailed(
                f"'{domain.name}' was started by an earlier virtupd, as process {pid}, and could "
                "not be taken over (the daemon's log says why): end it, and restart virtupd"
            )
        account = self._look_up_account()
        asked = self._emulators.capabilities(str(domain.devices.emulator))
        caps = await self._timed(attempt, "probe", asked)
        _name_qemu(attempt, caps)
        try:
            if domain.type == "kvm":
                _require_kvm(account)
        except VirtError as refusal:
            if refusals is None:
                raise
            refusals.append(refusal)
        return Launch(
            domain=with_aliases(domain),
            caps=caps,
            layout=self._layout,
            settings=self._settings,
            account=account,
            ledger=self._ledger,
            clock=self._clock,
            id=request.id,
            paused=request.paused or _saved_paused(request.image),
            facts={
                "virtup version": __version__,
                "qemu version": f"{attempt.qemu_version}{caps.package}",
                "kernel": attempt.kernel,
                "hostname": host_node.hostname(),
            },
            reserved_ports=self._ports,
            note=lambda launch: self._write_starting(launch, attempt.definition),
            keep=lambda launch: self._keep_record(self._build(launch, request)),
            forget=lambda launch: self._statuses.remove(launch.domain.name),
            image=request.image,
            reset_nvram=request.reset_nvram,
            steps=attempt.steps,
        )

    def _write_starting(self, launch: Launch, definition: str) -> None:
        """Note what a start takes before it takes it, and its QEMU as soon as there is one."""
        process = launch.process
        status = Status(
            name=launch.domain.name,
            uuid=str(launch.domain.uuid),
            id=launch.id,
            pid=process.pid if process is not None else 0,
            start_ticks=process.start_ticks if process is not None else 0,
            boot=self._boot,
            monitor=launch.monitor_path,
            state=int(State.PAUSED),
            reason=int(Paused.STARTING_UP),
            persistent=False,
            xml=definition,
            directories=list(launch.directories),
            starting=True,
        )
        self._statuses.write(status)

    def _build(self, launch: Launch, request: Request) -> Machine:
        """Make the machine of a start whose QEMU runs."""
        assert launch.process is not None
        assert launch.log is not None
        return Machine(
            uuid=uuids.UUID(launch.domain.uuid).bytes,
            id=launch.id,
            live=launch.domain,
            process=launch.process,
            log=launch.log,
            release=launch.undo.aclose,
            on_event=self._events.emit,
            on_change=self._write_status,
            on_end=lambda ended, why: self._gone(ended, why, request.on_end),
            stop_timeout_s=self._settings.stop_timeout_s,
            command_timeout_s=self._settings.command_timeout_s,
            monitor_path=launch.monitor_path,
            agent_path=launch.agent_path,
            directories=launch.directories,
            persistent=request.persistent,
            autodestroy=request.autodestroy,
            state=State.PAUSED if launch.paused else State.RUNNING,
            reason=Paused.USER if launch.paused else RunReason.BOOTED,
        )

    def _machine(self, launch: Launch, request: Request) -> Machine:
        """Follow the machine of a start that held from now on."""
        assert launch.monitor is not None
        machine = self._build(launch, request)
        self._machines[machine.name] = machine
        request.on_up(machine)
        machine.attach(launch.monitor)
        machine.watch()
        if launch.domain.commandline is not None:
            machine.taint("custom-argv")
        for one in launch.dropped:
            reason = MISSING_EMPTIED if one.emptied else MISSING_DROPPED
            machine.tell(
                "disk-change",
                oldSrcPath=one.path,
                newSrcPath=None,
                devAlias=one.alias,
                reason=reason,
            )
        machine.started(
            paused=launch.paused,
            restored=launch.image is not None,
            as_saved=not request.paused,
        )
        return machine

    def _gone(
        self, machine: Machine, why: Shutoff, then: Callable[[Machine, Shutoff], None]
    ) -> None:
        self._machines.pop(machine.name, None)
        try:
            self._statuses.remove(machine.name)
        except OSError as error:
            log.error("the status record of '%s' stays: %s", machine.name, error)
        then(machine, why)

    def _keep_record(self, machine: Machine) -> None:
        self._statuses.write(machine.status(boot=self._boot))

    def _write_status(self, machine: Machine) -> None:
        """Write the record anew; a guest does not fail for it, as it has one of its start."""
        if machine.name not in self._machines:
            return
        try:
            self._keep_record(machine)
        except OSError as error:
            log.error("the status record of '%s' is not up to date: %s", machine.name, error)

    async def _failed(
        self,
        failed: StepFailed,
        attempt: Attempt,
        request: Request,
        domain: Domain,
    ) -> VirtError:
        if failed.verdict is None:
            await self._judge(failed, attempt, request)
        error = failed.verdict
        assert error is not None
        await self._timed(attempt, "foresee", self._look_further(error, domain, request))
        attempt.verdict = records.FAILED
        attempt.phase = failed.evidence.phase
        attempt.error = error.message
        attempt.findings = list(error.findings)
        attempt.log = failed.evidence.stderr[-LOG_KEPT:]
        attempt.evidence = recall.kept(failed.evidence)
        return error

    async def _look_further(self, error: VirtError, domain: Domain, request: Request) -> None:
        """Add to *error* what would keep the guest from starting beside what did just now."""
        looking = asyncio.wait_for(self.rehearse(domain, request.image), FURTHER_S)
        (seen,) = await asyncio.gather(looking, return_exceptions=True)
        if isinstance(seen, TimeoutError):
            return
        if isinstance(seen, Exception):  # it must not take the place of what failed
            log.error("what else keeps '%s' off cannot be told", domain.name, exc_info=seen)
            return
        if isinstance(seen, BaseException):
            raise seen
        proven = [one for one in seen.findings if one.certainty is Certainty.PROVEN]
        with_others(error, proven, domain.name)

    async def _judge(self, failed: StepFailed, attempt: Attempt, request: Request) -> None:
        """Look into a failure while what the start had taken is as it was."""
        damage = restorer.to_blame(failed, request.image)
        if damage is not None:
            failed.error = request.refused(damage)
            failed.message = failed.error.message
        evidence = replace(failed.evidence, definition=attempt.definition, running=self.running())
        failed.evidence = replace(failed.evidence, handed_over=self._lent_to(evidence.uuid))
        looking = told(failed.message, evidence, failed.error)
        failed.verdict = await self._timed(attempt, "diagnose", looking)

    def _lent_to(self, uuid: str) -> tuple[str, ...]:
        """Return the files that QEMU's user owns for a guest now, and will not later."""
        return tuple(one.path for one in self._ledger.records() if uuid in one.guests)

    async def _timed(self, attempt: Attempt, step: str, work: Awaitable[T]) -> T:
        """Await *work*, a step of *attempt* that belongs to none of the launch's."""
        began = self._clock.monotonic()
        try:
            return await work
        finally:
            attempt.steps.append(Step(step, (self._clock.monotonic() - began) * 1000))

    def _note(self, attempt: Attempt, began: float, domain: Domain) -> None:
        """Keep the record of an attempt, beside the reply, which does not wait for it."""
        attempt.ms = (self._clock.monotonic() - began) * 1000
        self.recorder.note(attempt, domain, self._account_if_any())

    async def settle(self) -> None:
        """Wait until every record of a start so far is on disk."""
        await self.recorder.settle()

    async def as_now(self, domain: Domain) -> Attempt:
        """Return what a start of *domain* would find now, as the record of an attempt."""
        attempt = Attempt(
            guest=domain.name,
            uuid=str(domain.uuid),
            began=records.now(),
            verdict=records.NOW,
            definition=format_domain(domain, inactive=True),
            emulator=str(domain.devices.emulator),
            kernel=host_node.kernel(),
        )
        with contextlib.suppress(VirtError):  # what cannot be found is not there to be compared
            domain = await located(domain, self._volumes, cold=True)
        with contextlib.suppress(VirtError):  # a QEMU that cannot be asked: its file tells
            _name_qemu(attempt, await self._emulators.capabilities(attempt.emulator))
        await self.recorder.look(attempt, domain, self._account_if_any())
        return attempt

    def _validation(self, domain: Domain, error: VirtError) -> Evidence:
        evidence = Evidence(
            phase="validate",
            guest=domain.name,
            uuid=str(domain.uuid),
            emulator=str(domain.devices.emulator),
        )
        return self._as_user(with_probe(evidence, error))

    def _as_user(self, evidence: Evidence) -> Evidence:
        """Add whom QEMU runs as, and where the pools are.

        A missing account is the start's own error, not this one's.
        """
        evidence = replace(evidence, pools=self._layout.pool_places)
        try:
            account = self._look_up_account()
        except VirtError:
            return evidence
        uid, name, gids = identity(account)
        return replace(evidence, user=name, uid=uid, gids=gids)

    def _account_if_any(self) -> Account | None:
        """Return whom QEMU runs as; None also when that account is missing, as it is then told."""
        try:
            return self._look_up_account()
        except VirtError:
            return None

    # -- after the daemon's own restart --------------------------------------------------------

    async def reconnect(
        self,
        adopt: Callable[[Machine], Callable[[Machine, Shutoff], None]],
        ended: Callable[[str, Shutoff], None],
    ) -> None:
        """Find the guests of an earlier daemon again.

        *adopt* is told of each that runs and returns whom to tell of its end; *ended* of each
        that does not. Waits a moment for the monitors; one that does not answer is left to go on
        in the background, as are the guests behind it.
        """
        found = await self._recovery().survey()
        self._untaken = {kept.name: kept.pid for kept in found.kept}
        for name, why in found.ended:
            ended(name, why)
        waiting = [self._take_up(machine, kept, adopt(machine)) for machine, kept in found.running]
        if waiting:
            await asyncio.wait(waiting, timeout=RECONNECT_WAIT_S)

    def _recovery(self) -> Recovery:
        return Recovery(
            layout=self._layout,
            settings=self._settings,
            clock=self._clock,
            ledger=self._ledger,
            statuses=self._statuses,
            events=self._events,
            boot=self._boot,
            on_change=self._write_status,
        )

    def _take_up(
        self, machine: Machine, kept: Status, then: Callable[[Machine, Shutoff], None]
    ) -> asyncio.Task[None]:
        """Follow a machine that was found, or end it as the earlier daemon would have."""
        self._machines[machine.name] = machine
        machine.on_end = lambda one, why: self._gone(one, why, then)
        machine.watch()
        again = Reconnection(machine, self._settings.monitor_timeout_s)
        work = again.until_done()
        if kept.autodestroy or kept.ending is not None:
            why = Shutoff.DESTROYED if kept.ending is None else Shutoff(kept.ending)
            work = machine.end_quietly(why)
        task = asyncio.get_running_loop().create_task(work, name=f"reconnect-{machine.name}")
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return task

    async def close(self) -> None:
        """Let go of every guest, which runs on, and wait for the records under way."""
        for machine in list(self._machines.values()):
            await machine.let_go()
        for task in list(self._writes):
            if task.get_name().startswith("reconnect-"):
                task.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self.settle()
        self._ledger.close()


def _nothing(*_: object) -> None:
    """Tell nobody of a machine that there will not be."""


def _saved_paused(image: Image | None) -> bool:
    return image is not None and not image.head.header.was_running


def _lost_its_port(domain: Domain, failed: StepFailed) -> bool:
    """Tell whether another program took a port that was free when it was chosen."""
    words = failed.evidence.stderr
    taken = "-vnc " in words and "Address already in use" in words
    return taken and any(True for _ in files.automatic_displays(domain))


def _name_qemu(attempt: Attempt, caps: Capabilities) -> None:
    attempt.qemu_version = ".".join(map(str, caps.version))
    attempt.qemu_package = caps.package


async def _beside(length: int, work: Callable[[], Domain]) -> Domain:
    """Do *work* on a definition of *length* characters; a long one keeps nobody else waiting."""
    return await asyncio.to_thread(work) if length > LONG_DEFINITION else work()


def with_probe(evidence: Evidence, error: VirtError) -> Evidence:
    """Return *evidence* with what a failed probe of the emulator knows."""
    if not isinstance(error, ProbeFailed):
        return evidence
    return replace(
        evidence,
        errno=error.errno,
        path=error.path,
        exit_status=error.status,
        signal=error.signal,
        stderr=error.words,
        doing=error.doing,
    )


def _require_kvm(account: Account | None) -> None:
    """Refuse a KVM guest where KVM cannot be had; the findings say why it cannot."""
    state = kvm.state(account)
    if state is not KvmState.USABLE:
        raise ConfigUnsupported(
            f"Domain requires KVM, but it is not available (/dev/kvm is {state.value})"
        )
