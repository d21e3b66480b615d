"""What all devices share: an alias, an address, and options of virtio devices."""

from __future__ import annotations

from dataclasses import dataclass

from virtup.model import scalar
from virtup.model.domain.address import Address
from virtup.model.field import Element, at

BOOT, ALIAS, MASTER, ROM, ACPI, ADDRESS = range(1, 7)
"""Ranks of the elements that libvirt writes behind a device's own ones."""

USER_ALIAS = "ua-"
"""How an alias starts that the definition may choose; others are made at each start."""


def _made(alias: object) -> bool:
    return not str(alias).startswith(USER_ALIAS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Element):
    """Base of the devices. An alias that virtup made is written only for a running guest."""

    alias: str | None = at(
        "alias/@name",
        scalar.pattern(r"[A-Za-z0-9_.\-]{1,100}", "up to 100 letters, digits, '_', '-' and '.'"),
        last=ALIAS,
        live=_made,
    )
    address: Address | None = at("address", last=ADDRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seclabel(Element):
    """Who labels a file for the guest; virtup has only the owner of the file to set."""

    model: str | None = at("@model")
    relabel: bool | None = at("@relabel")
    label: str | None = at("label")
