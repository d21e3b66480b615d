"""Disks, CD-ROM and floppy drives: `<disk>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import ACPI, BOOT, Device, Seclabel
from virtup.model.field import Element, at

Format = Literal[
    "raw", "bochs", "cloop", "dmg", "vpc", "vdi", "qcow", "qcow2", "qed", "vmdk", "vhdx"
]
Cache = Literal["default", "none", "writethrough", "writeback", "directsync", "unsafe"]
Bus = Literal["ide", "fdc", "scsi", "virtio", "usb", "sata"]
SERIAL = scalar.pattern(
    r"[A-Za-z0-9_.+ \-]{1,100}", "letters, digits, blanks, '_', '-', '.' and '+'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataCache(Element):
    """How much memory QEMU may hold of a qcow2 image's tables, in bytes."""

    max_size_bytes: int | None = at("max_size", scalar.BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskDriver(Element):
    """How QEMU drives the disk."""

    name: str | None = at("@name", scalar.pattern("qemu", "'qemu'"))
    type: Format | None = at("@type")
    cache: Cache | None = at("@cache")
    error_policy: Literal["stop", "report", "ignore", "enospace"] | None = at("@error_policy")
    rerror_policy: Literal["stop", "report", "ignore"] | None = at("@rerror_policy")
    io: Literal["native", "threads", "io_uring"] | None = at("@io")
    ioeventfd: bool | None = at("@ioeventfd", scalar.ON_OFF)
    event_idx: bool | None = at("@event_idx", scalar.ON_OFF)
    copy_on_read: bool | None = at("@copy_on_read", scalar.ON_OFF)
    discard: Literal["unmap", "ignore"] | None = at("@discard")
    iothread: int | None = at("@iothread", scalar.POSITIVE)
    detect_zeroes: Literal["off", "on", "unmap"] | None = at("@detect_zeroes")
    discard_no_unref: bool | None = at("@discard_no_unref", scalar.ON_OFF)
    queues: int | None = at("@queues", scalar.POSITIVE)
    queue_size: int | None = at("@queue_size", scalar.POSITIVE)
    iommu: bool | None = at("@iommu", scalar.ON_OFF)
    ats: bool | None = at("@ats", scalar.ON_OFF)
    packed: bool | None = at("@packed", scalar.ON_OFF)
    page_per_vq: bool | None = at("@page_per_vq", scalar.ON_OFF)
    metadata_cache: MetadataCache | None = at("metadata_cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSource(Element):
    """Where the data lies: a file, a block device, or a volume of a storage pool.

    *found* is the file of a volume, "" until a start has asked the pool; it is no part of the XML.
    """

    file: str | None = at("@file")
    dev: str | None = at("@dev")
    pool: str | None = at("@pool")
    volume: str | None = at("@volume")
    startup_policy: Literal["mandatory", "requisite", "optional"] | None = at("@startupPolicy")
    seclabel: tuple[Seclabel, ...] = at("seclabel")
    found: str = field(default="", compare=False)

    @property
    def path(self) -> str | None:
        """The file or device, whichever it is; that of a volume as soon as it is known."""
        return self.file or self.dev or self.found or None

    @property
    def is_named(self) -> bool:
        """Whether it says where the data lies, known or not."""
        return bool(self.path or self.volume)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingStore(Element):
    """The image below an image. One without a source ends the chain."""

    type: Literal["file", "block"] | None = at("@type")
    format: Format | None = at("format/@type")
    metadata_cache: MetadataCache | None = at("format/metadata_cache")
    source: DiskSource | None = at("source")
    backing_store: BackingStore | None = at("backingStore")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTarget(Element):
    """How the guest sees the disk."""

    dev: str = at(
        "@dev",
        scalar.pattern(
            r"(?:hd|sd|vd|xvd|fd|ubd)[a-z]{1,6}", "a name such as 'vda', 'sdb' or 'hdc'"
        ),
        required=True,
    )
    bus: Bus | None = at("@bus")
    tray: Literal["open", "closed"] | None = at("@tray")
    removable: bool | None = at("@removable", scalar.ON_OFF)
    rotation_rate: int | None = at("@rotation_rate", scalar.number(1, 65534))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk(Device):
    """One drive. Which image lies below which is QEMU's own business unless spelled out."""

    type: Literal["file", "block", "volume"] | None = at("@type")
    device: Literal["disk", "cdrom", "floppy", "lun"] | None = at("@device")
    model: Literal["virtio", "virtio-transitional", "virtio-non-transitional"] | None = at("@model")
    driver: DiskDriver | None = at("driver")
    source: DiskSource | None = at("source")
    backing_store: BackingStore | None = at("backingStore")
    target: DiskTarget = at("target", required=True)
    readonly: bool = at("readonly", scalar.FLAG)
    shareable: bool = at("shareable", scalar.FLAG)
    serial: str | None = at("serial", SERIAL)
    wwn: str | None = at("wwn", scalar.pattern("(?:0x)?[0-9a-fA-F]{16}", "16 hexadecimal digits"))
    vendor: str | None = at("vendor", scalar.pattern(r"[ -~]{1,8}", "up to 8 printable characters"))
    product: str | None = at(
        "product", scalar.pattern(r"[ -~]{1,16}", "up to 16 printable characters")
    )
    boot_order: int | None = at("boot/@order", scalar.POSITIVE, last=BOOT)
    acpi_index: int | None = at("acpi/@index", scalar.POSITIVE, last=ACPI)

    def problems(self) -> Iterator[str]:
        """Values that contradict each other."""
        source = self.source
        kind = self.type or "file"
        if source is not None and kind == "file" and source.dev:
            yield "<disk type='file'> names its image in <source file=...>, not in dev"
        if source is not None and kind == "block" and source.file:
            yield "<disk type='block'> names its device in <source dev=...>, not in file"
        yield from self._of_volume(kind)
        if self.device == "lun" and kind != "block":
            yield "a disk with device 'lun' needs type 'block' and a host device in <source dev=...>"
        if self.device in (None, "disk", "lun") and (source is None or not source.is_named):
            yield f"disk '{self.target.dev}' has no source, accepted only for cdrom and floppy"

    def _of_volume(self, kind: str) -> Iterator[str]:
        source = self.source
        if source is None:
            return
        if kind != "volume" and (source.pool or source.volume):
            yield "a pool and a volume in <source> belong to <disk type='volume'>"
        if kind == "volume" and (source.file or source.dev):
            yield "<disk type='volume'> names its image in <source pool=... volume=...>"
        elif kind == "volume" and not (source.pool and source.volume):
            yield "<source> of a <disk type='volume'> has a pool and a volume, neither empty"
