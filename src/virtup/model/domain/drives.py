"""Places on their buses for disks, and the controllers that these buses need."""

from __future__ import annotations

import re
from typing import Any

from virtup.model.domain.address import CcidAddress, DriveAddress
from virtup.model.domain.devices.disk import Disk
from virtup.model.domain.draft import Draft

CONTROLLERS_MAX = 255
UNITS = {"ide": 4, "sata": 6, "fdc": 2, "scsi": 15}
"""How many disks of a bus one controller takes by default."""


def disk_index(name: str) -> int:
    """The number that the letters of a target name stand for: vda 0, vdz 25, vdaa 26."""
    letters = re.sub("^(?:hd|sd|vd|xvd|fd|ubd)", "", name)
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - 96
    return index - 1


def assign_drives(draft: Draft) -> None:
    """A place on its bus for every disk that names none, and the controllers that it needs."""
    taken = {
        (
            disk.target.bus,
            disk.address.controller,
            disk.address.bus,
            disk.address.target,
            disk.address.unit,
        )
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
                disk,
                f"invalid address type '{kind}' for the disk '{disk.target.dev}' with the bus type '{bus}'",
            )
        index = disk_index(disk.target.dev)
        while True:
            address = _drive_address(bus, index)
            place = (bus, address.controller, address.bus, address.target, address.unit)
            if bus != "scsi" or place not in taken:
                break
            index += 1
        if (address.controller or 0) > CONTROLLERS_MAX:
            raise draft.refused(
                disk,
                f"disk '{disk.target.dev}' would be on {bus} controller {address.controller}, "
                f"accepted are up to {CONTROLLERS_MAX}",
            )
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
            disk.address.controller or 0
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
    _add_smartcard_readers(draft)


def _add_smartcard_readers(draft: Draft) -> None:
    cards = draft.lists["smartcard"]
    taken = {one.address.slot for one in cards if isinstance(one.address, CcidAddress)}
    for slot in draft.slots("smartcard"):
        if draft.get(slot).address is None:
            free = next(number for number in range(len(cards) + 1) if number not in taken)
            taken.add(free)
            draft.set_address(slot, CcidAddress(controller=0, slot=free))
        draft.add_controller("ccid", draft.get(slot).address.controller or 0)
