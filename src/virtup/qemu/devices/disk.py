"""Options of disks: the block nodes of their images, and the drives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtup.errors import ConfigUnsupported
from virtup.model.document import Place
from virtup.model.domain.address import DriveAddress
from virtup.model.domain.devices.disk import (
    BackingStore,
    Disk,
    DiskDriver,
    DiskSource,
    MetadataCache,
)
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.place import place, virtio, virtio_name
from virtup.qemu.option import Option, as_json, device, keyed, on_off
from virtup.qemu.runtime import Runtime

FORMAT_DRIVERS = {"vpc": "vpc", "iso": "raw"}
"""QEMU's block drivers where they are not called as libvirt's formats."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One image of a chain, with the number that names its nodes."""

    number: int
    type: str
    source: DiskSource
    format: str
    cache: MetadataCache | None
    top: bool

    @property
    def needs_format(self) -> bool:
        """Whether a node of the format stands on that of the file."""
        return self.format not in ("raw", "iso")

    @property
    def node(self) -> str:
        """The node that a drive, or the layer above, uses."""
        return f"libvirt-{self.number}-{'format' if self.needs_format else 'storage'}"


def options(dom: Domain, run: Runtime) -> Iterator[Option]:
    """Every disk, in order: its nodes from the bottom of the chain, then the drive."""
    yield from _floppy_order(dom)
    chains = numbered(dom)
    for disk in dom.devices.disk:
        chain = chains[disk.target.dev]
        yield from _nodes(disk, chain, run)
        yield _drive(disk, chain, dom)


def numbered(dom: Domain) -> dict[str, tuple[Layer, ...]]:
    """The layers of every disk by target name; numbers run from the last disk to the first."""
    number = 0
    chains: dict[str, tuple[Layer, ...]] = {}
    for disk in reversed(dom.devices.disk):
        layers: list[Layer] = []
        if disk.source is not None and disk.source.is_named:
            _require_file(disk, dom)
            number += 1
            driver = disk.driver or DiskDriver()
            layers.append(
                Layer(
                    number,
                    disk.type or "file",
                    disk.source,
                    driver.type or "raw",
                    driver.metadata_cache,
                    top=True,
                )
            )
            below: BackingStore | None = disk.backing_store
            while below is not None and below.source is not None and below.source.path:
                number += 1
                layers.append(
                    Layer(
                        number,
                        below.type or "file",
                        below.source,
                        below.format or "raw",
                        below.metadata_cache,
                        top=False,
                    )
                )
                below = below.backing_store
        chains[disk.target.dev] = tuple(layers)
    return chains


def _require_file(disk: Disk, dom: Domain) -> None:
    """Refuse a volume whose file nobody has looked up in its pool."""
    source = disk.source
    if source is not None and not source.path:
        raise ConfigUnsupported(
            f"disk '{disk.target.dev}' is volume '{source.volume}' of storage pool "
            f"'{source.pool}': where it lies, only a daemon knows ({Place(dom.source, disk.line)})"
        )


def _nodes(disk: Disk, chain: tuple[Layer, ...], run: Runtime) -> Iterator[Option]:
    driver = disk.driver or DiskDriver()
    ended = _is_ended(disk)
    for position in range(len(chain) - 1, -1, -1):
        layer = chain[position]
        below: Any = None
        if position + 1 < len(chain):
            below = chain[position + 1].node
        yield _storage_node(disk, layer, driver, run)
        if layer.needs_format:
            last = position + 1 == len(chain)
            yield _format_node(disk, layer, driver, backing=below, ended=ended and last)
    if driver.copy_on_read and chain:
        content = {
            "driver": "copy-on-read",
            "node-name": f"libvirt-CoR-{disk.target.dev}",
            "file": chain[0].node,
            "discard": "unmap",
        }
        yield as_json("-blockdev", content)


def _is_ended(disk: Disk) -> bool:
    """Whether the definition says that the chain ends where it ends."""
    below = disk.backing_store
    if below is None:
        return False
    while below.source is not None and below.source.path:
        if below.backing_store is None:
            return False
        below = below.backing_store
    return True


def _cache(driver: DiskDriver, *, shared: bool) -> dict[str, bool] | None:
    mode = driver.cache
    if mode in (None, "default"):
        return {"direct": True, "no-flush": False} if shared else None
    return {"direct": mode in ("none", "directsync"), "no-flush": mode == "unsafe"}


def _storage_node(disk: Disk, layer: Layer, driver: DiskDriver, run: Runtime) -> Option:
    path = layer.source.path
    content: dict[str, Any] = {"driver": _protocol(layer, run), "filename": path}
    content["aio"] = driver.io if layer.top or driver.io else None
    content["node-name"] = f"libvirt-{layer.number}-storage"
    if layer.needs_format:
        content |= {"auto-read-only": True, "discard": "unmap"}
    else:
        content["read-only"] = _read_only(disk, layer)
        content["discard"] = driver.discard
        content["detect-zeroes"] = _detect_zeroes(driver) if layer.top else None
    content["cache"] = _cache(driver, shared=disk.shareable)
    return as_json("-blockdev", content)


def _detect_zeroes(driver: DiskDriver) -> str | None:
    """Return how zeros are looked for: without discards ``unmap`` is ``on``, as QEMU refuses it."""
    if driver.detect_zeroes == "unmap" and driver.discard != "unmap":
        return "on"
    return driver.detect_zeroes


def _protocol(layer: Layer, run: Runtime) -> str:
    if layer.type != "block":
        return "file"
    return "host_cdrom" if layer.source.path in run.host_cdroms else "host_device"


def _read_only(disk: Disk, layer: Layer) -> bool:
    return not layer.top or disk.readonly or disk.device == "cdrom"


def _format_node(
    disk: Disk, layer: Layer, driver: DiskDriver, *, backing: str | None, ended: bool
) -> Option:
    content: dict[str, Any] = {
        "node-name": f"libvirt-{layer.number}-format",
        "read-only": _read_only(disk, layer),
        "discard": driver.discard,
        "detect-zeroes": _detect_zeroes(driver) if layer.top else None,
        "cache": _cache(driver, shared=disk.shareable),
        "driver": FORMAT_DRIVERS.get(layer.format, layer.format),
        "discard-no-unref": driver.discard_no_unref if layer.top else None,
        "cache-size": layer.cache.max_size_bytes if layer.cache else None,
        "file": f"libvirt-{layer.number}-storage",
        "backing": backing,
    }
    option = as_json("-blockdev", content)
    if ended and backing is None:
        # JSON's null: QEMU then does not look into the image for what lies below it
        text = option.value or "{}"
        option = Option(option.name, f'{text[:-1]},"backing":null}}')
    return option


def boot_index(disk: Disk, dom: Domain) -> int | None:
    """The disk's place in the boot order."""
    if disk.boot_order:
        return disk.boot_order
    kind = {"cdrom": "cdrom", "floppy": "fd"}.get(disk.device or "", "hd")
    if kind not in dom.os.boot:
        return None
    same = [
        one
        for one in dom.devices.disk
        if {"cdrom": "cdrom", "floppy": "fd"}.get(one.device or "", "hd") == kind
    ]
    if same[0].target.dev != disk.target.dev:
        return None
    return dom.os.boot.index(kind) + 1


def _floppy_order(dom: Domain) -> Iterator[Option]:
    """The floppy controller takes the boot order; q35 has to be given the controller."""
    content: dict[str, Any] = {}
    for disk in dom.devices.disk:
        if disk.target.bus != "fdc" or not isinstance(disk.address, DriveAddress):
            continue
        index = boot_index(disk, dom)
        if index is not None:
            content["bootindexB" if disk.address.unit else "bootindexA"] = index
    if _needs_fdc(dom) and any(one.type == "fdc" for one in dom.devices.controller):
        yield device("isa-fdc", content)
        return
    for key, index in content.items():
        yield keyed("-global", None, [(f"isa-fdc.{key}", index)])


def _needs_fdc(dom: Domain) -> bool:
    machine = dom.os.machine or ""
    return machine == "q35" or machine.startswith("pc-q35-")


def _drive(disk: Disk, chain: tuple[Layer, ...], dom: Domain) -> Option:
    driver = disk.driver or DiskDriver()
    node: str | None = chain[0].node if chain else None
    if node is not None and driver.copy_on_read:
        node = f"libvirt-CoR-{disk.target.dev}"
    tail: dict[str, Any] = {
        "share-rw": True if disk.shareable else None,
        "drive": node,
        "id": disk.alias,
        "bootindex": None if disk.target.bus == "fdc" else boot_index(disk, dom),
        "rotation_rate": disk.target.rotation_rate,
        "write-cache": _write_cache(disk, driver, node),
        "wwn": int(disk.wwn.removeprefix("0x"), 16) if disk.wwn else None,
        "vendor": disk.vendor,
        "product": disk.product,
        "serial": disk.serial,
        "werror": _werror(driver),
        "rerror": driver.rerror_policy or _rerror(driver),
    }
    match disk.target.bus:
        case "virtio":
            return _virtio_drive(disk, driver, dom, tail)
        case "ide" | "sata":
            name = "ide-cd" if disk.device == "cdrom" else "ide-hd"
            return device(name, _ide_place(disk, dom) | tail)
        case "fdc":
            assert isinstance(disk.address, DriveAddress)
            return device("floppy", {"unit": disk.address.unit} | tail)
        case "scsi":
            return _scsi_drive(disk, dom, tail)
        case "usb":
            return _usb_drive(disk, dom, tail)
        case _:
            place_ = Place(dom.source, disk.line)
            raise ConfigUnsupported(f"disk bus '{disk.target.bus}' is not supported ({place_})")


def _usb_drive(disk: Disk, dom: Domain, tail: dict[str, Any]) -> Option:
    content: dict[str, Any] = place(dom, disk.address)
    write_cache = tail.pop("write-cache")
    tail["removable"] = bool(disk.target.removable)
    tail["write-cache"] = write_cache
    return device("usb-storage", content | tail)


def _werror(driver: DiskDriver) -> str | None:
    policy = driver.error_policy
    return {"enospace": "enospc", None: None}.get(policy, policy)


def _rerror(driver: DiskDriver) -> str | None:
    """Reads are treated as writes are, where QEMU has the same word for both."""
    return None if driver.error_policy == "enospace" else driver.error_policy


def _write_cache(disk: Disk, driver: DiskDriver, node: str | None) -> str | None:
    if node is None or disk.device not in (None, "disk"):
        return None
    if driver.cache in (None, "default"):
        return "on" if disk.shareable else None
    return on_off(driver.cache in ("none", "writeback", "unsafe"))


def _virtio_drive(disk: Disk, driver: DiskDriver, dom: Domain, tail: dict[str, Any]) -> Option:
    content: dict[str, Any] = {
        "iothread": f"iothread{driver.iothread}" if driver.iothread else None,
        "ioeventfd": driver.ioeventfd,
        "event_idx": driver.event_idx,
        "num-queues": driver.queues,
        "queue-size": driver.queue_size,
    }
    content |= virtio(driver) | place(dom, disk.address)
    content["acpi-index"] = disk.acpi_index
    return device(virtio_name("virtio-blk", disk.model), content | tail)


def _ide_place(disk: Disk, dom: Domain) -> dict[str, Any]:
    address = disk.address
    assert isinstance(address, DriveAddress)
    controller = next(
        one
        for one in dom.devices.controller
        if one.type == disk.target.bus and (one.index or 0) == address.controller
    )
    if disk.target.bus == "ide":
        return {"bus": f"{controller.alias}.{address.bus}", "unit": address.unit}
    return {"bus": f"{controller.alias}.{address.unit}"}


def _scsi_drive(disk: Disk, dom: Domain, tail: dict[str, Any]) -> Option:
    address = disk.address
    assert isinstance(address, DriveAddress)
    controller = next(
        one
        for one in dom.devices.controller
        if one.type == "scsi" and (one.index or 0) == address.controller
    )
    name = {"lun": "scsi-block", "cdrom": "scsi-cd"}.get(disk.device or "", "scsi-hd")
    content: dict[str, Any] = {"bus": f"{controller.alias}.0"}
    if controller.model == "lsilogic":
        content["scsi-id"] = address.unit
    else:
        content |= {"channel": address.bus, "scsi-id": address.target, "lun": address.unit}
    if name != "scsi-block":
        content["device_id"] = disk.serial or f"drive-{disk.alias}"
    tail = dict(tail)
    if disk.target.removable is not None and name == "scsi-hd":
        tail["removable"] = disk.target.removable
    return device(name, content | tail)
