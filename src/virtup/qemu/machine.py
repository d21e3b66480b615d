"""Options of the machine itself: type, accelerator, CPU, memory, clock, boot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from virtup.errors import ConfigUnsupported
from virtup.model.document import Place
from virtup.model.domain.caps import Caps
from virtup.model.domain.guest import Domain
from virtup.model.domain.machine import Features, MemoryBacking, Timer
from virtup.qemu.option import Option, flag, keyed, object_, on_off, plain

MIB_KIB = 1024
CPU_FEATURES = {
    "cmp_legacy": "cmp-legacy",
    "ds_cpl": "ds-cpl",
    "fxsr_opt": "fxsr-opt",
    "kvm_pv_eoi": "kvm-pv-eoi",
    "kvm_pv_unhalt": "kvm-pv-unhalt",
    "lahf_lm": "lahf-lm",
    "nodeid_msr": "nodeid-msr",
    "pclmuldq": "pclmulqdq",
    "perfctr_core": "perfctr-core",
    "perfctr_nb": "perfctr-nb",
    "tsc_adjust": "tsc-adjust",
}
"""CPU features that QEMU calls otherwise."""


def is_q35(dom: Domain) -> bool:
    """Whether the machine type has a PCI Express root."""
    machine = dom.os.machine or ""
    return machine == "q35" or machine.startswith("pc-q35-")


def machine(dom: Domain, caps: Caps) -> Iterator[Option]:
    """``-machine`` and ``-accel``."""
    features = dom.features or Features()
    memory = dom.memory_backing or MemoryBacking()
    timers = _timers(dom)
    hpet = timers.get("hpet")
    pairs: list[tuple[str, Any]] = [
        ("usb", False),
        ("vmport", features.vmport),
        ("smm", features.smm),
        ("i8042", features.ps2),
        ("dump-guest-core", bool(dom.memory_dump_core)),
        ("mem-merge", False if memory.nosharepages else None),
        ("memory-backend", ram_id(dom, caps)),
        ("hpet", hpet.present if hpet else None),
        ("acpi", features.acpi),
    ]
    yield keyed("-machine", dom.os.machine, pairs)
    yield plain("-accel", "kvm" if dom.type == "kvm" else "tcg")


def ram_id(dom: Domain, caps: Caps) -> str | None:
    """The id of the memory object that is the machine's RAM."""
    found = caps.machine(dom.os.machine or "")
    return found.default_ram_id if found else None


def cpu(dom: Domain) -> Iterator[Option]:
    """``-cpu``, with the features that other parts of the definition switch."""
    one = dom.cpu
    assert one is not None
    pairs: list[tuple[str, Any]] = []
    match one.mode:
        case "host-passthrough":
            name = "host"
            pairs.append(("migratable", one.migratable))
        case "maximum":
            name = "max"
            pairs.append(("migratable", one.migratable if dom.type == "kvm" else None))
        case "host-model":
            at = Place(dom.source, one.line)
            raise ConfigUnsupported(f"CPU mode 'host-model' is not supported ({at})")
        case _:
            assert one.model is not None
            name = one.model.name or "qemu64"
            pairs.append(("vendor", one.model.vendor_id))
    pairs.extend(
        (CPU_FEATURES.get(feature.name, feature.name), feature.policy not in ("disable", "forbid"))
        for feature in one.feature
        if feature.policy != "optional" or one.mode != "custom"
    )
    kvmclock = _timers(dom).get("kvmclock")
    features = dom.features or Features()
    pairs += [
        ("kvmclock", kvmclock.present if kvmclock else None),
        ("kvm-pv-eoi", features.apic.eoi if features.apic else None),
        ("kvm-pv-unhalt", features.pvspinlock),
        ("hv-crash", None),
        ("pmu", features.pmu),
    ]
    flags = [("hv-crash", True) for panic in dom.devices.panic if panic.model == "hyperv"]
    option = keyed("-cpu", name, pairs)
    if flags:
        option = Option(option.name, f"{option.value},hv-crash")
    yield option


def memory(dom: Domain, caps: Caps) -> Iterator[Option]:
    """``-m`` and the memory object; QEMU takes whole MiB."""
    size_kib = -(-dom.memory_kib // MIB_KIB) * MIB_KIB
    yield keyed("-m", None, [("size", f"{size_kib}k")])
    name = ram_id(dom, caps)
    if name is not None:
        yield object_("memory-backend-ram", {"id": name, "size": size_kib * 1024})
    locked = dom.memory_backing is not None and dom.memory_backing.locked
    yield keyed("-overcommit", None, [("mem-lock", locked)])


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


def _timers(dom: Domain) -> dict[str, Timer]:
    return {one.name: one for one in dom.clock.timer} if dom.clock else {}


def clock(dom: Domain) -> Iterator[Option]:
    """``-rtc`` and the interval timer."""
    one = dom.clock
    assert one is not None
    timers = _timers(dom)
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


SANDBOX = (
    ("obsolete", "deny"),
    ("elevateprivileges", "deny"),
    ("spawn", "deny"),
    ("resourcecontrol", "deny"),
)


def sandbox() -> Option:
    """QEMU's own system call filter, as libvirt sets it."""
    return keyed("-sandbox", "on", SANDBOX)
