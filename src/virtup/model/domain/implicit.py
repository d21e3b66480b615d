"""The devices that a guest has without naming them, and the defaults of those it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from virtup.model.domain.devices.controller import Controller
from virtup.model.domain.devices.disk import Disk, DiskDriver
from virtup.model.domain.devices.input import Input
from virtup.model.domain.devices.memballoon import Memballoon
from virtup.model.domain.devices.sound import Audio
from virtup.model.domain.devices.video import Video
from virtup.model.domain.devices.watchdog import Watchdog
from virtup.model.domain.draft import Draft, insert_controller
from virtup.model.domain.drives import disk_index
from virtup.model.domain.guest import Domain

IMPLIED_WATCHDOG = Watchdog(model="itco", action="reset")
"""The watchdog of every q35 machine, which libvirt names since 9.1."""

BUS_OF_PREFIX = {"hd": "ide", "sd": "scsi", "vd": "virtio", "fd": "fdc"}


def order_lists(draft: Draft) -> None:
    """Bring disks and controllers into libvirt's order, and number the controllers."""
    disks: list[Disk] = []
    for disk in draft.lists["disk"]:
        _insert_disk(disks, with_bus(disk))
    draft.lists["disk"] = disks
    controllers: list[Controller] = []
    for one in draft.lists["controller"]:
        insert_controller(controllers, with_master(one))
    draft.lists["controller"] = controllers
    for position, one in enumerate(controllers):
        if one.index is None:
            index = _companion_index(controllers, position)
            if index is None:
                taken = {other.index for other in controllers if other.type == one.type}
                index = next(n for n in range(len(controllers) + 1) if n not in taken)
            controllers[position] = replace(one, index=index)
    ordered: list[Controller] = []
    for one in controllers:
        insert_controller(ordered, one)
    draft.lists["controller"] = ordered


STARTPORTS = {"ich9-uhci1": 0, "ich9-uhci2": 2, "ich9-uhci3": 4}
"""The first port of the USB 2 controller that each of its companions serves."""


def with_master(one: Controller) -> Controller:
    """A USB 1 companion of a USB 2 controller, with the ports that it serves."""
    port = STARTPORTS.get(one.model or "")
    if port is None or one.master_startport is not None:
        return one
    return replace(one, master_startport=port)


def _companion_index(controllers: list[Controller], position: int) -> int | None:
    """The index of the USB 2 controller before *position*, if this is a further part of it."""
    one = controllers[position]
    before = controllers[position - 1] if position else None
    parts = (*STARTPORTS, "ich9-ehci1")
    if before is None or before.model not in parts or one.model not in parts:
        return None
    taken = {other.model for other in controllers if other.index == before.index}
    return None if one.model in taken else before.index


def with_bus(disk: Disk) -> Disk:
    """*disk* with what its type and target imply."""
    target = disk.target
    bus: Any = target.bus
    if bus is None:
        bus = "fdc" if disk.device == "floppy" else BUS_OF_PREFIX.get(target.dev[:2], "ide")
    driver = disk.driver or DiskDriver()
    cache = None if driver.cache == "default" else driver.cache
    # what a volume is taken for without a word is settled when its pool has been asked
    is_volume = disk.type == "volume" and disk.source is not None
    format = driver.type if is_volume else driver.type or "raw"
    driver = replace(driver, name=driver.name or "qemu", type=format, cache=cache)
    if disk.device == "cdrom":
        target = replace(target, removable=None)
    device = disk.device or "disk"
    return replace(
        disk,
        type=disk.type or "file",
        device=device,
        driver=driver,
        target=replace(target, bus=bus, tray=None if target.tray == "closed" else target.tray),
        readonly=disk.readonly or device == "cdrom",
    )


def _insert_disk(disks: list[Disk], new: Disk) -> None:
    at = -1
    for position in range(len(disks) - 1, -1, -1):
        current = disks[position]
        if current.target.bus != new.target.bus:
            continue
        if disk_index(current.target.dev) > disk_index(new.target.dev):
            at = position
        elif at == -1:
            at = position + 1
    disks.insert(len(disks) if at == -1 else at, new)


def add_machine_devices(draft: Draft) -> None:
    """What the machine type brings: its root bus, a USB controller, PS/2, a balloon."""
    usb: Any = "piix3-uhci"
    if draft.is_q35:
        found = [m for m in ("qemu-xhci", "nec-xhci") if draft.caps.has(f"device.{USB_DEVICE[m]}")]
        usb = found[0] if found else "ich9-ehci1"
    if draft.has_pci and not draft.controllers("usb"):
        draft.add_controller("usb", 0, usb)
    if draft.is_q35:
        draft.add_controller("sata", 0)
        draft.add_controller("pci", 0, "pcie-root")
    elif draft.is_i440fx:
        draft.add_controller("pci", 0, "pci-root")
    if draft.is_q35 and not any(one.model == "itco" for one in draft.lists["watchdog"]):
        draft.lists["watchdog"].append(IMPLIED_WATCHDOG)
    if draft.memballoon is None:
        draft.memballoon = Memballoon(model="virtio")
    add_inputs(draft)
    if not draft.lists["audio"]:
        draft.lists["audio"].append(Audio(id=1, type="none"))
    if draft.lists["graphics"] and not draft.lists["video"]:
        draft.lists["video"].append(Video())


USB_DEVICE = {"qemu-xhci": "qemu-xhci", "nec-xhci": "nec-usb-xhci"}


def add_inputs(draft: Draft) -> None:
    """The mouse and keyboard of the PS/2 controller."""
    features = draft.dom.features
    if features is not None and features.ps2 is False:
        return
    inputs: list[Input] = draft.lists["input"]
    kinds: tuple[Any, ...] = ("mouse", "keyboard")
    for kind in kinds:
        if not any(one.type == kind and one.bus == "ps2" for one in inputs):
            inputs.append(Input(type=kind, bus="ps2"))


def default_input(draft: Draft) -> Callable[[Input], Input]:
    """Give an input device its bus."""
    no_usb = any(one.model == "none" for one in draft.controllers("usb"))

    def change(one: Input) -> Input:
        bus: Any = one.bus or ("ps2" if one.type != "tablet" else "usb")
        if bus == "usb" and no_usb:
            raise draft.unsupported(one, f"a USB {one.type} needs a USB bus, which is disabled")
        return replace(one, bus=bus)

    return change


def default_controller(one: Controller) -> Controller:
    """The model of a controller that names none."""
    model: Any = one.model
    if one.type == "usb" and model is None:
        model = "piix3-uhci"
    if one.type == "scsi" and model in (None, "auto"):
        model = "lsilogic"
    name: Any = one.model_name
    if one.type == "pci":
        name = name or PCI_MODEL_NAMES.get(model or "")
    return replace(one, model=model, model_name=name)


PCI_MODEL_NAMES = {
    "pci-bridge": "pci-bridge",
    "dmi-to-pci-bridge": "i82801b11-bridge",
    "pcie-to-pci-bridge": "pcie-pci-bridge",
    "pcie-root-port": "pcie-root-port",
    "pcie-switch-upstream-port": "x3130-upstream",
    "pcie-switch-downstream-port": "xio3130-downstream",
    "pci-expander-bus": "pxb",
    "pcie-expander-bus": "pxb-pcie",
}


def default_video(one: Video, *, primary: bool) -> Video:
    """The type and memory of a graphics card; the first is the primary one."""
    kind = one.type or "cirrus"
    one = replace(one, type=kind, heads=one.heads or 1, primary=True if primary else None)
    if kind in ("vga", "cirrus", "vmvga", "bochs"):
        one = replace(one, vram_kib=one.vram_kib or 16384)
    if kind == "qxl":
        one = replace(
            one,
            ram_kib=one.ram_kib or 65536,
            vram_kib=one.vram_kib or 65536,
            vgamem_kib=one.vgamem_kib or 16384,
        )
    if kind == "none":
        one = replace(one, heads=1)
    return one


def with_implied(domain: Domain) -> Domain:
    """*domain*, as it was stored, with what its machine type implies and older libvirts leave out."""
    watchdogs = domain.devices.watchdog
    if not _is_q35(domain) or any(one.model == "itco" for one in watchdogs):
        return domain
    return _with_watchdogs(domain, (*watchdogs, IMPLIED_WATCHDOG))


def without_implied(domain: Domain) -> Domain:
    """The reverse, for a definition to be stored: libvirt 9.0 cannot read an iTCO watchdog."""
    kept = tuple(one for one in domain.devices.watchdog if one != IMPLIED_WATCHDOG)
    return _with_watchdogs(domain, kept) if _is_q35(domain) else domain


def _is_q35(domain: Domain) -> bool:
    machine = domain.os.machine or ""
    return machine == "q35" or machine.startswith("pc-q35-")


def _with_watchdogs(domain: Domain, watchdogs: tuple[Watchdog, ...]) -> Domain:
    return replace(domain, devices=replace(domain.devices, watchdog=watchdogs))
