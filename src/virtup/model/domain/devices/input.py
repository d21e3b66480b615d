"""Mice, keyboards and tablets: `<input>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import Device
from virtup.model.field import Element, at


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtioDriver(Element):
    """Options that all virtio devices have."""

    iommu: bool | None = at("@iommu", scalar.ON_OFF)
    ats: bool | None = at("@ats", scalar.ON_OFF)
    packed: bool | None = at("@packed", scalar.ON_OFF)
    page_per_vq: bool | None = at("@page_per_vq", scalar.ON_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Device):
    """One input device. Those on the ps2 bus are part of the machine."""

    type: Literal["mouse", "tablet", "keyboard"] = at("@type", required=True)
    bus: Literal["ps2", "usb", "virtio"] | None = at("@bus")
    model: Literal["virtio", "virtio-transitional", "virtio-non-transitional"] | None = at("@model")
    driver: VirtioDriver | None = at("driver")

    def problems(self) -> Iterator[str]:
        """A tablet on the ps2 bus."""
        if self.bus == "ps2" and self.type == "tablet":
            yield "ps2 bus does not support tablet input device: it has a mouse and a keyboard"
        if self.driver and self.bus != "virtio":
            yield "<driver> is accepted for input devices on the virtio bus only"
