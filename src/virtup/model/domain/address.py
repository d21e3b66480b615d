"""Where a device sits in the guest: on which bus, in which slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from virtup.model import scalar
from virtup.model.field import Element, at

USB_PORT = scalar.pattern(
    r"(?:[1-9]\d{0,2}|0)(?:\.[1-9]\d{0,2}){0,3}", "up to four numbers joined by '.'"
)


CONTROLLER = scalar.number(0, 255)
"""The index of a controller: far more than any machine takes, and few enough to make them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PciAddress(Element):
    """A PCI address; one without a slot asks for any free slot."""

    KIND: ClassVar[tuple[str, str]] = ("type", "pci")
    domain: int | None = at("@domain", scalar.hexadecimal(4, 0xFFFF))
    bus: int | None = at("@bus", scalar.hexadecimal(2, 0xFF))
    slot: int | None = at("@slot", scalar.hexadecimal(2, 0x1F))
    function: int | None = at("@function", scalar.hexadecimal(1, 7))
    multifunction: bool | None = at("@multifunction", scalar.ON_OFF)

    @property
    def is_given(self) -> bool:
        """Whether it names a place (libvirt takes 0000:00:00.0 for "any")."""
        return bool(self.domain or self.bus or self.slot or self.function)

    def __str__(self) -> str:
        """In the form that lspci uses."""
        return f"{self.domain or 0:04x}:{self.bus or 0:02x}:{self.slot or 0:02x}.{self.function or 0:x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveAddress(Element):
    """A place on a disk controller."""

    KIND: ClassVar[tuple[str, str]] = ("type", "drive")
    controller: int | None = at("@controller", CONTROLLER)
    bus: int | None = at("@bus")
    target: int | None = at("@target")
    unit: int | None = at("@unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtioSerialAddress(Element):
    """A port of a virtio-serial controller."""

    KIND: ClassVar[tuple[str, str]] = ("type", "virtio-serial")
    controller: int | None = at("@controller", CONTROLLER)
    bus: int | None = at("@bus")
    port: int | None = at("@port")


@dataclass(frozen=True, slots=True, kw_only=True)
class CcidAddress(Element):
    """A slot of a smart card reader."""

    KIND: ClassVar[tuple[str, str]] = ("type", "ccid")
    controller: int | None = at("@controller", CONTROLLER)
    slot: int | None = at("@slot")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbAddress(Element):
    """A USB bus and the path of ports on it."""

    KIND: ClassVar[tuple[str, str]] = ("type", "usb")
    bus: int | None = at("@bus")
    port: str | None = at("@port", USB_PORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsaAddress(Element):
    """An I/O port and an interrupt line."""

    KIND: ClassVar[tuple[str, str]] = ("type", "isa")
    iobase: int | None = at("@iobase", scalar.hexadecimal(1, 0xFFFF))
    irq: int | None = at("@irq", scalar.hexadecimal(1, 0xFF))


@dataclass(frozen=True, slots=True, kw_only=True)
class DimmAddress(Element):
    """A memory slot and where it is mapped."""

    KIND: ClassVar[tuple[str, str]] = ("type", "dimm")
    slot: int | None = at("@slot")
    base: int | None = at("@base", scalar.hexadecimal(1, scalar.ULONG_MAX))


Address = (
    PciAddress
    | DriveAddress
    | VirtioSerialAddress
    | CcidAddress
    | UsbAddress
    | IsaAddress
    | DimmAddress
)
