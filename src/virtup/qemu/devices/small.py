"""Options of inputs, hubs, watchdogs, the balloon, random numbers and panic devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.domain.address import IsaAddress
from virtup.model.domain.devices.character import Character
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.character import Chardevs
from virtup.qemu.devices.place import place, virtio, virtio_name
from virtup.qemu.option import Option, device, keyed, object_, on_off, plain

ISA_PANIC_PORT = 0x505
WATCHDOG_ACTIONS = {"dump": "pause"}
"""libvirt dumps a paused guest itself."""


def hubs(dom: Domain) -> Iterator[Option]:
    """USB hubs."""
    for one in dom.devices.hub:
        yield device("usb-hub", {"id": one.alias} | place(dom, one.address))


def inputs(dom: Domain) -> Iterator[Option]:
    """Input devices that are not part of the machine."""
    for one in dom.devices.input:
        if one.bus == "usb":
            name = {"keyboard": "usb-kbd"}.get(one.type, f"usb-{one.type}")
            yield device(name, {"id": one.alias} | place(dom, one.address))
        elif one.bus == "virtio":
            content: dict[str, Any] = virtio(one.driver) | {"id": one.alias}
            name = virtio_name(f"virtio-{one.type}", one.model)
            yield device(name, content | place(dom, one.address))


def watchdogs(dom: Domain) -> Iterator[Option]:
    """Watchdogs, and the one action that all share."""
    for one in dom.devices.watchdog:
        if one.model == "itco":
            yield keyed("-global", None, [("ICH9-LPC.noreboot", "off")])
        else:
            yield device(one.model, {"id": one.alias} | place(dom, one.address))
    if dom.devices.watchdog:
        action = dom.devices.watchdog[0].action or "reset"
        yield plain("-watchdog-action", WATCHDOG_ACTIONS.get(action, action))


def memballoon(dom: Domain) -> Iterator[Option]:
    """The balloon."""
    one = dom.devices.memballoon
    if one is None or one.model == "none":
        return
    content: dict[str, Any] = virtio(one.driver) | {
        "id": one.alias,
        "deflate-on-oom": one.autodeflate,
        "free-page-reporting": one.free_page_reporting,
    }
    yield device(virtio_name("virtio-balloon", one.model), content | place(dom, one.address))


def iommus(dom: Domain) -> Iterator[Option]:
    """The guest's IOMMU."""
    for one in dom.devices.iommu:
        content = {
            "id": one.alias,
            "intremap": _word(one.intremap),
            "caching-mode": one.caching_mode,
            "eim": _word(one.eim),
            "device-iotlb": one.iotlb,
            "aw-bits": one.aw_bits,
        }
        yield device("intel-iommu", content)


def _word(value: bool | None) -> str | None:
    """For properties that can also be "auto"."""
    return None if value is None else on_off(value)


def rngs(dom: Domain, ends: Chardevs) -> Iterator[Option]:
    """Random number generators and their sources."""
    for one in dom.devices.rng:
        name = f"obj{one.alias}"
        if one.backend.model == "builtin":
            yield object_("rng-builtin", {"id": name})
        elif one.backend.type is not None:
            end = Character(
                type=one.backend.type,
                source=one.backend.source,
                protocol=one.backend.protocol,
                alias=one.alias,
                line=one.line,
            )
            yield from ends.options(end)
            yield object_("rng-egd", {"id": name, "chardev": f"char{one.alias}"})
        else:
            yield object_("rng-random", {"id": name, "filename": one.backend.path or "/dev/random"})
        period = one.rate_period_ms or (1000 if one.rate_bytes else None)
        content: dict[str, Any] = virtio(one.driver) | {
            "rng": name,
            "id": one.alias,
            "max-bytes": one.rate_bytes,
            "period": period,
        }
        at = place(dom, one.address) | {"acpi-index": one.acpi_index}
        yield device(virtio_name("virtio-rng", one.model), content | at)


def panics(dom: Domain) -> Iterator[Option]:
    """Devices through which a guest tells that it crashed; hyperv's is part of the CPU."""
    for one in dom.devices.panic:
        if one.model == "isa":
            port = one.address.iobase if isinstance(one.address, IsaAddress) else None
            yield device("pvpanic", {"ioport": port or ISA_PANIC_PORT})
        elif one.model == "pvpanic":
            yield device("pvpanic-pci", place(dom, one.address))
