"""Ports on USB buses."""

from __future__ import annotations

from virtup.model.domain.address import UsbAddress
from virtup.model.domain.draft import Draft, Slot

PORTS = {"piix3-uhci": 2, "piix4-uhci": 2, "ehci": 6, "ich9-ehci1": 6, "vt82c686b-uhci": 2,
         "ich9-uhci1": 2, "ich9-uhci2": 2, "ich9-uhci3": 2, "pci-ohci": 3, "nec-xhci": 4,
         "qemu-xhci": 4}  # fmt: skip
"""Ports of each controller model that names no number."""

HUB_PORTS = 8
KINDS = (
    "hub",
    "controller",
    "input",
    "redirdev",
    "smartcard",
    "serial",
    "sound",
    "disk",
    "hostdev",
)


def assign_usb(draft: Draft, *, make: bool) -> None:
    """Check the ports that are given; with *make* give the other USB devices one each.

    Raises XmlRefused for ports that clash, are not there, or do not suffice.
    """
    free = _ports(draft)
    wanting: list[Slot] = []
    devices = [slot for kind in KINDS for slot in draft.slots(kind) if is_usb(draft, slot)]
    seen: set[Slot] = set()
    for slot in devices:
        if slot in seen:
            continue
        seen.add(slot)
        address = draft.get(slot).address
        if isinstance(address, UsbAddress) and address.port not in (None, "0"):
            _reserve(draft, slot, free)
        else:
            wanting.append(slot)
    for slot in sorted(wanting if make else (), key=lambda one: KINDS.index(one.kind)):
        _assign(draft, slot, free)


def is_usb(draft: Draft, slot: Slot) -> bool:
    """Whether the device in *slot* plugs into a USB bus."""
    device = draft.get(slot)
    match slot.kind:
        case "input":
            return bool(device.bus == "usb")
        case "hub" | "redirdev":
            return True
        case "controller":
            return bool(device.type == "ccid")
        case "disk":
            return bool(device.target.bus == "usb")
        case "serial":
            return bool(device.target_type == "usb-serial")
        case "sound":
            return bool(device.model == "usb")
        case "hostdev":
            return bool(device.type == "usb")
        case _:
            return False


def _ports(draft: Draft) -> dict[int, dict[str, bool]]:
    """Of every bus its ports, and whether each is free."""
    buses: dict[int, dict[str, bool]] = {}
    for one in draft.controllers("usb"):
        if one.model == "none" or one.master_startport is not None:
            continue
        count = one.ports or PORTS.get(one.model or "", 2)
        buses[one.index or 0] = {str(port): True for port in range(1, count + 1)}
    return buses


def _reserve(draft: Draft, slot: Slot, free: dict[int, dict[str, bool]]) -> None:
    device = draft.get(slot)
    bus, port = device.address.bus or 0, device.address.port
    if port not in free.get(bus, {}):
        raise draft.refused(device, f"requested USB port {port} not present on USB bus {bus}")
    if not free[bus][port]:
        raise draft.refused(device, f"duplicate USB address bus {bus} port {port}")
    free[bus][port] = False
    if slot.kind == "hub":
        free[bus].update({f"{port}.{below}": True for below in range(1, HUB_PORTS + 1)})
    draft.set_address(slot, UsbAddress(bus=bus, port=port))


def _assign(draft: Draft, slot: Slot, free: dict[int, dict[str, bool]]) -> None:
    device = draft.get(slot)
    wanted = device.address.bus if isinstance(device.address, UsbAddress) else None
    for bus in sorted(free) if wanted is None else [wanted]:
        ports = [port for port, is_free in free.get(bus, {}).items() if is_free]
        if ports:
            draft.set_address(slot, UsbAddress(bus=bus, port=ports[0]))
            _reserve(draft, slot, free)
            return
    raise draft.refused(device, "no free USB ports")
