"""Settings that a device of that kind does not have: refused, as nothing would come of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.errors import ConfigUnsupported
from virtup.model.document import Place
from virtup.model.domain.address import (
    Address,
    CcidAddress,
    DimmAddress,
    DriveAddress,
    VirtioSerialAddress,
)
from virtup.model.domain.devices.disk import Disk
from virtup.model.domain.devices.interface import Interface
from virtup.model.domain.guest import Domain
from virtup.model.field import Element

VIRTIO = frozenset({"iommu", "ats", "packed", "page_per_vq"})
"""What every virtio device's ``<driver>`` has."""

DISK_VIRTIO = VIRTIO | {"ioeventfd", "event_idx", "iothread", "queues", "queue_size"}
INTERFACE_VIRTIO = VIRTIO | {
    "txmode",
    "ioeventfd",
    "event_idx",
    "rx_queue_size",
    "tx_queue_size",
    "rss",
    "rss_hash_report",
}
VIRTIO_MODELS = ("virtio", "virtio-transitional", "virtio-non-transitional")


def refuse_idle_settings(dom: Domain) -> None:
    """Refuse what no device of *dom*, which is complete, takes up. Raises ConfigUnsupported."""
    for element, sentence in (*_lifecycle(dom), *_cpu(dom), *_devices(dom), *_addresses(dom)):
        raise ConfigUnsupported(f"{sentence} ({Place(dom.source, element.line or dom.line)})")


def _lifecycle(dom: Domain) -> Iterator[tuple[Element, str]]:
    for name in ("on_poweroff", "on_reboot", "on_crash"):
        action = getattr(dom, name)
        if action == "rename-restart":
            yield (
                dom,
                (
                    f"qemu driver doesn't support the 'rename-restart' action for '{name}', "
                    "accepted: destroy, restart, preserve"
                ),
            )
        if action in ("coredump-destroy", "coredump-restart"):
            yield (
                dom,
                (
                    f"'{name}' with '{action}' is not supported: no core of a guest is written; "
                    "accepted: destroy, restart, preserve"
                ),
            )
    if dom.on_poweroff == "restart" and dom.on_reboot == "destroy":
        yield (
            dom,
            (
                "qemu driver doesn't support 'on_reboot' set to 'destroy' and 'on_poweroff' set to "
                "'restart'"
            ),
        )
    # the chipset's own, as it is where nobody asked for it, says nothing
    said = [one for one in dom.devices.watchdog if (one.model, one.action) != ("itco", "reset")]
    for one in dom.devices.watchdog:
        if one.action == "dump":
            yield (
                one,
                (
                    "watchdog action 'dump' is not supported: no core of a guest is written; accepted: "
                    "reset, shutdown, poweroff, pause, none, inject-nmi"
                ),
            )
    if len({one.action for one in said}) > 1:
        yield said[1], "all watchdogs of a guest have one action in common"


def _cpu(dom: Domain) -> Iterator[tuple[Element, str]]:
    cpu = dom.cpu
    if cpu is not None and cpu.match in ("minimum", "strict"):
        yield cpu, f"CPU match '{cpu.match}' is not supported, accepted: exact"


def _addresses(dom: Domain) -> Iterator[tuple[Element, str]]:
    for name in dom.devices.__dataclass_fields__:
        group = getattr(dom.devices, name)
        for one in group if isinstance(group, tuple) else (group,):
            address: Address | None = getattr(one, "address", None)
            if address is None:
                continue
            if not _has_place(name, one, address):
                kind = (address.KIND or ("", ""))[1]
                yield address, f"<{name}> has no address of type '{kind}'"


def _has_place(name: str, one: Any, address: Address) -> bool:
    """Whether a device takes an address of this kind; QEMU itself judges PCI, USB and ISA."""
    match address:
        case DriveAddress():
            return name == "disk" and one.target.bus not in ("virtio", "usb")
        case VirtioSerialAddress():
            return name in ("channel", "console") and one.target_type == "virtio"
        case CcidAddress():
            return name == "smartcard"
        case DimmAddress():
            return False
        case _:
            return name not in ("parallel", "iommu")


def _devices(dom: Domain) -> Iterator[tuple[Element, str]]:
    for disk in dom.devices.disk:
        for sentence in _disk(disk):
            yield disk, f"disk '{disk.target.dev}': {sentence}"
    for controller in dom.devices.controller:
        if controller.acpi_index is not None:
            yield controller, "<acpi index=...> is not accepted for controllers"
    for nic in dom.devices.interface:
        for sentence in _interface(nic):
            yield nic, f"interface '{nic.mac}': {sentence}"


def _disk(disk: Disk) -> Iterator[str]:
    bus = disk.target.bus
    if bus != "virtio":
        for name in _given(disk.driver, DISK_VIRTIO):
            yield f"'{name}' belongs to bus 'virtio', not to '{bus}'"
        if disk.model is not None:
            yield f"model '{disk.model}' belongs to bus 'virtio', not to '{bus}'"
        if disk.acpi_index is not None:
            yield f"<acpi> belongs to bus 'virtio', not to '{bus}'"
    if disk.target.removable is not None and bus not in ("usb", "scsi"):
        yield f"'removable' belongs to the buses 'usb' and 'scsi', not to '{bus}'"
    if disk.target.tray is not None and disk.device not in ("cdrom", "floppy"):
        yield "'tray' belongs to CD-ROM and floppy drives"
    source, driver = disk.source, disk.driver
    policy = source.startup_policy if source is not None else None
    if policy == "requisite" and disk.device not in ("cdrom", "floppy"):
        yield "startupPolicy 'requisite' belongs to CD-ROM and floppy drives"
    image = driver.type if driver is not None else None
    if driver is not None and driver.discard_no_unref is not None and image != "qcow2":
        yield f"'discard_no_unref' needs an image of type 'qcow2', not '{image or 'raw'}'"
    if driver is not None and driver.metadata_cache is not None and image != "qcow2":
        yield f"<metadata_cache> needs an image of type 'qcow2', not '{image or 'raw'}'"
    below = disk.backing_store
    while below is not None and below.source is not None:
        if below.source.startup_policy is not None:
            yield "'startupPolicy' belongs to the disk's own <source>, not to one in <backingStore>"
        below = below.backing_store


def _interface(nic: Interface) -> Iterator[str]:
    if nic.model not in VIRTIO_MODELS:
        for name in _given(nic.driver, INTERFACE_VIRTIO):
            yield f"'{name}' belongs to model 'virtio', not to '{nic.model}'"
    if nic.type == "user" and nic.mtu is not None and nic.model not in VIRTIO_MODELS:
        yield f"<mtu> with user networking needs model 'virtio', not '{nic.model}'"
    if nic.target is not None and nic.target.managed is False:
        if nic.type != "ethernet":
            yield f"<target managed='no'> belongs to type 'ethernet', not to '{nic.type}'"
        elif nic.target.dev is None:
            yield "<target managed='no'> names the tap that is to be used in 'dev', and has none"


def _given(driver: Any, names: frozenset[str]) -> list[str]:
    return [] if driver is None else [n for n in sorted(names) if getattr(driver, n) is not None]
