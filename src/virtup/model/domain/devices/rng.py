"""Sources of random numbers: `<rng>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import ACPI, Device
from virtup.model.domain.devices.input import VirtioDriver
from virtup.model.field import Element, at


@dataclass(frozen=True, slots=True, kw_only=True)
class RngBackend(Element):
    """The host's end: a device node, or QEMU's own generator."""

    model: Literal["random", "builtin"] = at("@model", required=True)
    path: str | None = at(".")

    def problems(self) -> Iterator[str]:
        """A path where there is none to be."""
        if self.model == "builtin" and self.path:
            yield "<backend model='builtin'> has no path"


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
