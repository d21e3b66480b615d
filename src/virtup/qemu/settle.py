"""What a definition asks for that has no command-line option: commands for the monitor.

    for command in commands(dom):
        await monitor.execute(command.name, command.arguments)

They are sent after the monitor is up and before the vCPUs run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtup.model.domain.guest import Domain
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


def host_cpus(dom: Domain) -> tuple[int, ...]:
    """The host's CPUs on which the guest's threads may run; empty for all."""
    text = dom.vcpu.cpuset if dom.vcpu else None
    return parse_cpuset(text) if text else ()


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
