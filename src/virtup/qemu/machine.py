"""Options of the machine itself: type, accelerator, CPU, memory, clock, boot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from virtup.model.domain.caps import Caps
from virtup.model.domain.guest import Domain
from virtup.model.domain.machine import Features
from virtup.model.domain.tuning import MemoryBacking
from virtup.qemu import memory
from virtup.qemu.cpu import timers_of
from virtup.qemu.option import Option, as_json, flag, keyed, object_, on_off, plain


def is_q35(dom: Domain) -> bool:
    """Whether the machine type has a PCI Express root."""
    machine = dom.os.machine or ""
    return machine == "q35" or machine.startswith("pc-q35-")


def machine(dom: Domain, caps: Caps) -> Iterator[Option]:
    """``-machine`` and ``-accel``."""
    features = dom.features or Features()
    backing = dom.memory_backing or MemoryBacking()
    timers = timers_of(dom)
    hpet = timers.get("hpet")
    pairs: list[tuple[str, Any]] = [
        ("usb", False),
        ("vmport", features.vmport),
        ("smm", features.smm.state is not False if features.smm else None),
        ("kernel_irqchip", {"kvm": "on", "qemu": "split"}.get(features.ioapic or "")),
        ("i8042", features.ps2),
        ("dump-guest-core", bool(dom.memory_dump_core)),
        ("mem-merge", False if backing.nosharepages else None),
        ("memory-backend", memory.machine_object(dom, caps)),
        ("pflash0", f"{FLASH[0]}-format" if is_flash(dom) else None),
        ("pflash1", f"{FLASH[1]}-storage" if is_flash(dom) and dom.os.nvram else None),
        ("hpet", hpet.present if hpet else None),
        ("acpi", features.acpi),
    ]
    yield keyed("-machine", dom.os.machine, pairs)
    ring = features.kvm.dirty_ring if features.kvm else None
    size = ring.size if ring and ring.state else None
    yield keyed("-accel", "kvm" if dom.type == "kvm" else "tcg", [("dirty-ring-size", size)])
    if features.smm and features.smm.tseg_mib is not None:
        yield keyed("-global", None, [("mch.extended-tseg-mbytes", features.smm.tseg_mib)])


FLASH = ("libvirt-pflash0", "libvirt-pflash1")
"""What the nodes of the firmware and of its variables are called, as libvirt calls them."""


def is_flash(dom: Domain) -> bool:
    """Whether the firmware is in a flash chip."""
    return dom.os.loader is not None and dom.os.loader.is_flash


def flash(dom: Domain) -> Iterator[Option]:
    """The nodes of the firmware's image and of its variables, which ``-machine`` names."""
    loader, nvram = dom.os.loader, dom.os.nvram
    if loader is None or not loader.is_flash:
        return
    code, store = FLASH
    file = {"driver": "file", "filename": loader.path, "node-name": f"{code}-storage"}
    yield as_json("-blockdev", file | {"auto-read-only": True, "discard": "unmap"})
    layer = {"node-name": f"{code}-format", "read-only": loader.readonly is True}
    yield as_json("-blockdev", layer | {"driver": "raw", "file": f"{code}-storage"})
    if nvram is not None:
        file = {"driver": "file", "filename": nvram.path, "node-name": f"{store}-storage"}
        yield as_json("-blockdev", file | {"read-only": False})


def firmware(dom: Domain) -> Iterator[Option]:
    """What secures the flash chip, and firmware that is no flash chip."""
    loader = dom.os.loader
    if loader is not None and loader.secure:
        pairs = [("driver", "cfi.pflash01"), ("property", "secure"), ("value", True)]
        yield keyed("-global", None, pairs)
    if loader is not None and not loader.is_flash:
        yield plain("-bios", str(loader.path))


def smp(dom: Domain, caps: Caps) -> Iterator[Option]:
    """``-smp``: the CPUs and how they are arranged."""
    assert dom.vcpu is not None
    total = dom.vcpus
    current = dom.vcpu.current or total
    topology = dom.cpu.topology if dom.cpu else None
    pairs: list[tuple[str, Any]] = [("maxcpus", total if current != total else None)]
    if topology is None:
        pairs += [("sockets", total), ("cores", 1), ("threads", 1)]
    else:
        pairs += [
            ("sockets", topology.sockets),
            ("dies", topology.dies),
            ("clusters", topology.clusters if caps.has("option.smp-opts.clusters") else None),
            ("cores", topology.cores),
            ("threads", topology.threads),
        ]
    yield keyed("-smp", str(current), pairs)


def iothreads(dom: Domain) -> Iterator[Option]:
    """Threads for disks, and the pool of the main one."""
    for one in dom.iothreadids:
        content = {
            "id": f"iothread{one.id}",
            "thread-pool-min": one.thread_pool_min,
            "thread-pool-max": one.thread_pool_max,
            "poll-max-ns": one.poll_max_ns,
            "poll-grow": one.poll_grow,
            "poll-shrink": one.poll_shrink,
        }
        yield object_("iothread", content)
    main = dom.defaultiothread
    if main is not None:
        pool = {"thread-pool-min": main.thread_pool_min, "thread-pool-max": main.thread_pool_max}
        yield object_("main-loop", {"id": "main-loop"} | pool)


def clock(dom: Domain) -> Iterator[Option]:
    """``-rtc`` and the interval timer."""
    one = dom.clock
    assert one is not None
    timers = timers_of(dom)
    base: str = one.offset or "utc"
    if base == "absolute":
        base = datetime.fromtimestamp(one.start or 0, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    rtc = timers.get("rtc")
    track = {"guest": "vm", "wall": "host", "realtime": "rt"}.get((rtc.track or "") if rtc else "")
    slew = "slew" if rtc and rtc.tickpolicy == "catchup" else None
    yield keyed("-rtc", None, [("base", base), ("clock", track), ("driftfix", slew)])
    pit = timers.get("pit")
    if pit and pit.tickpolicy in ("delay", "discard"):
        yield keyed("-global", None, [("kvm-pit.lost_tick_policy", pit.tickpolicy)])


def power(dom: Domain) -> Iterator[Option]:
    """What happens when the guest powers off or suspends."""
    if dom.on_reboot == "destroy":
        yield flag("-no-reboot")
    yield flag("-no-shutdown")
    device = "ICH9-LPC" if is_q35(dom) else "PIIX4_PM"
    if dom.pm is not None:
        for name, value in (
            ("disable_s3", dom.pm.suspend_to_mem),
            ("disable_s4", dom.pm.suspend_to_disk),
        ):
            if value is not None:
                yield keyed("-global", None, [(f"{device}.{name}", int(not value))])


def boot(dom: Domain) -> Iterator[Option]:
    """``-boot`` and a kernel that is loaded directly."""
    one = dom.os
    timeout = one.bootmenu_timeout_ms if one.bootmenu else None
    pairs: list[tuple[str, Any]] = [
        ("menu", on_off(one.bootmenu) if one.bootmenu is not None else None),
        ("reboot-timeout", one.bios_reboot_timeout_ms),
        ("splash-time", timeout),
        ("strict", True),
    ]
    yield keyed("-boot", None, pairs)
    for name, value in (
        ("-kernel", one.kernel),
        ("-initrd", one.initrd),
        ("-append", one.cmdline),
        ("-dtb", one.dtb),
    ):
        if value:
            yield plain(name, value)
    for table in one.acpi_table:
        yield keyed("-acpitable", None, [("sig", table.type.upper()), ("file", table.path)])


SANDBOX = (
    ("obsolete", "deny"),
    ("elevateprivileges", "deny"),
    ("spawn", "deny"),
    ("resourcecontrol", "deny"),
)


def sandbox() -> Option:
    """QEMU's own system call filter, as libvirt sets it."""
    return keyed("-sandbox", "on", SANDBOX)
