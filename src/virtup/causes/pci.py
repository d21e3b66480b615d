"""Proofs by the host's PCI, USB and mediated devices, and by their IOMMU groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from virtup.causes.finding import Fix
from virtup.causes.proof import Proof, Shown, holds, refuted
from virtup.causes.usage import options
from virtup.causes.who import holders
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, Probe
from virtup.model.probe_devices import (
    GroupFact,
    IommuGroup,
    PciDevice,
    PciFact,
    PciNeighbour,
    Usb,
    UsbDevice,
    Vfio,
)
from virtup.model.probe_system import Module, OpenFiles

_ADDRESS = re.compile(
    r"^(?:(?P<domain>[\da-f]{4}):)?(?P<rest>[\da-f]{2}:[\da-f]{2}\.\d)$", re.IGNORECASE
)
_HANDED = {"vfio-pci", "pci-stub", ""}
"""Drivers with which a group may be handed on, and none at all (vfio.txt of the kernel)."""


def address_of(text: str) -> str:
    """Return *text* as sysfs names a PCI device, ``""`` when it is no address."""
    found = _ADDRESS.match(text.strip().rpartition("/")[2])
    return f"{found['domain'] or '0000'}:{found['rest']}".lower() if found else ""


def assigned(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses of the PCI devices that the command line hands to the guest."""
    found = []
    for option in options(argv):
        fields = option.fields()
        if option.name == "device" and "vfio-pci" in {fields.get(""), fields.get("driver")}:
            address = address_of(str(fields.get("host") or fields.get("sysfsdev") or ""))
            if address:
                found.append(address)
    return tuple(dict.fromkeys(found))


def _devices(ev: Evidence, subject: str) -> tuple[str, ...]:
    """Return the subject when it is an address, else every device that is handed on."""
    named = address_of(subject)
    return (named,) if named else assigned(ev.argv)


def of_device(judge: Callable[[str, PciFact], Shown | None]) -> Proof:
    """Return the proof that *judge* finds of the device, or of one of those that are handed on."""

    def asks(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        yield from (PciDevice(address) for address in _devices(ev, subject))

    def judges(ev: Evidence, subject: str) -> Shown | None:
        seen = [
            shown
            for address in _devices(ev, subject)
            if (fact := ev.fact(PciDevice(address))) is not None
            and (shown := judge(address, fact)) is not None
        ]
        return next((shown for shown in seen if shown.holds), seen[0] if seen else None)

    return Proof(judges, asks)


def _not_bound(address: str, fact: PciFact) -> Shown | None:
    if not fact.exists:
        return None
    if fact.driver == "vfio-pci":
        return refuted(f"{address} is bound to vfio-pci")
    bound = f"is bound to {fact.driver}" if fact.driver else "has no driver"
    commands = (f"driverctl set-override {address} vfio-pci",)
    fix = Fix("bind it to vfio-pci, or use <hostdev managed='yes'>", commands)
    return holds(f"{address} {bound}", fixes=(fix,))


def _gone(address: str, fact: PciFact) -> Shown | None:
    if not fact.exists:
        return holds(f"sysfs has no device {address}")
    if not fact.answers:
        return holds(f"the configuration of {address} reads as all ones")
    return refuted(f"{address} answers")


def _no_iommu(address: str, fact: PciFact) -> Shown | None:
    if not fact.exists:
        return None
    if fact.group:
        return refuted(f"{address} is in IOMMU group {fact.group}")
    return holds(
        f"{address} has no IOMMU group"
        if fact.iommu
        else "/sys/kernel/iommu_groups is empty: no IOMMU is on"
    )


def _no_reset(address: str, fact: PciFact) -> Shown | None:
    if not fact.exists or fact.resets:
        return refuted(f"the kernel can reset {address} alone") if fact.exists else None
    return holds(f"{address} has no 'reset' in sysfs: it cannot be reset alone")


NOT_BOUND = of_device(_not_bound)
"""A device is on another driver than vfio-pci."""
GONE = of_device(_gone)
"""A device is not on the bus, or does not answer."""
NO_RESET = of_device(_no_reset)
"""A device cannot be reset alone."""


def _no_group_at_all(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(Vfio())
    if fact is None:
        return None
    if fact.groups:
        return None
    return holds("/sys/kernel/iommu_groups is empty: no IOMMU is on")


NO_IOMMU_FOR = of_device(_no_iommu)
NO_IOMMU = Proof(_no_group_at_all, lambda _ev, _subject: (Vfio(),))
"""The host has no IOMMU group."""


def _no_vfio(ev: Evidence, _subject: str) -> Shown | None:
    fact = ev.fact(Vfio())
    if fact is None:
        return None
    if fact.module and fact.node and fact.groups:
        return refuted(f"vfio-pci is loaded, and there are {fact.groups} IOMMU groups")
    wants = [
        word
        for word, there in (
            ("no driver vfio-pci", fact.module),
            ("no /dev/vfio/vfio", fact.node),
            ("no IOMMU group", fact.groups),
        )
        if not there
    ]
    return holds(", ".join(wants))


NO_VFIO = Proof(_no_vfio, lambda _ev, _subject: (Vfio(),))
"""The host cannot hand devices on at all."""


def of_group(judge: Callable[[str, GroupFact], Shown | None]) -> Proof:
    """Return the proof that *judge* finds of the IOMMU group that the subject ends in."""

    def number(subject: str) -> str:
        last = subject.rpartition("/")[2]
        return last if last.isdigit() else ""

    def asks(_ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        return (IommuGroup(number(subject)),) if number(subject) else ()

    def judges(ev: Evidence, subject: str) -> Shown | None:
        fact = ev.fact(IommuGroup(number(subject))) if number(subject) else None
        return judge(number(subject), fact) if fact is not None and fact.exists else None

    return Proof(judges, asks)


def _foreign(members: tuple[PciNeighbour, ...]) -> list[PciNeighbour]:
    return [one for one in members if not one.bridge and one.driver not in _HANDED]


def _not_viable(number: str, fact: GroupFact) -> Shown | None:
    foreign = _foreign(fact.members)
    if not foreign:
        return refuted(f"no device of group {number} is on a driver of the host")
    named = ", ".join(f"{one.address} ({one.driver})" for one in foreign[:4])
    commands = tuple(f"driverctl set-override {one.address} vfio-pci" for one in foreign)
    fix = Fix("give these to vfio-pci as well; the host loses them", commands)
    return holds(f"in group {number} on drivers of the host: {named}", fixes=(fix,))


def _node_missing(number: str, fact: GroupFact) -> Shown | None:
    if fact.node:
        return refuted(f"/dev/vfio/{number} is there")
    drivers = ", ".join(f"{one.address} ({one.driver or 'no driver'})" for one in fact.members[:4])
    return holds(f"no /dev/vfio/{number}; its devices: {drivers}")


def _held(number: str, fact: GroupFact) -> Shown | None:
    if not fact.holders:
        return refuted(f"nobody has /dev/vfio/{number} open now")
    return holds(f"/dev/vfio/{number} is open in {holders(fact.holders)}")


NOT_VIABLE = of_group(_not_viable)
"""A group has devices on drivers of the host."""
NODE_MISSING = of_group(_node_missing)
"""A group has no node in /dev/vfio."""
GROUP_HELD = of_group(_held)
"""A group's node is open in another process."""


def _device_held(ev: Evidence, subject: str) -> Shown | None:
    address = address_of(subject)
    fact = ev.fact(PciDevice(address)) if address else None
    group = ev.fact(IommuGroup(fact.group)) if fact and fact.group else None
    return _held(fact.group, group) if fact and group and group.exists else None


def _device_group(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    address = address_of(subject)
    if address:
        yield PciDevice(address)
        fact = ev.fact(PciDevice(address))
        if fact is not None and fact.group:
            yield IommuGroup(fact.group)


DEVICE_HELD = Proof(_device_held, _device_group)
"""A device's group is open in another process."""


def _node_held(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(OpenFiles(subject))
    if fact is None or not fact.exists:
        return None
    if fact.holders:
        return holds(f"'{subject}' is open in {holders(fact.holders)}")
    return refuted(f"nobody has '{subject}' open now")


NODE_HELD = Proof(
    _node_held, lambda _ev, subject: (OpenFiles(subject),) if subject.startswith("/dev/") else ()
)
"""A device node is open in another process."""


def _split(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(IommuGroup(subject)) if subject.isdigit() else None
    if fact is None:
        return None
    inside = [one.address for one in fact.members if one.address in assigned(ev.argv)]
    if len(inside) < 2:
        return None
    return holds(f"group {subject} holds {' and '.join(inside)}, and the guest has them all")


SPLIT = Proof(_split, lambda _ev, subject: (IommuGroup(subject),) if subject.isdigit() else ())
"""The guest has several devices of one group."""


def _module_busy(ev: Evidence, subject: str) -> Shown | None:
    if address_of(subject):
        return None
    fact = ev.fact(Module(subject))
    if fact is None or not fact.loaded:
        return None
    if fact.references == 0:
        return refuted(f"nothing uses the module {subject} now")
    if fact.references < 0:
        return None
    users = f", by {', '.join(fact.users)}" if fact.users else ""
    return holds(f"the module {subject} is in use {fact.references} times{users}")


MODULE_BUSY = Proof(
    _module_busy,
    lambda _ev, subject: (Module(subject),) if re.fullmatch(r"[\w-]+", subject) else (),
)
"""A module of the host's is in use."""


def _usb_missing(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Usb())
    if fact is None:
        return None
    wanted = usb_wanted(subject)
    if wanted is None:
        return None
    found = [one for one in fact.devices if wanted(one)]
    if found:
        return refuted(f"the USB device {subject} is there: {found[0].name or 'unnamed'}")
    there = ", ".join(f"{one.vendor}:{one.product} {one.name}".strip() for one in fact.devices[:4])
    return holds(f"no USB device {subject}; it has: {there or 'none at all'}")


_USB_IDS = re.compile(r"^(?:0x)?([\da-f]{4}):(?:0x)?([\da-f]{4})$", re.IGNORECASE)
_USB_NODE = re.compile(r"^/dev/bus/usb/(\d+)/(\d+)$")
_USB_PLACE = re.compile(r"^(\d+):(\d+)$")


def usb_wanted(subject: str) -> Callable[[UsbDevice], bool] | None:
    """Return what tells the device that the subject names, by its ids, its node or its place."""
    ids = _USB_IDS.match(subject)
    if ids:
        pair = (ids[1].lower(), ids[2].lower())
        return lambda one: (one.vendor, one.product) == pair
    place = _USB_NODE.match(subject) or _USB_PLACE.match(subject)
    if place:
        numbers = (int(place[1]), int(place[2]))
        return lambda one: (one.bus, one.device) == numbers
    return None


USB_MISSING = Proof(_usb_missing, lambda _ev, subject: (Usb(),) if usb_wanted(subject) else ())
"""The USB device is not plugged in."""


def _several_usb(ev: Evidence, subject: str) -> Shown | None:
    fact, wanted = ev.fact(Usb()), usb_wanted(_padded(subject))
    if fact is None or wanted is None:
        return None
    found = [f"{one.bus}:{one.device}" for one in fact.devices if wanted(one)]
    if len(found) < 2:
        return refuted(f"{len(found)} USB device {subject} is there now")
    return holds(f"the USB devices {subject} are at {', '.join(found)} (bus:device)")


def _padded(ids: str) -> str:
    """A vendor and a product as libvirt prints them, with the zeros that it leaves out."""
    return ":".join(one.zfill(4) for one in ids.split(":"))


SEVERAL_USB = Proof(
    _several_usb, lambda _ev, subject: (Usb(),) if usb_wanted(_padded(subject)) else ()
)
"""The host has several USB devices of one kind."""


def _no_mediated(ev: Evidence, subject: str) -> Shown | None:
    fact = ev.fact(Vfio())
    if fact is None:
        return None
    if not fact.mediated:
        return holds("no device of it offers mediated devices (/sys/class/mdev_bus)")
    seen = ev.fact(PathAccess(_mediated(subject))) if _mediated(subject) else None
    if seen is None:
        return None
    if seen.exists:
        return refuted(f"'{_mediated(subject)}' is there")
    return holds(f"there is no '{_mediated(subject)}'")


_UUID = re.compile(r"[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}", re.IGNORECASE)


def _mediated(subject: str) -> str:
    found = _UUID.search(subject)
    return f"/sys/bus/mdev/devices/{found[0].lower()}" if found else ""


def _ask_mediated(_ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
    yield Vfio()
    if _mediated(subject):
        yield PathAccess(_mediated(subject))


NO_MEDIATED = Proof(_no_mediated, _ask_mediated)
"""The mediated device is not there."""
