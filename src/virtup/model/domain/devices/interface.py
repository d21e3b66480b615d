"""Network cards: `<interface>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import ACPI, BOOT, ROM, Device
from virtup.model.field import Element, at

IFNAME = scalar.pattern(r"[A-Za-z0-9_.:\-]{1,15}", "a network device name of up to 15 characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceDriver(Element):
    """How the card's queues are driven."""

    name: Literal["qemu", "vhost"] | None = at("@name")
    txmode: Literal["iothread", "timer"] | None = at("@txmode")
    ioeventfd: bool | None = at("@ioeventfd", scalar.ON_OFF)
    event_idx: bool | None = at("@event_idx", scalar.ON_OFF)
    rx_queue_size: int | None = at("@rx_queue_size", scalar.POSITIVE)
    tx_queue_size: int | None = at("@tx_queue_size", scalar.POSITIVE)
    rss: bool | None = at("@rss", scalar.ON_OFF)
    rss_hash_report: bool | None = at("@rss_hash_report", scalar.ON_OFF)
    iommu: bool | None = at("@iommu", scalar.ON_OFF)
    ats: bool | None = at("@ats", scalar.ON_OFF)
    packed: bool | None = at("@packed", scalar.ON_OFF)
    page_per_vq: bool | None = at("@page_per_vq", scalar.ON_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ip(Element):
    """An address of user networking."""

    address: str = at(
        "@address", scalar.pattern(r"[0-9a-fA-F.:]{2,45}", "an IP address"), required=True
    )
    family: Literal["ipv4", "ipv6"] | None = at("@family")
    prefix: int | None = at("@prefix", scalar.number(0, 128))


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceTarget(Element):
    """The tap device on the host. A name that virtup made is shown only while the guest runs."""

    dev: str | None = at("@dev", IFNAME)
    managed: bool | None = at("@managed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rom(Element):
    """The card's boot ROM."""

    enabled: bool | None = at("@enabled")
    bar: bool | None = at("@bar", scalar.ON_OFF)
    file: str | None = at("@file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface(Device):
    """One network card: user networking, a tap of its own, or a tap in a bridge."""

    type: Literal["user", "ethernet", "bridge"] = at("@type", required=True)
    mac: str | None = at("mac/@address", scalar.MAC)
    source_bridge: str | None = at("source/@bridge", IFNAME)
    ip: tuple[Ip, ...] = at("ip")
    script: str | None = at("script/@path")
    downscript: str | None = at("downscript/@path")
    target: InterfaceTarget | None = at("target")
    model: str | None = at(
        "model/@type", scalar.pattern(r"[A-Za-z0-9_\-]{1,40}", "the name of a network card")
    )
    driver: InterfaceDriver | None = at("driver")
    mtu: int | None = at("mtu/@size", scalar.number(1, 65535))
    link_state: Literal["up", "down"] | None = at("link/@state")
    boot_order: int | None = at("boot/@order", scalar.POSITIVE, last=BOOT)
    rom: Rom | None = at("rom", last=ROM)
    acpi_index: int | None = at("acpi/@index", scalar.POSITIVE, last=ACPI)

    def problems(self) -> Iterator[str]:
        """What does not belong to this type of interface."""
        if self.type == "bridge" and not self.source_bridge:
            yield "<interface type='bridge'> names its bridge in <source bridge=...>, and has none"
        if self.type != "bridge" and self.source_bridge:
            yield f"<source bridge=...> is accepted in type 'bridge' only, not in '{self.type}'"
        if self.type == "user" and (self.script or self.downscript or self.target):
            yield "user networking has no tap: <script>, <downscript> and <target> are not accepted"
        for name in ("script", "downscript"):
            if getattr(self, name):
                yield f"<{name}> is not run, accepted is an empty path"
        if self.type != "user" and self.ip:
            yield f"<ip> is accepted with user networking only, not in type '{self.type}'"
