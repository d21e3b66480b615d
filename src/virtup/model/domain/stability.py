"""What of a definition the guest itself sees: that stays as it is while its memory is kept.

A saved state fits the machine that it was saved on. Paths, networks and displays are the host's
affair and may be others when it is restored; sizes, models and addresses may not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from virtup.model.domain.guest import Domain

SEEN = (
    *("disk", "controller", "filesystem", "interface", "smartcard", "serial", "parallel"),
    *("channel", "input", "sound", "video", "hub", "watchdog", "rng", "panic", "iommu"),
)
"""The kinds of devices of which the guest sees how many there are."""


TYPED = {"controller", "input", "video"}
"""Of these the type is the guest's affair; of others it says what on the host is behind them."""


def difference(target: Domain, source: Domain) -> str:
    """Return the first thing that the guest would find changed, "" for none.

    *source* is what its memory was saved with, *target* what is to take its place; both are
    complete. The words are those of libvirt's check, which looks at more.
    """
    for what, is_now, was in _pairs(target, source):
        if None not in (is_now, was) and is_now != was:
            return f"Target domain {what} {is_now} does not match source {was}"
    return ""


def _pairs(target: Domain, source: Domain) -> Iterator[tuple[str, object, object]]:
    for (what, is_now), (_, was) in zip(_traits(target), _traits(source), strict=True):
        yield what, is_now, was
    for kind in SEEN:
        now, before = getattr(target.devices, kind), getattr(source.devices, kind)
        yield f"{kind} count", len(now), len(before)
        for one, other in zip(now, before, strict=True):
            pairs = zip(_device_traits(kind, one), _device_traits(kind, other), strict=True)
            for (what, is_now), (_, was) in pairs:
                yield f"{kind} {what}", is_now, was


def _traits(domain: Domain) -> Iterator[tuple[str, object]]:
    yield "virt type", domain.type
    yield "name", f"'{domain.name}'"
    yield "uuid", domain.uuid
    yield "max memory", domain.memory_kib
    yield "vCPU max", domain.vcpu.count if domain.vcpu else 1
    yield "architecture", domain.os.arch
    yield "OS type", domain.os.machine


def _device_traits(kind: str, device: Any) -> Iterator[tuple[str, object]]:
    if kind in TYPED:
        yield "type", device.type
    for trait in ("model", "device", "bus", "mac"):
        yield trait, getattr(device, trait, None)
    if kind == "disk":
        yield "target", device.target.dev
        yield "bus", device.target.bus
    address = getattr(device, "address", None)
    yield "address", _place(address) if address is not None else None


def _place(address: Any) -> str:
    """Name an address by what it has that is not zero."""
    names = (field.name for field in fields(address) if field.compare)
    return " ".join(f"{name}={getattr(address, name)}" for name in names if getattr(address, name))
