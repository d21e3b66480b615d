"""Would a guest start now? Its definition goes the way of a start, and nothing is made.

A launch is planned: descriptors are numbers that stand for nothing, sockets and taps are names.
What the daemon would take by itself is written down as a `Plan`, and the causes judge that and
QEMU's arguments by what the host shows. What proves that the start would fail stands against it;
what makes it only likely is a warning.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from virtup.causes.finding import Certainty, Finding
from virtup.causes.usage import cpu_model, devices
from virtup.errors import OperationTimeout, VirtError
from virtup.host import ports
from virtup.host.tap import Tap
from virtup.machine import demands, diagnose, files
from virtup.machine.failure import UNKNOWN
from virtup.machine.start import Launch, runtime
from virtup.model.evidence import CHECK, Evidence, Plan, PlannedTap
from virtup.model.probe import CpuModels, Devices, Fact, NamesFact, Probe
from virtup.qemu.argv import CommandLine, build

LOOK_S = 5.0
"""How long the host may take to show what the causes ask of it."""

NO_FD = 1000
"""Where the numbers of planned descriptors begin."""


class Outlook(Enum):
    """What a start would come to; the value is the predicate of a sentence about the guest."""

    YES = "would start"
    NO = "would not start"
    RUNS = "is running"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a start would come to, and why.

    ``sentence`` is the refusal, where virtup itself would refuse, in the words of that start.
    ``findings`` stand against the start, ``warnings`` may; ``notes`` say what else it would do.
    """

    name: str
    uuid: str
    outlook: Outlook
    sentence: str = ""
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready data."""
        return {
            "domain": self.name,
            "uuid": self.uuid,
            "outlook": self.outlook.value,
            "ok": self.outlook is not Outlook.NO,
            "sentence": self.sentence,
            "findings": [one.to_dict() for one in self.findings],
            "warnings": [one.to_dict() for one in self.warnings],
            "notes": list(self.notes),
        }


def refused(name: str, uuid: str, refusal: VirtError) -> Verdict:
    """Return the verdict on a guest that virtup itself would refuse to start, with *refusal*."""
    findings = tuple(Finding.from_dict(one) for one in refusal.findings)
    sentence = refusal.message.partition("\n")[0]
    return Verdict(name, uuid, Outlook.NO, sentence, findings)


async def foresee(launch: Launch, refusals: list[VirtError]) -> Evidence | None:
    """Return what is known of the start that *launch* would be; waits `LOOK_S` at most.

    What a start would refuse by itself is added to *refusals*, where more can be seen after it;
    None is returned, or a VirtError raised, where nothing can.
    """
    planning = asyncio.to_thread(_planned, launch, refusals)
    try:
        command, plan = await asyncio.wait_for(planning, LOOK_S)
    except TimeoutError:
        raise OperationTimeout(
            f"a file system that the guest's disks are on does not answer within {LOOK_S:g} s"
        ) from None
    except VirtError:
        if refusals:
            return None
        raise
    launch.command = command
    evidence = launch.evidence(CHECK, plan=plan)
    return evidence.with_facts(dict(_known_names(launch, evidence)))


async def judge(evidence: Evidence) -> Verdict:
    """Return what the causes make of a start that was planned."""
    found = await diagnose.diagnose(evidence, deadline_s=LOOK_S)
    told = [one for one in found if one.code != UNKNOWN]
    against = tuple(one for one in told if one.certainty is Certainty.PROVEN)
    return Verdict(
        evidence.guest,
        evidence.uuid,
        Outlook.NO if against else Outlook.YES,
        findings=against,
        warnings=tuple(one for one in told if one.certainty is not Certainty.PROVEN),
    )


# -- the plan ----------------------------------------------------------------------------------


def _planned(launch: Launch, refusals: list[VirtError]) -> tuple[CommandLine, Plan]:
    """Do what a start prepares, by name alone; waits for the file systems of the disks."""
    for demand in (demands.check_cpus, demands.check_nodes, lambda _domain: launch.find_memory()):
        try:
            demand(launch.domain)
        except VirtError as refusal:
            refusals.append(refusal)
    variables = demands.planned_nvram(launch.domain)
    cold = launch.image is None
    launch.domain, launch.dropped = demands.without_missing(launch.domain, cold=cold)
    numbers = itertools.count(NO_FD)
    launch.monitor_fd = next(numbers)
    sockets = [launch.monitor_path, *_sockets(launch, numbers)]
    outputs = list(_outputs(launch, numbers))
    _ports(launch)
    taps = tuple(_taps(launch, numbers))
    for nic in launch.domain.devices.interface:
        fd = demands.open_vhost(launch.domain, nic)
        if fd is not None:
            launch.outputs.append(fd)
            launch.vhosts[str(nic.alias)] = next(numbers)
    launch.close_outputs()
    plan = Plan(
        makes=(*_places(launch), *variables, *outputs),
        sockets=tuple(sockets),
        taps=taps,
        lends=frozenset(_lends(launch)),
    )
    return build(launch.domain, launch.caps, runtime(launch)), plan


def _sockets(launch: Launch, numbers: Iterator[int]) -> Iterator[str]:
    for device in files.listening(launch.domain):
        path = files.socket_path(device, launch.channel_dir)
        launch.char_fds[str(device.alias)] = next(numbers)
        launch.domain = files.with_socket(launch.domain, device.alias, path)
        yield path


def _outputs(launch: Launch, numbers: Iterator[int]) -> Iterator[str]:
    for device in files.characters(launch.domain):
        source = files.first_source(device)
        if device.type == "file" and source.path:
            launch.char_fds[str(device.alias)] = next(numbers)
            yield source.path
        if device.log is not None:
            launch.log_fds[str(device.alias)] = next(numbers)
            yield device.log.file


def _ports(launch: Launch) -> None:
    """Give displays with an automatic port one on which nobody listens."""
    settings = launch.settings
    launch.domain = files.with_listen(launch.domain, settings.vnc_listen)
    taken = set(launch.reserved_ports)
    for index in files.automatic_displays(launch.domain):
        address = files.address(launch.domain.devices.graphics[index], settings.vnc_listen)
        port = ports.idle(address, settings.vnc_port_min, settings.vnc_port_max, taken=taken)
        taken.add(port)
        launch.domain = files.with_port(launch.domain, index, port)


def _taps(launch: Launch, numbers: Iterator[int]) -> Iterator[PlannedTap]:
    for count, nic in enumerate(files.taps(launch.domain)):
        target = nic.target
        name = (target.dev if target is not None else None) or ""
        launch.taps[str(nic.alias)] = Tap(next(numbers), name or f"vnet{count}")
        must_exist = target is not None and target.managed is False
        yield PlannedTap(name, nic.source_bridge or "", must_exist)


def _places(launch: Launch) -> Iterator[str]:
    """Yield an entry of each directory of virtup's own that a start writes to.

    That on a hugetlbfs is left out: what is missing of it is made, and its room is its pages.
    """
    name, layout = launch.domain.name, launch.layout
    yield f"{layout.log_dir}/{name}.log"
    yield f"{layout.state_dir}/{name}.json"
    yield from (launch.lib_dir, launch.channel_dir)


def _lends(launch: Launch) -> Iterator[str]:
    if launch.account is not None and launch.settings.dynamic_ownership:
        yield from (file.path for file in files.used(launch.domain) if file.lend)


def _known_names(launch: Launch, evidence: Evidence) -> Iterator[tuple[Probe[Any], Fact]]:
    """Yield what QEMU has answered before about names that the command line has.

    It is run again only for a name that is not among them: that may be an alias.
    """
    argv = evidence.argv
    whom = (evidence.emulator, evidence.uid, evidence.gids)
    if set(devices(argv)) <= launch.caps.types:
        yield Devices(*whom), NamesFact(tuple(sorted(launch.caps.types)))
    virt_type = launch.domain.type
    if launch.caps.cpu_model(cpu_model(argv), virt_type) is not None:
        names = tuple(one.name for one in launch.caps.cpu_models(virt_type))
        yield CpuModels(*whom), NamesFact(names)
