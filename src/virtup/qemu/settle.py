"""What a definition asks for that has no command-line option: commands for the monitor.

    for command in commands(dom):
        await monitor.execute(command.name, command.arguments)

They are sent after the monitor is up and before the vCPUs run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from virtup.model.domain.devices.graphics import Graphics
from virtup.model.domain.guest import Domain
from virtup.model.domain.tuning import CpuTune
from virtup.model.scalar import parse_cpuset
from virtup.qemu.cpu import FEATURES


@dataclass(frozen=True, slots=True)
class Command:
    """One command of QEMU's monitor."""

    name: str
    arguments: dict[str, Any]


def commands(dom: Domain) -> Iterator[Command]:
    """The commands for *dom*, which has aliases, in the order in which they are to be sent."""
    if dom.on_reboot == "destroy":
        yield Command("set-action", {"reboot": "shutdown"})
    for nic in dom.devices.interface:
        if nic.link_state == "down":
            yield Command("set_link", {"name": str(nic.alias), "up": False})
    for disk in dom.devices.disk:
        if disk.target.tray == "open":
            yield Command("blockdev-open-tray", {"id": str(disk.alias), "force": True})
    for display in dom.devices.graphics:
        yield from _password(display)
    balloon = dom.devices.memballoon
    if balloon is None or balloon.model == "none":
        return
    if balloon.stats_period_s:
        where = f"/machine/peripheral/{balloon.alias}"
        name = "guest-stats-polling-interval"
        yield Command("qom-set", {"path": where, "property": name, "value": balloon.stats_period_s})
    current = dom.current_memory_kib
    if current is not None and current < dom.memory_kib:
        yield Command("balloon", {"value": current * 1024})


def _password(display: Graphics) -> Iterator[Command]:
    """Set a display's password; an empty one lets nobody in, and neither does one without."""
    if display.password is None:
        return
    what = {"protocol": "vnc", "password": display.password, "connected": "keep"}
    yield Command("set_password", what)
    until = "never"
    if not display.password:
        until = "now"
    elif display.password_valid_to is not None:
        moment = datetime.fromisoformat(display.password_valid_to).replace(tzinfo=UTC)
        until = str(int(moment.timestamp()))
    yield Command("expire_password", {"protocol": "vnc", "time": until})


def host_cpus(dom: Domain) -> tuple[int, ...]:
    """The host's CPUs on which the guest's threads may run; empty for all."""
    text = dom.vcpu.cpuset if dom.vcpu else None
    return parse_cpuset(text) if text else ()


@dataclass(frozen=True, slots=True)
class Pins:
    """The host's CPUs for QEMU's threads; empty for all.

    ``emulator`` is for those that are neither in ``vcpus`` nor ``iothreads``, which go by number;
    ``other_vcpus`` is for virtual CPUs without a pin of their own.
    """

    emulator: tuple[int, ...] = ()
    other_vcpus: tuple[int, ...] = ()
    vcpus: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    iothreads: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def any_thread(self) -> bool:
        """Whether a thread has a pin of its own."""
        return bool(self.vcpus or self.iothreads) or self.emulator != self.other_vcpus

    def named(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every set of CPUs that is asked for, with the words that ask for it."""
        yield "<vcpu cpuset>", self.other_vcpus
        yield "<emulatorpin>", self.emulator
        yield from ((f"<vcpupin vcpu='{number}'>", cpus) for number, cpus in self.vcpus.items())
        for number, cpus in self.iothreads.items():
            yield f"<iothreadpin iothread='{number}'>", cpus


def pins(dom: Domain) -> Pins:
    """On which of the host's CPUs the threads of *dom* are to run."""
    tune = dom.cputune or CpuTune()
    whole = host_cpus(dom)
    return Pins(
        emulator=parse_cpuset(tune.emulatorpin) if tune.emulatorpin else whole,
        other_vcpus=whole,
        vcpus={one.vcpu: parse_cpuset(one.cpuset) for one in tune.vcpupin},
        iothreads={one.iothread: parse_cpuset(one.cpuset) for one in tune.iothreadpin},
    )


def checked_features(dom: Domain) -> frozenset[str] | None:
    """The CPU features, by QEMU's names, without which the guest is not to start; None for all.

    ``check='full'`` wants whatever the model and the definition have, ``partial`` what the
    definition requires.
    """
    one = dom.cpu
    if one is None or one.check in (None, "none"):
        return frozenset()
    if one.check == "full":
        return None
    return frozenset(
        FEATURES.get(feature.name, feature.name)
        for feature in one.feature
        if feature.policy in (None, "require")
    )
