"""The guest's machine: firmware and boot, CPU, features, clock, memory, power management."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.firmware import Loader, Nvram
from virtup.model.domain.tuning import NumaCell
from virtup.model.field import Amiss, Element, at

MACHINE = scalar.pattern(
    r"[A-Za-z0-9_.\-]{1,100}", "the name of a machine type such as 'pc' or 'q35'"
)
BootDevice = Literal["fd", "hd", "cdrom", "network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcpiTable(Element):
    """A table that is added to the guest's ACPI tables."""

    type: Literal["slic"] = at("@type", required=True)
    path: str = at(".", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Os(Element):
    """What the guest boots."""

    arch: str | None = at(
        "type/@arch",
        scalar.pattern(r"[a-z0-9_]{1,20}", "the name of a CPU architecture such as 'x86_64'"),
    )
    machine: str | None = at("type/@machine", MACHINE)
    type: Literal["hvm"] = at("type", required=True)
    loader: Loader | None = at("loader")
    nvram: Nvram | None = at("nvram")
    kernel: str | None = at("kernel")
    initrd: str | None = at("initrd")
    cmdline: str | None = at("cmdline")
    dtb: str | None = at("dtb")
    acpi_table: tuple[AcpiTable, ...] = at("acpi/table")
    boot: tuple[BootDevice, ...] = at("boot/@dev")
    bootmenu: bool | None = at("bootmenu/@enable")
    bootmenu_timeout_ms: int | None = at("bootmenu/@timeout", scalar.number(0, 65535))
    bios_reboot_timeout_ms: int | None = at("bios/@rebootTimeout", scalar.number(-1, 65535))

    def problems(self) -> Iterator[str]:
        """Paths that are empty, and what needs a kernel without one."""
        for name in ("kernel", "initrd"):
            if getattr(self, name) == "":
                yield Amiss(name, f"<{name}> holds no path")
        if self.kernel is None and (self.initrd or self.cmdline):
            yield "<initrd> and <cmdline> need a <kernel>"
        if self.nvram is not None:
            if self.loader is None or not self.loader.is_flash:
                yield Amiss("nvram", "<nvram> needs a <loader type='pflash'>")
            elif self.loader.stateless:
                what = "NVRAM template" if self.nvram.template else "NVRAM"
                yield Amiss("nvram", f"{what} is not permitted when loader is stateless")


@dataclass(frozen=True, slots=True, kw_only=True)
class Apic(Element):
    """The local APIC; QEMU's x86 machines always have one."""

    eoi: bool | None = at("@eoi", scalar.ON_OFF)


STATE = scalar.ON_OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Spinlocks(Element):
    """How often a guest tries before it tells the hypervisor."""

    state: bool | None = at("@state", STATE)
    retries: int | None = at("@retries", scalar.number(4095))


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorId(Element):
    """Which hypervisor a Windows guest believes it runs on."""

    state: bool | None = at("@state", STATE)
    value: str | None = at(
        "@value", scalar.pattern(r"[^,]{1,12}", "up to 12 characters without a comma")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperv(Element):
    """Enlightenments for Windows guests."""

    mode: Literal["custom", "passthrough"] | None = at("@mode")
    relaxed: bool | None = at("relaxed/@state", STATE)
    vapic: bool | None = at("vapic/@state", STATE)
    spinlocks: Spinlocks | None = at("spinlocks")
    vpindex: bool | None = at("vpindex/@state", STATE)
    runtime: bool | None = at("runtime/@state", STATE)
    synic: bool | None = at("synic/@state", STATE)
    stimer: bool | None = at("stimer/@state", STATE)
    stimer_direct: bool | None = at("stimer/direct/@state", STATE)
    reset: bool | None = at("reset/@state", STATE)
    vendor_id: VendorId | None = at("vendor_id")
    frequencies: bool | None = at("frequencies/@state", STATE)
    reenlightenment: bool | None = at("reenlightenment/@state", STATE)
    tlbflush: bool | None = at("tlbflush/@state", STATE)
    ipi: bool | None = at("ipi/@state", STATE)
    evmcs: bool | None = at("evmcs/@state", STATE)
    avic: bool | None = at("avic/@state", STATE)
    emsr_bitmap: bool | None = at("emsr_bitmap/@state", STATE)
    xmm_input: bool | None = at("xmm_input/@state", STATE)

    def problems(self) -> Iterator[str]:
        """Enlightenments that need others."""
        if self.mode == "passthrough":
            return
        if self.stimer and not (self.vpindex and self.synic):
            yield "hyperv 'stimer' needs 'vpindex' and 'synic'"
        if self.synic and not self.vpindex:
            yield "hyperv 'synic' needs 'vpindex'"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyRing(Element):
    """How KVM tells which pages were written."""

    state: bool | None = at("@state", STATE)
    size: int | None = at("@size", scalar.number(1024, 65536))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kvm(Element):
    """What KVM shows of itself."""

    hidden: bool | None = at("hidden/@state", STATE)
    hint_dedicated: bool | None = at("hint-dedicated/@state", STATE)
    poll_control: bool | None = at("poll-control/@state", STATE)
    pv_ipi: bool | None = at("pv-ipi/@state", STATE)
    dirty_ring: DirtyRing | None = at("dirty-ring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Smm(Element):
    """System management mode; one without a state is on."""

    state: bool | None = at("@state", STATE)
    tseg_mib: int | None = at("tseg", scalar.MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features(Element):
    """Parts of the machine that can be switched. QEMU's x86 CPUs always have PAE and an APIC."""

    acpi: bool = at("acpi", scalar.FLAG)
    apic: Apic | None = at("apic")
    pae: bool = at("pae", scalar.FLAG)
    hyperv: Hyperv | None = at("hyperv")
    kvm: Kvm | None = at("kvm")
    pvspinlock: bool | None = at("pvspinlock/@state", STATE, bare=True)
    pmu: bool | None = at("pmu/@state", STATE)
    vmport: bool | None = at("vmport/@state", STATE)
    smm: Smm | None = at("smm")
    ioapic: Literal["kvm", "qemu"] | None = at("ioapic/@driver")
    vmcoreinfo: bool | None = at("vmcoreinfo/@state", STATE, bare=True)
    async_teardown: bool | None = at("async-teardown/@enabled")
    ps2: bool | None = at("ps2/@state", STATE)

    def problems(self) -> Iterator[str]:
        """Features that exclude each other."""
        if self.vmport and self.ps2 is False:
            yield "the vmport feature needs the ps2 feature, which is off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology(Element):
    """How the virtual CPUs are arranged."""

    sockets: int = at("@sockets", scalar.POSITIVE, required=True)
    dies: int | None = at("@dies", scalar.POSITIVE)
    clusters: int | None = at("@clusters", scalar.POSITIVE)
    cores: int = at("@cores", scalar.POSITIVE, required=True)
    threads: int = at("@threads", scalar.POSITIVE, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuModel(Element):
    """The model that the guest sees."""

    fallback: Literal["allow", "forbid"] | None = at("@fallback")
    vendor_id: str | None = at(
        "@vendor_id", scalar.pattern(r"[^,]{12}", "exactly 12 characters without a comma")
    )
    name: str | None = at(".", scalar.pattern(r"[A-Za-z0-9_.\-]{0,100}", "the name of a CPU model"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFeature(Element):
    """One feature on or off."""

    policy: Literal["force", "require", "optional", "disable", "forbid"] | None = at("@policy")
    name: str = at(
        "@name",
        scalar.pattern(r"[A-Za-z0-9_.\-]{1,64}", "the name of a CPU feature"),
        required=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCache(Element):
    """What the guest sees of the CPU's caches."""

    level: Literal["1", "2", "3"] | None = at("@level")
    mode: Literal["emulate", "passthrough", "disable"] = at("@mode", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPhysAddr(Element):
    """How many bits of a physical address the guest's CPU has."""

    mode: Literal["emulate", "passthrough"] = at("@mode", required=True)
    bits: int | None = at("@bits", scalar.number(32, 64))
    limit: int | None = at("@limit", scalar.number(32, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu(Element):
    """The guest's CPU."""

    mode: Literal["custom", "host-model", "host-passthrough", "maximum"] | None = at("@mode")
    match: Literal["minimum", "exact", "strict"] | None = at("@match")
    check: Literal["none", "partial", "full"] | None = at("@check")
    migratable: bool | None = at("@migratable", scalar.ON_OFF)
    model: CpuModel | None = at("model")
    topology: Topology | None = at("topology")
    cache: CpuCache | None = at("cache")
    maxphysaddr: MaxPhysAddr | None = at("maxphysaddr")
    feature: tuple[CpuFeature, ...] = at("feature")
    numa: tuple[NumaCell, ...] = at("numa/cell")

    def problems(self) -> Iterator[str]:
        """A feature that is named twice, or a model in a mode that has none."""
        names = [one.name for one in self.feature]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"CPU feature '{name}' is given more than once"
        host = self.mode in ("host-passthrough", "maximum")
        cache = self.cache
        if cache is not None and cache.mode == "passthrough":
            if not host:
                yield "CPU cache mode 'passthrough' needs CPU mode 'host-passthrough' or 'maximum'"
            if cache.level is not None:
                yield "CPU cache mode 'passthrough' has no level"
        if cache is not None and cache.mode == "emulate" and cache.level != "3":
            yield "CPU cache mode 'emulate' is accepted for level 3 only"
        if cache is not None and cache.mode == "disable" and cache.level is not None:
            yield "CPU cache mode 'disable' has no level"
        physical = self.maxphysaddr
        if physical is not None and physical.mode == "passthrough":
            if not host:
                yield "maxphysaddr mode 'passthrough' needs CPU mode 'host-passthrough'"
            if physical.bits is not None:
                yield "maxphysaddr mode 'passthrough' has no 'bits'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catchup(Element):
    """How fast lost ticks are made up for; QEMU has no such setting and goes its own way."""

    threshold: int | None = at("@threshold")
    slew: int | None = at("@slew")
    limit: int | None = at("@limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer(Element):
    """One of the guest's timers."""

    name: Literal["pit", "rtc", "hpet", "kvmclock"] = at("@name", required=True)
    present: bool | None = at("@present")
    track: Literal["boot", "guest", "wall", "realtime"] | None = at("@track")
    tickpolicy: Literal["delay", "catchup", "merge", "discard"] | None = at("@tickpolicy")
    catchup: Catchup | None = at("catchup")

    def problems(self) -> Iterator[str]:
        """What QEMU cannot do with this timer."""
        policies = {"rtc": ("delay", "catchup"), "pit": ("delay", "catchup", "discard")}
        accepted = policies.get(self.name, ("delay",) if self.name == "hpet" else ())
        if self.tickpolicy is not None and self.tickpolicy not in accepted:
            yield (
                f"timer '{self.name}' cannot have tickpolicy '{self.tickpolicy}', accepted: "
                f"{', '.join(accepted) or 'none'}"
            )
        if self.track is not None and self.name != "rtc":
            yield f"timer '{self.name}' has no 'track', only 'rtc' has"
        if self.track == "boot":
            yield "timer 'rtc' cannot track 'boot', accepted: guest, wall, realtime"
        if self.present is not None and self.name in ("rtc", "pit") and not self.present:
            yield f"timer '{self.name}' is part of the machine and cannot be absent"
        if self.catchup is not None and self.tickpolicy != "catchup":
            yield "<catchup> belongs to tickpolicy 'catchup'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock(Element):
    """How the guest's clock is set at its start."""

    offset: Literal["utc", "localtime", "absolute"] | None = at("@offset")
    start: int | None = at("@start", scalar.number(0, 2**63 - 1))
    timer: tuple[Timer, ...] = at("timer")

    def problems(self) -> Iterator[str]:
        """A start without its offset."""
        if (self.offset == "absolute") != (self.start is not None):
            yield "<clock> has 'start' with offset 'absolute', and only there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vcpu(Element):
    """How many virtual CPUs there are, and on which of the host's they may run."""

    placement: Literal["static"] | None = at("@placement")
    cpuset: str | None = at("@cpuset", scalar.CPUSET)
    current: int | None = at("@current", scalar.POSITIVE)
    count: int | None = at(".", scalar.number(1, 4096))

    def problems(self) -> Iterator[str]:
        """More CPUs at the start than there are at most."""
        if self.current and self.count and self.current > self.count:
            yield f"<vcpu> has {self.current} CPUs at the start ('current') and at most {self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pm(Element):
    """Whether the guest can suspend."""

    suspend_to_mem: bool | None = at("suspend-to-mem/@enabled")
    suspend_to_disk: bool | None = at("suspend-to-disk/@enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class IoThread(Element):
    """A thread of QEMU's own for disks."""

    id: int = at("@id", scalar.POSITIVE, required=True)
    thread_pool_min: int | None = at("@thread_pool_min", scalar.number(0, 2**31 - 1))
    thread_pool_max: int | None = at("@thread_pool_max", scalar.number(1, 2**31 - 1))
    poll_max_ns: int | None = at("poll/@max", scalar.UINT64)
    poll_grow: int | None = at("poll/@grow", scalar.UINT64)
    poll_shrink: int | None = at("poll/@shrink", scalar.UINT64)


@dataclass(frozen=True, slots=True, kw_only=True)
class MainLoop(Element):
    """The pool of QEMU's main thread."""

    thread_pool_min: int | None = at("@thread_pool_min", scalar.number(0, 2**31 - 1))
    thread_pool_max: int | None = at("@thread_pool_max", scalar.number(1, 2**31 - 1))
