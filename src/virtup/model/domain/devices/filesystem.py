"""Directories of the host in the guest: `<filesystem>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import ACPI, Device
from virtup.model.field import Element, at


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemDriver(Element):
    """How QEMU serves the directory."""

    type: Literal["path", "handle"] | None = at("@type")
    wrpolicy: Literal["immediate"] | None = at("@wrpolicy")
    iommu: bool | None = at("@iommu", scalar.ON_OFF)
    ats: bool | None = at("@ats", scalar.ON_OFF)
    packed: bool | None = at("@packed", scalar.ON_OFF)
    page_per_vq: bool | None = at("@page_per_vq", scalar.ON_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem(Device):
    """A directory that the guest mounts by its tag, over 9p."""

    type: Literal["mount"] | None = at("@type")
    accessmode: Literal["passthrough", "mapped", "squash"] | None = at("@accessmode")
    multidevs: Literal["default", "remap", "forbid", "warn"] | None = at("@multidevs")
    fmode: str | None = at("@fmode", scalar.pattern("0?[0-7]{3}", "an octal mode such as 0640"))
    dmode: str | None = at("@dmode", scalar.pattern("0?[0-7]{3}", "an octal mode such as 0750"))
    model: Literal["virtio", "virtio-transitional", "virtio-non-transitional"] | None = at("@model")
    driver: FilesystemDriver | None = at("driver")
    source: str = at("source/@dir", required=True)
    target: str = at(
        "target/@dir", scalar.pattern(r"[^,]{1,31}", "a tag of up to 31 characters"), required=True
    )
    readonly: bool = at("readonly", scalar.FLAG)
    acpi_index: int | None = at("acpi/@index", scalar.POSITIVE, last=ACPI)
