"""Buses that other devices plug into: `<controller>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.address import CONTROLLER
from virtup.model.domain.device import ACPI, MASTER, Device
from virtup.model.field import Element, at

Kind = Literal["ide", "fdc", "scsi", "sata", "virtio-serial", "ccid", "usb", "pci"]
Model = Literal[
    "virtio", "auto", "buslogic", "lsilogic", "lsisas1068", "vmpvscsi", "virtio-scsi", "lsisas1078",
    "virtio-transitional", "virtio-non-transitional",
    "piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3",
    "vt82c686b-uhci", "pci-ohci", "nec-xhci", "qemu-xhci", "none",
    "pci-root", "pcie-root", "pci-bridge", "dmi-to-pci-bridge", "pcie-to-pci-bridge",
    "pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port",
    "pci-expander-bus", "pcie-expander-bus",
]  # fmt: skip
PciModelName = Literal[
    "pci-bridge", "i82801b11-bridge", "pcie-pci-bridge", "pcie-root-port", "ioh3420",
    "x3130-upstream", "xio3130-downstream", "pxb", "pxb-pcie",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerDriver(Element):
    """How QEMU drives the controller."""

    queues: int | None = at("@queues", scalar.POSITIVE)
    cmd_per_lun: int | None = at("@cmd_per_lun", scalar.POSITIVE)
    max_sectors: int | None = at("@max_sectors", scalar.POSITIVE)
    ioeventfd: bool | None = at("@ioeventfd", scalar.ON_OFF)
    iothread: int | None = at("@iothread", scalar.POSITIVE)
    iommu: bool | None = at("@iommu", scalar.ON_OFF)
    ats: bool | None = at("@ats", scalar.ON_OFF)
    packed: bool | None = at("@packed", scalar.ON_OFF)
    page_per_vq: bool | None = at("@page_per_vq", scalar.ON_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class PciTarget(Element):
    """Settings of a PCI bridge or port."""

    chassis_nr: int | None = at("@chassisNr", scalar.number(1, 255))
    chassis: int | None = at("@chassis", scalar.number(0, 255))
    port: int | None = at("@port", scalar.hexadecimal(1, 255))
    bus_nr: int | None = at("@busNr", scalar.number(1, 254))
    hotplug: bool | None = at("@hotplug", scalar.ON_OFF)
    node: int | None = at("node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller(Device):
    """One controller; those of a type are told apart by *index*."""

    type: Kind = at("@type", required=True)
    index: int | None = at("@index", CONTROLLER)
    model: Model | None = at("@model")
    ports: int | None = at("@ports", scalar.number(1, 256))
    vectors: int | None = at("@vectors", scalar.number(0, 2**31 - 1))
    model_name: PciModelName | None = at("model/@name")
    target: PciTarget | None = at("target")
    driver: ControllerDriver | None = at("driver")
    pcihole64_kib: int | None = at("pcihole64", scalar.KIB)
    master_startport: int | None = at("master/@startport", last=MASTER)
    acpi_index: int | None = at("acpi/@index", scalar.POSITIVE, last=ACPI)

    def problems(self) -> Iterator[str]:
        """A model that is another controller's, and options of another kind."""
        if self.model is not None and self.model not in MODELS[self.type]:
            accepted = ", ".join(f"'{name}'" for name in MODELS[self.type]) or "none"
            yield f"a {self.type} controller has no model '{self.model}', accepted: {accepted}"
        if self.driver is not None and self.driver.iothread and self.type != "scsi":
            yield "'iothread' attribute is accepted for virtio-scsi controllers only"
        if self.type != "pci" and (self.target or self.model_name):
            yield f"<target> and <model> belong to PCI controllers, not to type '{self.type}'"
        if self.type == "pci" and self.model is None:
            yield f"a pci controller has no 'model', accepted: {', '.join(MODELS['pci'])}"
        if self.model in ("pci-root", "pcie-root") and (self.index or self.address):
            yield f"'{self.model}' is the machine's own bus: it has index 0 and no address"
        limit = 15 if self.model in ("nec-xhci", "qemu-xhci") else 256
        if self.type == "usb" and self.ports and self.ports > limit:
            yield f"'{self.model}' controller has at most {limit} ports, not {self.ports}"


_VIRTIO = ("virtio-transitional", "virtio-non-transitional")
MODELS: dict[str, tuple[str, ...]] = {
    "ide": (),
    "fdc": (),
    "sata": (),
    "ccid": (),
    "virtio-serial": ("virtio", *_VIRTIO),
    "scsi": ("auto", "lsilogic", "lsisas1068", "vmpvscsi", "virtio-scsi", "lsisas1078", *_VIRTIO),
    "usb": (
        "piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3",
        "vt82c686b-uhci", "pci-ohci", "nec-xhci", "qemu-xhci", "none",
    ),
    "pci": (
        "pci-root", "pcie-root", "pci-bridge", "dmi-to-pci-bridge", "pcie-to-pci-bridge",
        "pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port",
        "pci-expander-bus", "pcie-expander-bus",
    ),
}  # fmt: skip
