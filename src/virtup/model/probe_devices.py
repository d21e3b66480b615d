"""Questions about devices that are handed to guests: PCI, USB, mediated, and who has them."""

from __future__ import annotations

from dataclasses import dataclass

from virtup.model.probe import Fact, Holder, Probe


@dataclass(frozen=True, slots=True)
class PciNeighbour:
    """A device of an IOMMU group; ``driver`` is ``""`` when none is bound, ``bridge`` for bridges."""

    address: str
    driver: str = ""
    bridge: bool = False


@dataclass(frozen=True, slots=True)
class PciFact(Fact):
    """A PCI device of the host.

    ``group`` is its IOMMU group, ``""`` without one; ``members`` that group's devices, itself
    included. ``answers``: its configuration can be read. ``resets``: the kernel can reset it
    alone. ``iommu``: any device of the host has a group.
    """

    exists: bool = False
    driver: str = ""
    group: str = ""
    members: tuple[PciNeighbour, ...] = ()
    answers: bool = True
    resets: bool = False
    iommu: bool = False


@dataclass(frozen=True, slots=True)
class PciDevice(Probe[PciFact]):
    """What is the PCI device at *address* (``0000:01:00.0``)?"""

    address: str


@dataclass(frozen=True, slots=True)
class GroupFact(Fact):
    """An IOMMU group; ``node``: /dev/vfio has it; ``holders`` have that node open."""

    exists: bool = False
    members: tuple[PciNeighbour, ...] = ()
    node: bool = False
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class IommuGroup(Probe[GroupFact]):
    """What is IOMMU group *number*?"""

    number: str


@dataclass(frozen=True, slots=True)
class VfioFact(Fact):
    """What the host has for handing devices on; ``groups`` counts its IOMMU groups."""

    node: bool = False
    module: bool = False
    groups: int = 0
    mediated: bool = False


@dataclass(frozen=True, slots=True)
class Vfio(Probe[VfioFact]):
    """Can the host hand devices to guests at all?"""


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A USB device of the host; numbers as ``lsusb`` has them."""

    vendor: str
    product: str
    bus: int
    device: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class UsbFact(Fact):
    """The USB devices that the host has."""

    devices: tuple[UsbDevice, ...] = ()


@dataclass(frozen=True, slots=True)
class Usb(Probe[UsbFact]):
    """Which USB devices does the host have?"""
