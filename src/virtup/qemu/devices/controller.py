"""Options of controllers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.domain.devices.controller import Controller, PciTarget
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.place import place, virtio, virtio_name
from virtup.qemu.option import Option, device, keyed

USB = {
    "piix3-uhci": "piix3-usb-uhci",
    "piix4-uhci": "piix4-usb-uhci",
    "ehci": "usb-ehci",
    "ich9-ehci1": "ich9-usb-ehci1",
    "ich9-uhci1": "ich9-usb-uhci1",
    "ich9-uhci2": "ich9-usb-uhci2",
    "ich9-uhci3": "ich9-usb-uhci3",
    "vt82c686b-uhci": "vt82c686b-usb-uhci",
    "pci-ohci": "pci-ohci",
    "nec-xhci": "nec-usb-xhci",
    "qemu-xhci": "qemu-xhci",
}
SCSI = {
    "lsilogic": "lsi",
    "lsisas1068": "mptsas1068",
    "lsisas1078": "megasas",
    "vmpvscsi": "pvscsi",
}
ORDER = ("pci", "usb", "scsi", "ide", "sata", "virtio-serial", "ccid")
"""PCI first, as the others plug into it; libvirt's order otherwise."""


def options(dom: Domain) -> Iterator[Option]:
    """All controllers that are not part of the machine type itself."""
    q35 = is_q35(dom)
    for kind in ORDER:
        for one in dom.devices.controller:
            if one.type == kind:
                yield from _options(one, dom, q35=q35)


def globals_(dom: Domain) -> Iterator[Option]:
    """Settings of the root bus."""
    for one in dom.devices.controller:
        hotplug = one.target.hotplug if one.target else None
        if one.model == "pci-root" and hotplug is not None:
            yield keyed("-global", None, [("PIIX4_PM.acpi-root-pci-hotplug", hotplug)])
        if one.pcihole64_kib is not None and one.model in ("pci-root", "pcie-root"):
            host = "i440FX-pcihost" if one.model == "pci-root" else "q35-pcihost"
            yield keyed("-global", None, [(f"{host}.pci-hole64-size", f"{one.pcihole64_kib}K")])


def is_q35(dom: Domain) -> bool:
    """Whether the machine type has a PCI Express root."""
    machine = dom.os.machine or ""
    return machine == "q35" or machine.startswith("pc-q35-")


def _options(one: Controller, dom: Domain, *, q35: bool) -> Iterator[Option]:
    match one.type:
        case "pci":
            yield from _pci(one, dom)
        case "usb" if one.model != "none":
            yield _usb(one, dom)
        case "scsi":
            yield _scsi(one, dom)
        case "sata" if not (q35 and not one.index):
            yield device("ahci", {"id": one.alias} | place(dom, one.address))
        case "virtio-serial":
            yield _serial(one, dom)
        case "ccid":
            yield device("usb-ccid", {"id": one.alias} | place(dom, one.address))
        case _:
            return


def _pci(one: Controller, dom: Domain) -> Iterator[Option]:
    target = one.target or PciTarget()
    at = place(dom, one.address)
    match one.model:
        case "pci-bridge":
            yield device("pci-bridge", {"chassis_nr": target.chassis_nr, "id": one.alias} | at)
        case "pcie-root-port" | "pcie-switch-downstream-port":
            content = {
                "port": target.port,
                "chassis": target.chassis,
                "id": one.alias,
                "hotplug": target.hotplug,
            }
            yield device(str(one.model_name), content | at)
        case "pci-expander-bus" | "pcie-expander-bus":
            content = {"bus_nr": target.bus_nr, "id": one.alias, "numa_node": target.node}
            yield device(str(one.model_name), content | at)
        case "dmi-to-pci-bridge" | "pcie-to-pci-bridge" | "pcie-switch-upstream-port":
            yield device(str(one.model_name), {"id": one.alias} | at)
        case _:
            return


def _usb(one: Controller, dom: Domain) -> Option:
    driver = USB[one.model or ""]
    content: dict[str, Any] = {}
    if one.model in ("nec-xhci", "qemu-xhci") and one.ports:
        content = {"p2": one.ports, "p3": one.ports}
    if one.master_startport is not None:
        master = f"usb{one.index or ''}.0"
        content |= {"masterbus": master, "firstport": one.master_startport}
    else:
        content["id"] = one.alias
    return device(driver, content | place(dom, one.address))


def _scsi(one: Controller, dom: Domain) -> Option:
    driver = one.driver
    name = SCSI.get(one.model or "")
    if name is not None:
        return device(name, {"id": one.alias} | place(dom, one.address))
    model = None if one.model == "virtio-scsi" else one.model
    content: dict[str, Any] = virtio(driver)
    if driver is not None:
        content |= {
            "iothread": f"iothread{driver.iothread}" if driver.iothread else None,
            "num_queues": driver.queues,
            "cmd_per_lun": driver.cmd_per_lun,
            "max_sectors": driver.max_sectors,
            "ioeventfd": driver.ioeventfd,
        }
    content["id"] = one.alias
    return device(virtio_name("virtio-scsi", model), content | place(dom, one.address))


def _serial(one: Controller, dom: Domain) -> Option:
    content: dict[str, Any] = virtio(one.driver)
    content |= {"id": one.alias, "max_ports": one.ports, "vectors": one.vectors}
    return device(virtio_name("virtio-serial", one.model), content | place(dom, one.address))
