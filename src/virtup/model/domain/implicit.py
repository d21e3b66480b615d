"""The devices that a guest has without naming them, and the defaults of those it names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from virtup.model.domain.address import DriveAddress
from virtup.model.domain.devices.character import Channel, Character, Console, Serial
from virtup.model.domain.devices.controller import Controller
from virtup.model.domain.devices.disk import Disk, DiskDriver
from virtup.model.domain.devices.input import Input
from virtup.model.domain.devices.memballoon import Memballoon
from virtup.model.domain.devices.sound import Audio
from virtup.model.domain.devices.video import Video
from virtup.model.domain.devices.watchdog import Watchdog
from virtup.model.domain.draft import Draft, insert_controller

BUS_OF_PREFIX = {"hd": "ide", "sd": "scsi", "vd": "virtio", "fd": "fdc"}
UNITS = {"ide": 4, "sata": 6, "fdc": 2, "scsi": 15}
"""How many disks of a bus one controller takes by default."""


def disk_index(name: str) -> int:
    """The number that the letters of a target name stand for: vda 0, vdz 25, vdaa 26."""
    letters = re.sub("^(?:hd|sd|vd|xvd|fd|ubd)", "", name)
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - 96
    return index - 1


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
    driver = replace(driver, name=driver.name or "qemu", type=driver.type or "raw", cache=cache)
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
        draft.lists["watchdog"].append(Watchdog(model="itco", action="reset"))
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


def default_characters(draft: Draft) -> None:
    """Ports and targets of serial ports, and the console that is another name of the first."""
    for kind in ("serial", "parallel", "console", "channel"):
        draft.edit(kind, _plain_source)
    draft.edit("channel", _own_path)
    _number(draft.lists["serial"])
    draft.edit("serial", _serial_target)
    draft.edit("console", lambda one: replace(one, target_type=one.target_type or "serial"))
    _add_console(draft)
    _number(draft.lists["parallel"])
    consoles = draft.lists["console"]
    for position, one in enumerate(consoles):
        consoles[position] = replace(one, port=position if one.port is None else one.port)
    mirror_console(draft)


def mirror_console(draft: Draft) -> None:
    """Make the first console, where it is a serial port's other name, say the same as that."""
    serials, consoles = draft.lists["serial"], draft.lists["console"]
    if serials and consoles and consoles[0].target_type == "serial":
        consoles[0] = _console_of(serials[0])


OWN_CHANNEL = re.compile(
    r"/(?:var/)?(?:lib|run)/(?:libvirt|virtup)/qemu/channel/(?:target/)?"
    r"(?:domain-[^/]+/|\d+-[^/]+/|[^/]+\.)"
)


def _own_path(one: Channel) -> Channel:
    """Without a socket's path that an earlier start made: each start makes its own."""
    source = one.source[0] if one.source else None
    if one.type != "unix" or source is None or not source.path or not one.name:
        return one
    head = OWN_CHANNEL.match(source.path)
    if head is None or source.path[head.end() :] not in (one.name, ""):
        stem = source.path.removesuffix(one.name)
        if stem == source.path or OWN_CHANNEL.fullmatch(stem) is None:
            return one
    return replace(one, source=())


def _plain_source(one: Character) -> Character:
    """Without what only a running guest has: the path of a pty."""
    if one.type == "pty":
        return replace(one, source=(), tty=None)
    return replace(one, tty=None)


def _add_console(draft: Draft) -> None:
    serials, consoles = draft.lists["serial"], draft.lists["console"]
    is_port = bool(serials) and serials[0].target_type != "isa-debug"
    if is_port and (not consoles or consoles[0].target_type != "serial"):
        consoles[:] = [replace(one, port=None) for one in consoles]
        consoles.insert(0, Console(type=serials[0].type, target_type="serial"))
    elif consoles and not serials and consoles[0].target_type == "serial":
        first = consoles[0]
        serials.append(
            Serial(
                type=first.type,
                source=first.source,
                protocol=first.protocol,
                log=first.log,
                port=first.port or 0,
                target_type="isa-serial",
                model="isa-serial",
                line=first.line,
            )
        )


def _console_of(serial: Serial) -> Console:
    return Console(
        type=serial.type,
        source=serial.source,
        protocol=serial.protocol,
        log=serial.log,
        target_type="serial",
        port=serial.port,
        address=serial.address,
        alias=serial.alias,
        line=serial.line,
    )


def _number(characters: list[Any]) -> None:
    for position, one in enumerate(characters):
        if one.port is None:
            top = max((other.port for other in characters if other.port is not None), default=-1)
            characters[position] = replace(one, port=top + 1)


def _serial_target(one: Serial) -> Serial:
    by_address = {"usb": "usb-serial", "pci": "pci-serial"}
    target: Any = one.target_type
    if target is None:
        kind = one.address.KIND[1] if one.address is not None and one.address.KIND else ""
        target = by_address.get(kind, "isa-serial")
    model: Any = one.model or ("isa-debugcon" if target == "isa-debug" else target)
    return replace(one, target_type=target, model=model)


def assign_drives(draft: Draft) -> None:
    """A place on its bus for every disk that names none, and the controllers that it needs."""
    taken = {
        (disk.target.bus, disk.address.controller, disk.address.bus, disk.address.target, disk.address.unit)
        for disk in draft.lists["disk"]
        if isinstance(disk.address, DriveAddress)
    }
    for slot in draft.slots("disk"):
        disk: Disk = draft.get(slot)
        bus = disk.target.bus or ""
        if bus not in UNITS:
            continue
        if isinstance(disk.address, DriveAddress):
            a = disk.address
            full = DriveAddress(
                controller=a.controller or 0, bus=a.bus or 0, target=a.target or 0, unit=a.unit or 0
            )
            draft.set_address(slot, full)
            continue
        if disk.address is not None:
            kind = disk.address.KIND[1]
            raise draft.unsupported(
                disk, f"invalid address type '{kind}' for the disk '{disk.target.dev}' with the bus type '{bus}'"
            )
        index = disk_index(disk.target.dev)
        if index > 26**3:
            raise draft.refused(disk, f"unknown disk name '{disk.target.dev}' and no address specified")
        while True:
            address = _drive_address(bus, index)
            place = (bus, address.controller, address.bus, address.target, address.unit)
            if bus != "scsi" or place not in taken:
                break
            index += 1
        taken.add(place)
        draft.set_address(slot, address)


def _drive_address(bus: str, index: int) -> DriveAddress:
    controller, unit = divmod(index, UNITS[bus])
    channel = 0
    if bus == "ide":
        channel, unit = divmod(unit, 2)
    if bus == "scsi" and unit >= 7:
        unit += 1
    return DriveAddress(controller=controller, bus=channel, target=0, unit=unit)


def add_bus_controllers(draft: Draft) -> None:
    """The controllers that disks, channels and consoles need."""
    buses: tuple[Any, ...] = ("scsi", "fdc", "ide", "sata")
    for bus in buses:
        indexes = [
            disk.address.controller
            for disk in draft.lists["disk"]
            if disk.target.bus == bus and isinstance(disk.address, DriveAddress)
        ]
        if indexes:
            for index in range(max(indexes) + 1):
                draft.add_controller(bus, index)
    for kind in ("channel", "console"):
        for one in draft.lists[kind]:
            if one.target_type == "virtio":
                index = getattr(one.address, "controller", None) or 0
                draft.add_controller("virtio-serial", index)
