"""Sources of random numbers: `<rng>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import ACPI, Device
from virtup.model.domain.devices.character import Backend, CharSource, backend_problems
from virtup.model.domain.devices.input import VirtioDriver
from virtup.model.field import Element, at


@dataclass(frozen=True, slots=True, kw_only=True)
class RngBackend(Element):
    """The host's end: a device node, or QEMU's own generator."""

    model: Literal["random", "builtin", "egd"] = at("@model", required=True)
    type: Backend | None = at("@type")
    source: tuple[CharSource, ...] = at("source")
    protocol: Literal["raw", "telnet"] | None = at("protocol/@type")
    path: str | None = at(".")

    def problems(self) -> Iterator[str]:
        """A path where there is none to be."""
        if self.model == "builtin" and self.path:
            yield "<backend model='builtin'> has no path"
        if (self.model == "egd") != (self.type is not None):
            yield "a 'type' belongs to <backend model='egd'>, and only there"
        if self.type is not None:
            yield from backend_problems(self.type, self.source, self.protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rng(Device):
    """One virtio-rng."""

    model: Literal["virtio", "virtio-transitional", "virtio-non-transitional"] = at(
        "@model", required=True
    )
    rate_bytes: int | None = at("rate/@bytes", scalar.POSITIVE)
    rate_period_ms: int | None = at("rate/@period", scalar.POSITIVE)
    backend: RngBackend = at("backend", required=True)
    driver: VirtioDriver | None = at("driver")
    acpi_index: int | None = at("acpi/@index", scalar.POSITIVE, last=ACPI)

    def problems(self) -> Iterator[str]:
        """A rate without its amount."""
        if self.rate_period_ms and not self.rate_bytes:
            yield "<rate> has no attribute 'bytes'"
