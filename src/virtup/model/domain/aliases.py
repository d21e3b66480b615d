"""The names by which QEMU and its monitor know the devices, and what else a start adds.

libvirt's names: guests, their logs and other programs know them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from virtup.model.domain.address import DriveAddress
from virtup.model.domain.devices.controller import Controller
from virtup.model.domain.devices.disk import Disk
from virtup.model.domain.draft import LISTS, Draft
from virtup.model.domain.drives import disk_index
from virtup.model.domain.guest import Domain
from virtup.model.domain.usb import assign_usb

STEMS = {
    "filesystem": "fs",
    "interface": "net",
    "smartcard": "smartcard",
    "serial": "serial",
    "parallel": "parallel",
    "console": "console",
    "channel": "channel",
    "input": "input",
    "tpm": "tpm",
    "sound": "sound",
    "video": "video",
    "hostdev": "hostdev",
    "redirdev": "redir",
    "hub": "hub",
    "watchdog": "watchdog",
    "rng": "rng",
    "panic": "panic",
    "shmem": "shmem",
    "memory": "dimm",
    "crypto": "crypto",
    "iommu": "iommu",
    "vsock": "vsock",
    "pstore": "pstore",
}


class _NoCaps:
    """Stands in where a draft asks no QEMU."""

    def has(self, name: str) -> bool:
        """Nothing is asked."""
        raise AssertionError(name)

    def machine(self, name: str) -> None:
        """Nothing is asked."""
        raise AssertionError(name)


def with_aliases(dom: Domain) -> Domain:
    """*dom*, which is complete, as it is for one start: aliases and USB ports given out."""
    draft = Draft(dom, _NoCaps())
    assign_usb(draft, make=True)
    for kind in LISTS:
        devices = draft.lists[kind]
        for position, one in enumerate(devices):
            if getattr(one, "alias", "") is None:
                devices[position] = replace(one, alias=_alias(draft, kind, position, one))
    consoles, serials = draft.lists["console"], draft.lists["serial"]
    if consoles and serials and consoles[0].target_type == "serial":
        consoles[0] = replace(consoles[0], alias=serials[0].alias)
    if draft.memballoon is not None and draft.memballoon.alias is None:
        draft.memballoon = replace(draft.memballoon, alias="balloon0")
    return draft.freeze()


def _alias(draft: Draft, kind: str, position: int, one: Any) -> str:
    makers: dict[str, Callable[[], str]] = {
        "disk": lambda: _of_disk(draft, one),
        "controller": lambda: _of_controller(draft, one),
    }
    if kind in makers:
        return makers[kind]()
    return f"{STEMS[kind]}{position}"


def _of_disk(draft: Draft, disk: Disk) -> str:
    bus = disk.target.bus or ""
    address = disk.address
    if isinstance(address, DriveAddress):
        parts = [address.controller, address.bus, address.unit]
        if bus == "scsi":
            controller = next(
                (one for one in draft.controllers("scsi") if one.index == address.controller), None
            )
            if controller is not None and controller.model != "lsilogic":
                parts.insert(2, address.target)
        return bus + "-".join(str(part or 0) for part in parts)
    index = disk_index(disk.target.dev)
    return f"{'usb' if bus == 'usb' else 'virtio'}-disk{index}"


def _of_controller(draft: Draft, one: Controller) -> str:
    index = one.index or 0
    match one.type:
        case "pci":
            if one.model == "pcie-root":
                return f"pcie.{index}"
            return f"pci.{index}"
        case "usb":
            return f"usb{index or ''}"
        case "ide" if index == 0:
            return "ide"
        case "sata" if index == 0 and draft.is_q35:
            return "ide"
        case _:
            return f"{one.type}{index}"
