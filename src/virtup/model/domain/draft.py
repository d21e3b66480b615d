"""A definition while it is being completed: its devices in lists that can change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from virtup.errors import ConfigUnsupported, XmlRefused
from virtup.model.document import Place
from virtup.model.domain.address import Address
from virtup.model.domain.caps import Caps
from virtup.model.domain.devices.controller import Controller, Kind
from virtup.model.domain.guest import Devices, Domain
from virtup.model.field import Element

LISTS = (
    "disk", "controller", "filesystem", "interface", "smartcard", "serial", "parallel", "console",
    "channel", "input", "tpm", "graphics", "sound", "audio", "video", "hostdev", "redirdev", "hub",
    "watchdog", "rng", "panic", "shmem", "memory", "crypto", "iommu", "vsock", "pstore",
)  # fmt: skip
"""The device lists; a list that `Devices` does not declare stays empty."""

_KNOWN = frozenset(LISTS) & frozenset(Devices.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Slot:
    """A device's place in a list of the draft: stays right while the device is replaced."""

    kind: str
    index: int


class Draft:
    """The devices of *dom* in lists, and what else the passes need."""

    def __init__(self, dom: Domain, caps: Caps) -> None:
        self.dom = dom
        self.caps = caps
        self.lists: dict[str, list[Any]] = {
            name: list(getattr(dom.devices, name, ())) for name in LISTS
        }
        self.memballoon = dom.devices.memballoon

    @property
    def machine(self) -> str:
        """The machine type's name."""
        return self.dom.os.machine or ""

    @property
    def is_q35(self) -> bool:
        """Whether the machine has a PCI Express root."""
        return self.machine == "q35" or self.machine.startswith("pc-q35-")

    @property
    def is_i440fx(self) -> bool:
        """Whether the machine has a PCI root with a PIIX3 south bridge."""
        return self.machine in ("pc", "pc-0.12") or self.machine.startswith(("pc-i440fx-", "pc-0."))

    @property
    def has_pci(self) -> bool:
        """Whether the machine has PCI at all."""
        return self.is_q35 or self.is_i440fx

    def freeze(self) -> Domain:
        """The definition with the devices as they are now."""
        kept: dict[str, Any] = {name: tuple(self.lists[name]) for name in _KNOWN}
        devices = replace(self.dom.devices, memballoon=self.memballoon, **kept)
        return replace(self.dom, devices=devices)

    def get(self, slot: Slot) -> Any:
        """The device in *slot*."""
        return self.memballoon if slot.kind == "memballoon" else self.lists[slot.kind][slot.index]

    def put(self, slot: Slot, device: Any) -> None:
        """Replace the device in *slot*."""
        if slot.kind == "memballoon":
            self.memballoon = device
        else:
            self.lists[slot.kind][slot.index] = device

    def set_address(self, slot: Slot, address: Address) -> None:
        """Put the device in *slot* at *address*."""
        self.put(slot, replace(self.get(slot), address=address))

    def slots(self, kind: str) -> Iterator[Slot]:
        """The slots of all devices of *kind*."""
        if kind == "memballoon":
            if self.memballoon is not None and self.memballoon.model != "none":
                yield Slot(kind, 0)
            return
        for index in range(len(self.lists[kind])):
            yield Slot(kind, index)

    def edit(self, kind: str, change: Callable[[Any], Any]) -> None:
        """Replace every device of *kind* by what *change* makes of it."""
        self.lists[kind] = [change(device) for device in self.lists[kind]]

    def controllers(self, kind: Kind) -> list[Controller]:
        """The controllers of one type."""
        return [one for one in self.lists["controller"] if one.type == kind]

    def add_controller(self, kind: Kind, index: int, model: Any = None) -> bool:
        """Add a controller unless there is one of that type and index. Tells whether it did."""
        if any(one.index == index for one in self.controllers(kind)):
            return False
        insert_controller(self.lists["controller"], Controller(type=kind, index=index, model=model))
        return True

    def refused(self, element: Element, sentence: str) -> XmlRefused:
        """The error for an impossible value in *element*."""
        return XmlRefused(f"{sentence} ({self.place(element)})")

    def unsupported(self, element: Element, sentence: str) -> ConfigUnsupported:
        """The error for something that this machine or QEMU does not have."""
        return ConfigUnsupported(f"{sentence} ({self.place(element)})")

    def place(self, element: Element) -> Place:
        """Where *element* stands in the document."""
        return Place(self.dom.source, element.line)


def insert_controller(controllers: list[Controller], new: Controller) -> None:
    """Put *new* where libvirt puts it: among its type by index, else at the end."""
    at = -1
    for position in range(len(controllers) - 1, -1, -1):
        current = controllers[position]
        if current.type != new.type:
            continue
        if new.index is None:
            at = position + 1
            break
        known = -1 if current.index is None else current.index
        companion = new.master_startport is None and current.master_startport is not None
        if known > new.index or (companion and known == new.index):
            at = position
        elif at == -1:
            at = position + 1
    controllers.insert(len(controllers) if at == -1 else at, new)
