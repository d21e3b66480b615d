"""PCI buses while addresses are given out: what each takes, and which slots are free."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Flag, auto

from virtup.model.domain.address import PciAddress


class Plug(Flag):
    """What a device is to a bus, and what a bus takes."""

    PCI_DEVICE = auto()
    PCIE_DEVICE = auto()
    PCIE_ROOT_PORT = auto()
    PCIE_UPSTREAM = auto()
    PCIE_DOWNSTREAM = auto()
    DMI_BRIDGE = auto()
    PCI_BRIDGE = auto()
    PCIE_BRIDGE = auto()
    EXPANDER = auto()
    PCIE_EXPANDER = auto()
    AUTO = auto()
    """On a device: no place was asked for. On a bus: it takes such devices."""
    SHARE_SLOT = auto()
    INTEGRATED = auto()


ENDPOINT = Plug.PCI_DEVICE | Plug.PCIE_DEVICE
KINDS = (
    ENDPOINT
    | Plug.PCIE_ROOT_PORT
    | Plug.PCIE_UPSTREAM
    | Plug.PCIE_DOWNSTREAM
    | Plug.DMI_BRIDGE
    | Plug.PCI_BRIDGE
    | Plug.PCIE_BRIDGE
    | Plug.EXPANDER
    | Plug.PCIE_EXPANDER
)

NAMES = {
    Plug.PCI_DEVICE: "standard PCI device",
    Plug.PCIE_DEVICE: "PCI Express device",
    Plug.PCIE_ROOT_PORT: "pcie-root-port",
    Plug.PCIE_UPSTREAM: "pcie-switch-upstream-port",
    Plug.PCIE_DOWNSTREAM: "pcie-switch-downstream-port",
    Plug.DMI_BRIDGE: "dmi-to-pci-bridge",
    Plug.PCI_BRIDGE: "pci-bridge",
    Plug.PCIE_BRIDGE: "pcie-to-pci-bridge",
    Plug.EXPANDER: "pci-expander-bus",
    Plug.PCIE_EXPANDER: "pcie-expander-bus",
}

PLUG_OF_MODEL = {
    "pci-bridge": Plug.PCI_BRIDGE,
    "dmi-to-pci-bridge": Plug.DMI_BRIDGE,
    "pcie-to-pci-bridge": Plug.PCIE_BRIDGE | Plug.AUTO,
    "pcie-root-port": Plug.PCIE_ROOT_PORT | Plug.SHARE_SLOT,
    "pcie-switch-upstream-port": Plug.PCIE_UPSTREAM,
    "pcie-switch-downstream-port": Plug.PCIE_DOWNSTREAM,
    "pci-expander-bus": Plug.EXPANDER,
    "pcie-expander-bus": Plug.PCIE_EXPANDER,
}
"""How a controller plugs into the bus above it; the root buses plug into none."""


@dataclass(frozen=True, slots=True)
class BusKind:
    """What a bus of one controller model takes, and in which slots."""

    takes: Plug
    first: int
    last: int


BUSES = {
    "pci-root": BusKind(Plug.AUTO | Plug.PCI_DEVICE | Plug.PCI_BRIDGE | Plug.EXPANDER, 1, 31),
    "pci-bridge": BusKind(Plug.AUTO | Plug.PCI_DEVICE | Plug.PCI_BRIDGE, 1, 31),
    "pci-expander-bus": BusKind(Plug.AUTO | Plug.PCI_DEVICE | Plug.PCI_BRIDGE, 0, 31),
    "pcie-root": BusKind(
        ENDPOINT | Plug.PCIE_ROOT_PORT | Plug.DMI_BRIDGE | Plug.PCIE_BRIDGE | Plug.PCIE_EXPANDER,
        1,
        31,
    ),
    "dmi-to-pci-bridge": BusKind(Plug.PCI_DEVICE | Plug.PCI_BRIDGE, 0, 31),
    "pcie-to-pci-bridge": BusKind(Plug.AUTO | Plug.PCI_DEVICE | Plug.PCI_BRIDGE, 1, 31),
    "pcie-root-port": BusKind(
        Plug.AUTO | Plug.PCIE_DEVICE | Plug.PCIE_UPSTREAM | Plug.PCIE_BRIDGE, 0, 0
    ),
    "pcie-switch-upstream-port": BusKind(Plug.PCIE_DOWNSTREAM, 0, 31),
    "pcie-switch-downstream-port": BusKind(
        Plug.AUTO | Plug.PCIE_DEVICE | Plug.PCIE_UPSTREAM | Plug.PCIE_BRIDGE, 0, 0
    ),
    "pcie-expander-bus": BusKind(Plug.PCIE_ROOT_PORT | Plug.DMI_BRIDGE, 0, 31),
}


BUSES_MAX = 256
"""A bus number is one byte."""


class Unpluggable(Exception):
    """An address that cannot be; the text says why."""


@dataclass(slots=True)
class Bus:
    """One bus: its kind, the functions in use a slot (bits), and the slots that are shared."""

    model: str
    takes: Plug
    used: dict[int, int] = field(default_factory=dict)
    shared: set[int] = field(default_factory=set)

    @property
    def kind(self) -> BusKind:
        """What a bus of this model is."""
        return BUSES[self.model]


class Buses:
    """All buses of a guest. With *dry* it grows by the buses that are missing."""

    def __init__(self, *, dry: bool, pcie_bridge: bool) -> None:
        self.all: list[Bus] = []
        self.dry = dry
        self.pcie_bridge = pcie_bridge

    def add(self, model: str) -> None:
        """Add the next bus. Raises Unpluggable when all numbers are used up."""
        if len(self.all) >= BUSES_MAX:
            raise Unpluggable(f"a guest has at most {BUSES_MAX} PCI buses")
        self.all.append(Bus(model, BUSES[model].takes))

    def reserve(self, address: PciAddress, plug: Plug, *, given: bool = False) -> None:
        """Take *address*; *given* when the definition names it. Raises Unpluggable."""
        number, slot, function = address.bus or 0, address.slot or 0, address.function or 0
        if self.dry and number >= len(self.all):
            self._grow(number, plug)
        if address.domain:
            raise Unpluggable(f"PCI domain of {address} is not accepted, only domain 0 is")
        if number >= len(self.all):
            raise Unpluggable(
                f"PCI bus of {address} is not there, the last one is {len(self.all) - 1}"
            )
        bus = self.all[number]
        self._check(bus, number, plug, given=given, text=str(address))
        if not bus.kind.first <= slot <= bus.kind.last:
            raise Unpluggable(
                f"PCI address {address} has slot {slot:#x}, accepted on a {bus.model} are "
                f"{bus.kind.first:#x} to {bus.kind.last:#x}"
            )
        used = bus.used.get(slot, 0)
        if used >> function & 1:
            raise Unpluggable(f"attempted double use of PCI Address {address}")
        if not used and Plug.SHARE_SLOT in plug:
            bus.shared.add(slot)
        elif Plug.SHARE_SLOT not in plug:
            bus.shared.discard(slot)
        bus.used[slot] = used | 1 << function

    def slot_in_use(self, number: int, slot: int) -> bool:
        """Whether any function of the slot is taken."""
        return bool(self.all[number].used.get(slot))

    def next(self, plug: Plug, *, function: int | None = None) -> PciAddress:
        """Take the first free address for *plug*, with *function* or any. Raises Unpluggable."""
        for number, bus in enumerate(self.all):
            if not self._fits(bus, number, plug):
                continue
            for slot in range(bus.kind.first, bus.kind.last + 1):
                used = bus.used.get(slot, 0)
                if not used:
                    return self._take(number, slot, function or 0, plug)
                if Plug.SHARE_SLOT in plug and slot in bus.shared:
                    free = [one for one in range(8) if not used >> one & 1]
                    if free:
                        return self._take(number, slot, free[0], plug)
        if not self.dry:
            raise Unpluggable("no more available PCI slots")
        self._grow(len(self.all), plug)
        number = len(self.all) - 1
        return self._take(number, self.all[number].kind.first, function or 0, plug)

    def _take(self, number: int, slot: int, function: int, plug: Plug) -> PciAddress:
        address = PciAddress(domain=0, bus=number, slot=slot, function=function)
        self.reserve(address, plug)
        return address

    def _fits(self, bus: Bus, number: int, plug: Plug) -> bool:
        if Plug.INTEGRATED in plug and number:
            return False
        if Plug.AUTO in plug and Plug.AUTO not in bus.takes:
            return False
        return bool(bus.takes & plug & KINDS)

    def _check(self, bus: Bus, number: int, plug: Plug, *, given: bool, text: str) -> None:
        takes = bus.takes
        if given:
            takes |= Plug.AUTO
            if takes & ENDPOINT:
                takes |= ENDPOINT
        if Plug.INTEGRATED in plug and number:
            raise Unpluggable(
                f"the device at PCI address {text} needs to be an integrated device (bus=0)"
            )
        if not takes & plug & KINDS:
            raise Unpluggable(
                f"the device at PCI address {text} cannot be plugged into the PCI controller with "
                f"index='{number}', it requires a controller that accepts a {NAMES[plug & KINDS]}"
            )

    def _grow(self, number: int, plug: Plug) -> None:
        if plug & (Plug.PCI_DEVICE | Plug.PCI_BRIDGE):
            model = "pci-bridge"
            if not any(bus.takes & Plug.PCI_BRIDGE for bus in self.all):
                self._add_first_bridge()
                if number < len(self.all):
                    return
        elif plug & (Plug.PCIE_DEVICE | Plug.PCIE_UPSTREAM | Plug.PCIE_BRIDGE):
            model = "pcie-root-port"
        elif plug & Plug.PCIE_DOWNSTREAM:
            raise Unpluggable("a PCIe downstream port needs an upstream port with a free slot")
        else:
            raise Unpluggable(f"no PCI controller is there for a {NAMES[plug & KINDS]}")
        while len(self.all) <= number:
            self.add(model)

    def _add_first_bridge(self) -> None:
        """What takes conventional PCI devices below a PCI Express root."""
        if self.pcie_bridge:
            self.add("pcie-root-port")
            self.add("pcie-to-pci-bridge")
        else:
            self.add("dmi-to-pci-bridge")
            self.add("pci-bridge")
