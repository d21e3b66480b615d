"""Options of network cards: the host's end and the card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.model.domain.devices.interface import Interface, InterfaceDriver
from virtup.model.domain.guest import Domain
from virtup.qemu.devices.place import place, virtio, virtio_name
from virtup.qemu.option import Option, as_json, device, on_off
from virtup.qemu.runtime import Runtime

VIRTIO = ("virtio", "virtio-transitional", "virtio-non-transitional")


def options(dom: Domain, run: Runtime) -> Iterator[Option]:
    """Every interface, in order."""
    for one in dom.devices.interface:
        yield as_json("-netdev", _netdev(one, run))
        yield _card(one, dom)


def _netdev(one: Interface, run: Runtime) -> dict[str, Any]:
    alias = str(one.alias)
    host = f"host{alias}"
    if one.type == "user":
        content: dict[str, Any] = {"type": "user"}
        for ip in one.ip:
            if ip.family == "ipv6":
                content |= {"ipv6-prefix": ip.address, "ipv6-prefixlen": ip.prefix}
            else:
                content["net"] = f"{ip.address}/{ip.prefix}" if ip.prefix else ip.address
        return content | {"id": host}
    content = {"type": "tap", "fd": str(run.tap_fds.get(alias, 3))}
    vhost = run.vhost_fds.get(alias)
    if vhost is not None:
        content |= {"vhost": True, "vhostfd": str(vhost)}
    return content | {"id": host}


def boot_index(one: Interface, dom: Domain) -> int | None:
    """The card's place in the boot order."""
    if one.boot_order:
        return one.boot_order
    if "network" in dom.os.boot and dom.devices.interface[0] is one:
        return dom.os.boot.index("network") + 1
    return None


def _card(one: Interface, dom: Domain) -> Option:
    driver = one.driver or InterfaceDriver()
    content: dict[str, Any] = {}
    model = one.model or "rtl8139"
    is_virtio = model in VIRTIO
    if is_virtio:
        name = virtio_name("virtio-net", None if model == "virtio" else model)
        content |= virtio(driver)
        content |= {
            "tx": {"iothread": "bh", "timer": "timer"}.get(driver.txmode or ""),
            "ioeventfd": driver.ioeventfd,
            "event_idx": driver.event_idx,
            "rss": driver.rss,
            "hash": driver.rss_hash_report,
            "rx_queue_size": driver.rx_queue_size,
            "tx_queue_size": driver.tx_queue_size,
            "host_mtu": one.mtu,
        }
    else:
        name = model
    content |= {"netdev": f"host{one.alias}", "id": one.alias, "mac": one.mac}
    content["bootindex"] = boot_index(one, dom)
    content |= place(dom, one.address)
    if one.rom is not None:
        content["rombar"] = int(one.rom.bar) if one.rom.bar is not None else None
        content["romfile"] = "" if one.rom.enabled is False else one.rom.file
    content["acpi-index"] = one.acpi_index
    return device(name, content)


def vhost_wanted(one: Interface) -> bool:
    """Whether the start should try to drive the card's queues in the kernel."""
    backend = one.driver.name if one.driver else None
    return one.type in ("ethernet", "bridge") and one.model in VIRTIO and backend != "qemu"


def describe(one: Interface) -> str:
    """The card in a few words, for logs."""
    return (
        f"{one.alias} ({one.type}, {one.model}, {one.mac}, link {on_off(one.link_state != 'down')})"
    )
