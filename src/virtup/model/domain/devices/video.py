"""Graphics cards: `<video>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import ACPI, Device
from virtup.model.field import Element, at

VideoType = Literal["vga", "cirrus", "vmvga", "qxl", "virtio", "bochs", "ramfb", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(Element):
    """Preferred size of the screen in pixels."""

    x: int = at("@x", scalar.POSITIVE, required=True)
    y: int = at("@y", scalar.POSITIVE, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoDriver(Element):
    """How QEMU drives the card."""

    name: Literal["qemu"] | None = at("@name")
    iommu: bool | None = at("@iommu", scalar.ON_OFF)
    ats: bool | None = at("@ats", scalar.ON_OFF)
    packed: bool | None = at("@packed", scalar.ON_OFF)
    page_per_vq: bool | None = at("@page_per_vq", scalar.ON_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Video(Device):
    """One graphics card; memory sizes in KiB."""

    driver: VideoDriver | None = at("driver")
    type: VideoType | None = at("model/@type")
    ram_kib: int | None = at("model/@ram")
    vram_kib: int | None = at("model/@vram")
    vram64_kib: int | None = at("model/@vram64")
    vgamem_kib: int | None = at("model/@vgamem")
    heads: int | None = at("model/@heads", scalar.POSITIVE)
    primary: bool | None = at("model/@primary")
    blob: bool | None = at("model/@blob", scalar.ON_OFF)
    resolution: Resolution | None = at("model/resolution")
    acpi_index: int | None = at("acpi/@index", scalar.POSITIVE, last=ACPI)
