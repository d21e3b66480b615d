"""Devices that are handed to guests, as sysfs shows them."""

from __future__ import annotations

import os
import re

from virtup.host.evidence import hostfs
from virtup.host.evidence.holders import files_open
from virtup.model.probe_devices import (
    GroupFact,
    IommuGroup,
    PciDevice,
    PciFact,
    PciNeighbour,
    Usb,
    UsbDevice,
    UsbFact,
    Vfio,
    VfioFact,
)

_PCI = "/sys/bus/pci/devices"
_GROUPS = "/sys/kernel/iommu_groups"
_USB = "/sys/bus/usb/devices"
_BRIDGE_CLASS = "0x06"
_CONFIG_GONE = b"\xff\xff\xff\xff"
"""What a device that is off the bus answers for its vendor and product."""


def pci(probe: PciDevice) -> PciFact:
    """Return what sysfs shows of the device, and its group's other devices."""
    folder = f"{_PCI}/{probe.address}"
    iommu = bool(hostfs.listed(_GROUPS))
    if not re.fullmatch(r"[\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d", probe.address):
        raise ValueError(f"'{probe.address}' is no PCI address")
    if not hostfs.exists(folder):
        return PciFact(iommu=iommu)
    group = hostfs.link_name(f"{folder}/iommu_group")
    return PciFact(
        exists=True,
        driver=hostfs.link_name(f"{folder}/driver"),
        group=group,
        members=_members(group) if group else (),
        answers=_config(folder) != _CONFIG_GONE,
        resets=hostfs.exists(f"{folder}/reset"),
        iommu=iommu,
    )


def iommu_group(probe: IommuGroup) -> GroupFact:
    """Return the group's devices, and who has its node in /dev/vfio."""
    if not probe.number.isdigit():
        raise ValueError(f"'{probe.number}' is no IOMMU group")
    if not hostfs.exists(f"{_GROUPS}/{probe.number}"):
        return GroupFact()
    node = f"/dev/vfio/{probe.number}"
    there = hostfs.exists(node)
    return GroupFact(
        True, _members(probe.number), there, files_open(hostfs.at(node)) if there else ()
    )


def vfio(_: Vfio) -> VfioFact:
    """Return what of VFIO there is."""
    return VfioFact(
        node=hostfs.exists("/dev/vfio/vfio"),
        module=hostfs.exists("/sys/module/vfio_pci")
        or hostfs.exists("/sys/bus/pci/drivers/vfio-pci"),
        groups=len(hostfs.listed(_GROUPS)),
        mediated=hostfs.exists("/sys/class/mdev_bus") or hostfs.exists("/sys/bus/mdev"),
    )


def usb(_: Usb) -> UsbFact:
    """Return the USB devices that the kernel knows."""
    found = []
    for name in hostfs.listed(_USB):
        folder = f"{_USB}/{name}"
        vendor = hostfs.value(f"{folder}/idVendor")
        bus, device = hostfs.value(f"{folder}/busnum"), hostfs.value(f"{folder}/devnum")
        if vendor and bus.isdigit() and device.isdigit():
            words = [hostfs.value(f"{folder}/{one}") for one in ("manufacturer", "product")]
            found.append(
                UsbDevice(
                    vendor,
                    hostfs.value(f"{folder}/idProduct"),
                    int(bus),
                    int(device),
                    " ".join(word for word in words if word),
                )
            )
    return UsbFact(tuple(found))


def _members(group: str) -> tuple[PciNeighbour, ...]:
    folder = f"{_GROUPS}/{group}/devices"
    return tuple(
        PciNeighbour(
            name,
            hostfs.link_name(f"{_PCI}/{name}/driver"),
            hostfs.value(f"{_PCI}/{name}/class").startswith(_BRIDGE_CLASS),
        )
        for name in hostfs.listed(folder)
    )


def _config(folder: str) -> bytes:
    """Return the first four bytes of the device's configuration, none when they cannot be read."""
    try:
        number = os.open(hostfs.at(f"{folder}/config"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(number, 4, 0)
    except OSError:
        return b""
    finally:
        os.close(number)
