"""Ports on virtio-serial controllers for channels and virtio consoles."""

from __future__ import annotations

from virtup.model.domain.address import VirtioSerialAddress
from virtup.model.domain.draft import Draft, Slot

PORTS = 31
"""Ports of a controller that says nothing else."""


def assign_ports(draft: Draft) -> None:
    """Give every virtio channel a port, adding controllers when all are full.

    A console without an address is left to QEMU, which takes a free port.

    Raises XmlRefused for a port that is taken or does not exist. Port 0 is for consoles.
    """
    free = {
        one.index or 0: set(range(one.ports or PORTS)) for one in draft.controllers("virtio-serial")
    }
    wanting: list[tuple[Slot, bool]] = []
    for kind in ("console", "channel"):
        for slot in draft.slots(kind):
            if draft.get(slot).target_type != "virtio":
                continue
            address = draft.get(slot).address
            given = isinstance(address, VirtioSerialAddress)
            if given and (address.port or (address.port == 0 and kind == "console")):
                _reserve(draft, slot, free)
            elif given or kind == "channel":
                wanting.append((slot, kind == "console"))
    for slot, is_console in wanting:
        address = draft.get(slot).address
        fixed = address.controller if isinstance(address, VirtioSerialAddress) else None
        _assign(draft, slot, free, fixed=fixed, lowest=0 if is_console else 1)


def _reserve(draft: Draft, slot: Slot, free: dict[int, set[int]]) -> None:
    device = draft.get(slot)
    address: VirtioSerialAddress = device.address
    controller, port = address.controller or 0, address.port or 0
    if controller not in free:
        raise draft.refused(device, f"virtio serial controller {controller} is missing")
    if port not in free[controller]:
        raise draft.refused(
            device, f"virtio serial port {port} on controller {controller} is taken or not there"
        )
    free[controller].discard(port)
    draft.set_address(
        slot, VirtioSerialAddress(controller=controller, bus=address.bus or 0, port=port)
    )


def _assign(
    draft: Draft, slot: Slot, free: dict[int, set[int]], *, fixed: int | None, lowest: int
) -> None:
    candidates = sorted(free) if fixed is None else [fixed]
    for controller in candidates:
        ports = [port for port in free.get(controller, ()) if port >= lowest]
        if ports:
            port = min(ports)
            break
    else:
        if fixed is not None:
            raise draft.refused(
                draft.get(slot), f"no port is free on virtio serial controller {fixed}"
            )
        controller, port = max(free, default=-1) + 1, lowest
        draft.add_controller("virtio-serial", controller)
        free[controller] = set(range(PORTS))
    free[controller].discard(port)
    draft.set_address(slot, VirtioSerialAddress(controller=controller, bus=0, port=port))
