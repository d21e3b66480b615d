"""PCI addresses: chipset devices where real hardware has them, the rest in libvirt's order.

The order is what a guest sees as its hardware, so it is the same as libvirt's: bridges, shared
directories, network cards, sound, controllers, disks, host devices, balloon, rng, watchdog,
video, and the small ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from virtup.model.domain.address import PciAddress
from virtup.model.domain.devices.controller import Controller, PciTarget
from virtup.model.domain.draft import Draft, Slot
from virtup.model.domain.pcibus import PLUG_OF_MODEL, Buses, Plug, Unpluggable
from virtup.model.field import Element

ROOTS = ("pci-root", "pcie-root")
ICH9 = {"ich9-ehci1": 7, "ich9-uhci1": 0, "ich9-uhci2": 1, "ich9-uhci3": 2}
"""Function of each part of the ICH9's USB 2 controller in its slot."""

ORDER = (
    "filesystem", "interface", "sound", "controller", "disk", "hostdev", "memballoon", "rng",
    "watchdog", "video", "shmem", "input", "parallel", "serial", "channel", "console", "vsock",
    "crypto", "iommu", "memory", "panic", "pstore",
)  # fmt: skip


def assign_pci(draft: Draft) -> None:
    """Give every PCI device without an address one, adding bridges and ports as needed.

    Raises XmlRefused for addresses that clash or do not fit their bus.
    """
    if not draft.has_pci:
        _no_pci(draft)
        return
    _Pass(draft, dry=True).run()
    _Pass(draft, dry=False).run()
    _set_multifunction(draft)
    _fill_targets(draft)


def _no_pci(draft: Draft) -> None:
    for kind in ORDER:
        for slot in draft.slots(kind):
            device = draft.get(slot)
            if plug_of(draft, slot) is not None:
                name = "memballoon" if kind == "memballoon" else kind
                raise draft.refused(device, f"no PCI buses available for this <{name}>")


class _Pass:
    """One run over all devices: the dry one finds the missing bridges, the other gives addresses."""

    def __init__(self, draft: Draft, *, dry: bool) -> None:
        self.draft = draft
        self.dry = dry
        self.buses = Buses(dry=dry, pcie_bridge=draft.caps.has("device.pcie-pci-bridge"))
        self.addresses: dict[Slot, PciAddress] = {}
        self.given = 0

    def run(self) -> None:
        """All steps, in libvirt's order."""
        self._make_buses()
        self._reserve_given()
        if self.draft.is_q35:
            self._chipset_q35()
        else:
            self._chipset_i440fx()
        self._assign()
        if self.dry:
            self._add_missing()
        else:
            for slot, address in self.addresses.items():
                self.draft.set_address(slot, address)

    def _make_buses(self) -> None:
        controllers = {one.index or 0: one for one in self.draft.controllers("pci")}
        root = controllers.get(0)
        wanted = "pcie-root" if self.draft.is_q35 else "pci-root"
        if root is None or root.model != wanted:
            found = root.model if root else "none"
            raise self.draft.refused(
                root or self.draft.dom.os,
                f"the PCI controller with index='0' must be model='{wanted}' for this machine "
                f"type, but model='{found}' was found instead",
            )
        filler = "pcie-root-port" if self.draft.is_q35 else "pci-bridge"
        for index in range(max(controllers) + 1):
            one = controllers.get(index)
            if index and one is not None and one.model in ROOTS:
                raise self.draft.refused(one, f"'{one.model}' cannot have index {index}, only 0")
            model = one.model if one and one.model else filler
            self._at(one or self.draft.dom.os, partial(self.buses.add, model))
        self.given = len(self.buses.all)

    def _reserve_given(self) -> None:
        for kind in ("controller", *(name for name in ORDER if name != "controller")):
            for slot in self.draft.slots(kind):
                device = self.draft.get(slot)
                address = device.address
                if not isinstance(address, PciAddress) or not address.is_given:
                    continue
                plug = plug_of(self.draft, slot)
                if plug is None or self._is_chipset(device):
                    continue
                self._at(device, partial(self.buses.reserve, address, plug, given=True))

    def _is_chipset(self, device: Element) -> bool:
        """Whether a controller is part of the PIIX3, which is reserved by itself."""
        return (
            self.draft.is_i440fx
            and isinstance(device, Controller)
            and not device.index
            and (device.type == "ide" or device.model == "piix3-uhci")
        )

    def _at(self, device: Element, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Unpluggable as exc:
            raise self.draft.refused(device, str(exc)) from exc

    def _fixed(self, slot: Slot, number: int, function: int, *, name: str) -> None:
        """Put a chipset's device at its own place; refuse another one."""
        device = self.draft.get(slot)
        place = PciAddress(domain=0, bus=0, slot=number, function=function)
        given = device.address
        if isinstance(given, PciAddress) and given.is_given:
            if str(given) != str(place):
                raise self.draft.refused(
                    device, f"{name} must have PCI address {number:#x}.{function}, not {given}"
                )
            if not self._is_chipset(device):
                return
        else:
            self.addresses[slot] = place
        self._at(device, partial(self.buses.reserve, place, Plug.PCI_DEVICE))

    def _wants(self, slot: Slot) -> bool:
        address = self.draft.get(slot).address
        if slot in self.addresses:
            return False
        return address is None or (isinstance(address, PciAddress) and not address.is_given)

    def _chipset_i440fx(self) -> None:
        for slot in self.draft.slots("controller"):
            one: Controller = self.draft.get(slot)
            if one.index:
                continue
            if one.type == "ide":
                self._fixed(slot, 1, 1, name="the primary IDE controller")
            elif one.type == "usb" and one.model == "piix3-uhci":
                self._fixed(slot, 1, 2, name="the PIIX3 USB controller")
        bridge = PciAddress(domain=0, bus=0, slot=1, function=0)
        self._at(self.draft.dom.os, partial(self.buses.reserve, bridge, Plug.PCI_DEVICE))
        self._primary_video(2)

    def _chipset_q35(self) -> None:
        for slot in self.draft.slots("controller"):
            one: Controller = self.draft.get(slot)
            if one.type == "sata" and not one.index:
                self._fixed(slot, 0x1F, 2, name="the primary SATA controller")
            elif one.type == "usb" and one.model == "ich9-uhci1" and self._wants(slot):
                for number in (0x1D, 0x1A):
                    if not self.buses.slot_in_use(0, number):
                        self._prefer(slot, number, 0)
                        break
            elif (
                one.model == "dmi-to-pci-bridge"
                and self._wants(slot)
                and not self.buses.slot_in_use(0, 0x1E)
            ):
                self._prefer(slot, 0x1E, 0)
        for function in (0, 3):
            place = PciAddress(domain=0, bus=0, slot=0x1F, function=function)
            self._at(self.draft.dom.os, partial(self.buses.reserve, place, Plug.PCI_DEVICE))
        self._primary_video(1)
        for slot in self.draft.slots("sound"):
            if self.draft.get(slot).model == "ich9" and self._wants(slot):
                if not self.buses.slot_in_use(0, 0x1B):
                    self._prefer(slot, 0x1B, 0)
                break

    def _prefer(self, slot: Slot, number: int, function: int) -> None:
        place = PciAddress(domain=0, bus=0, slot=number, function=function)
        plug = plug_of(self.draft, slot)
        assert plug is not None
        self._at(self.draft.get(slot), partial(self.buses.reserve, place, plug & ~Plug.AUTO))
        self.addresses[slot] = place

    def _primary_video(self, number: int) -> None:
        """The first graphics card's slot, which is also its slot for guests of old."""
        for slot in self.draft.slots("video"):
            is_wanting = plug_of(self.draft, slot) is not None and self._wants(slot)
            if is_wanting and not self.buses.slot_in_use(0, number):
                self._prefer(slot, number, 0)
            return

    def _assign(self) -> None:
        for slot in self.draft.slots("controller"):
            one: Controller = self.draft.get(slot)
            if one.type == "pci" and one.model not in ROOTS and self._wants(slot):
                self._next(slot)
        for kind in ORDER:
            for slot in self.draft.slots(kind):
                device = self.draft.get(slot)
                if kind == "controller" and device.type == "pci":
                    continue
                if not self._wants(slot):
                    continue
                if kind == "controller" and device.model in ICH9:
                    self._ich9(slot)
                elif plug_of(self.draft, slot) is not None:
                    self._next(slot)

    def _next(self, slot: Slot) -> None:
        plug = plug_of(self.draft, slot)
        assert plug is not None
        self.addresses[slot] = self._at(self.draft.get(slot), partial(self.buses.next, plug))

    def _ich9(self, slot: Slot) -> None:
        """The parts of one USB 2 controller share a slot."""
        one: Controller = self.draft.get(slot)
        function = ICH9[one.model or ""]
        plug = plug_of(self.draft, slot)
        assert plug is not None
        for other in self.draft.slots("controller"):
            sibling: Controller = self.draft.get(other)
            if other == slot or sibling.model not in ICH9:
                continue
            found = self.addresses.get(other) or sibling.address
            if sibling.index == one.index and isinstance(found, PciAddress):
                place = PciAddress(domain=0, bus=found.bus, slot=found.slot, function=function)
                self._at(one, partial(self.buses.reserve, place, plug, given=True))
                self.addresses[slot] = place
                return
        self.addresses[slot] = self._at(one, partial(self.buses.next, plug, function=function))

    def _add_missing(self) -> None:
        """Make controllers of the buses that grew.

        A guest whose definition names no PCI Express port gets one more than it needs, to plug
        into while it runs.
        """
        if self.draft.is_q35 and self.given == 1 and len(self.buses.all) > 1:
            self._at(self.draft.dom.os, partial(self.buses.next, Plug.PCIE_DEVICE | Plug.AUTO))
        number = 1
        while number < len(self.buses.all):
            model = self.buses.all[number].model
            if self.draft.add_controller("pci", number, model):
                plug = PLUG_OF_MODEL[model]
                self._at(self.draft.dom.os, partial(self.buses.next, plug))
            number += 1


def plug_of(draft: Draft, slot: Slot) -> Plug | None:
    """How the device in *slot* plugs into a PCI bus; None when it is no PCI device."""
    device = draft.get(slot)
    pci = Plug.PCI_DEVICE | Plug.AUTO
    pcie = (Plug.PCIE_DEVICE | Plug.AUTO) if draft.is_q35 else pci
    match slot.kind:
        case "controller":
            return _plug_of_controller(device, pci, pcie)
        case "interface":
            if device.type == "hostdev":
                return pcie
            model = device.model or "rtl8139"
            if model in ("e1000e", "igb") or model == "virtio-non-transitional":
                return pcie
            if model == "usb-net":
                return None
            return pcie if model == "virtio" else pci
        case "disk":
            return _virtio(device.model, pci, pcie) if device.target.bus == "virtio" else None
        case "memballoon" | "rng" | "vsock" | "filesystem":
            return _virtio(device.model, pci, pcie)
        case "input":
            return _virtio(device.model, pci, pcie) if device.bus == "virtio" else None
        case "video":
            if device.type in ("none", "ramfb"):
                return None
            return pcie if device.type in ("virtio", "bochs") else pci
        case "watchdog":
            return pci if device.model == "i6300esb" else None
        case "serial":
            return pci if device.target_type == "pci-serial" else None
        case "sound":
            if device.model == "virtio":
                return pcie
            return pci if device.model in ("ich6", "ich9", "ac97", "es1370") else None
        case "crypto":
            return pcie
        case "iommu":
            return (pcie | Plug.INTEGRATED) & ~Plug.AUTO if device.model == "virtio" else None
        case "panic":
            return pci if device.model == "pvpanic" else None
        case "pstore" | "shmem":
            return pci
        case "hostdev":
            return pcie if device.type == "pci" else None
        case _:
            return None


def _virtio(model: str | None, pci: Plug, pcie: Plug) -> Plug:
    return pci if model == "virtio-transitional" else pcie


def _plug_of_controller(one: Controller, pci: Plug, pcie: Plug) -> Plug | None:
    match one.type:
        case "pci":
            return PLUG_OF_MODEL.get(one.model or "")
        case "usb":
            if one.model == "none":
                return None
            return pcie if one.model in ("nec-xhci", "qemu-xhci") else pci
        case "virtio-serial":
            return _virtio(one.model, pci, pcie)
        case "scsi":
            if one.model in ("virtio-scsi", "virtio-non-transitional"):
                return pcie
            return pci
        case "ide" | "sata":
            return pci
        case _:
            return None


def _set_multifunction(draft: Draft) -> None:
    """Mark function 0 of every slot in which another function is used too."""
    places: dict[tuple[int, int], set[int]] = {}
    slots = [slot for kind in ("controller", *ORDER) for slot in draft.slots(kind)]
    for slot in slots:
        address = draft.get(slot).address
        if isinstance(address, PciAddress) and plug_of(draft, slot) is not None:
            place = (address.bus or 0, address.slot or 0)
            places.setdefault(place, set()).add(address.function or 0)
    for slot in slots:
        address = draft.get(slot).address
        if not isinstance(address, PciAddress):
            continue
        used = places.get((address.bus or 0, address.slot or 0), set())
        multi = address.multifunction
        if not address.function and len(used) > 1 and multi is None:
            multi = True
        full = PciAddress(
            domain=address.domain or 0,
            bus=address.bus or 0,
            slot=address.slot or 0,
            function=address.function or 0,
            multifunction=multi,
        )
        if full != address:
            draft.set_address(slot, full)


def _fill_targets(draft: Draft) -> None:
    """Chassis, port and bus numbers of bridges and ports."""
    for slot in draft.slots("controller"):
        one: Controller = draft.get(slot)
        if one.type != "pci" or one.model in ROOTS:
            continue
        target = one.target or PciTarget()
        address = one.address
        assert isinstance(address, PciAddress)
        if one.model == "pci-bridge":
            target = replace(target, chassis_nr=target.chassis_nr or one.index)
        elif one.model in ("pcie-root-port", "pcie-switch-downstream-port"):
            number = address.slot or 0
            if one.model == "pcie-root-port":
                number = (number << 3) + (address.function or 0)
            target = replace(
                target,
                chassis=one.index if target.chassis is None else target.chassis,
                port=number if target.port is None else target.port,
            )
        elif one.model in ("pci-expander-bus", "pcie-expander-bus") and target.bus_nr is None:
            target = replace(target, bus_nr=_free_bus_number(draft))
        draft.put(slot, replace(one, target=target if target != PciTarget() else None))


def _free_bus_number(draft: Draft) -> int:
    """Two below the lowest number that an expander bus has, 254 for the first."""
    lowest = min(
        (one.target.bus_nr for one in draft.controllers("pci") if one.target and one.target.bus_nr),
        default=256,
    )
    return lowest - 2
