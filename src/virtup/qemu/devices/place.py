"""Where a device sits, in QEMU's words; and the options that virtio devices share."""

from __future__ import annotations

from typing import Any, Protocol

from virtup.model.domain.address import CcidAddress, IsaAddress, PciAddress, UsbAddress
from virtup.model.domain.guest import Domain

ROOTS = {"pci-root": "pci.0", "pcie-root": "pcie.0"}
"""The buses that the machine type brings, whose names nobody chooses."""


def pci_bus(dom: Domain, index: int) -> str:
    """The name of the bus that PCI controller *index* makes."""
    for one in dom.devices.controller:
        if one.type == "pci" and (one.index or 0) == index:
            if one.model in ROOTS:
                return ROOTS[one.model]
            return one.alias or f"pci.{index}"
    return f"pci.{index}"


def place(dom: Domain, address: object) -> dict[str, Any]:
    """The members that put a device at *address*; empty for none."""
    match address:
        case PciAddress():
            at: dict[str, Any] = {"bus": pci_bus(dom, address.bus or 0)}
            if address.multifunction is not None:
                at["multifunction"] = address.multifunction
            at["addr"] = f"{address.slot or 0:#x}" + (
                f".{address.function:#x}" if address.function else ""
            )
            return at
        case UsbAddress():
            return {"bus": usb_bus(dom, address.bus or 0), "port": address.port}
        case CcidAddress():
            return {"bus": f"ccid{address.controller or 0}.0"}
        case IsaAddress():
            found: dict[str, Any] = {}
            if address.iobase is not None:
                found["iobase"] = address.iobase
            if address.irq is not None:
                found["irq"] = address.irq
            return found
        case _:
            return {}


def usb_bus(dom: Domain, index: int) -> str:
    """The name of USB bus *index*: that of its first controller which is no companion."""
    for one in dom.devices.controller:
        if one.type == "usb" and (one.index or 0) == index and one.master_startport is None:
            return f"{one.alias}.0"
    return f"usb{index or ''}.0"


class VirtioOptions(Protocol):
    """The options of a virtio device's ``<driver>``."""

    @property
    def iommu(self) -> bool | None:
        """Whether an IOMMU is used."""

    @property
    def ats(self) -> bool | None:
        """Whether address translation services are used."""

    @property
    def packed(self) -> bool | None:
        """Whether the rings are packed."""

    @property
    def page_per_vq(self) -> bool | None:
        """Whether every queue has a page of its own."""


def virtio(driver: VirtioOptions | None) -> dict[str, Any]:
    """The members that say how a virtio device talks to the guest."""
    if driver is None:
        return {}
    return {
        "iommu_platform": driver.iommu,
        "ats": driver.ats,
        "packed": driver.packed,
        "page-per-vq": driver.page_per_vq,
    }


def virtio_name(stem: str, model: str | None) -> str:
    """The device *stem* on PCI, in the form that *model* asks for."""
    suffix = {
        "virtio-transitional": "-transitional",
        "virtio-non-transitional": "-non-transitional",
    }.get(model or "", "")
    return f"{stem}-pci{suffix}"
