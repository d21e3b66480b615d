"""The guest's machine: firmware and boot, CPU, features, clock, memory, power management."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.field import Element, at

MACHINE = scalar.pattern(
    r"[A-Za-z0-9_.\-]{1,100}", "the name of a machine type such as 'pc' or 'q35'"
)
BootDevice = Literal["fd", "hd", "cdrom", "network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Os(Element):
    """What the guest boots."""

    arch: str | None = at(
        "type/@arch",
        scalar.pattern(r"[a-z0-9_]{1,20}", "the name of a CPU architecture such as 'x86_64'"),
    )
    machine: str | None = at("type/@machine", MACHINE)
    type: Literal["hvm"] = at("type", required=True)
    kernel: str | None = at("kernel")
    initrd: str | None = at("initrd")
    cmdline: str | None = at("cmdline")
    dtb: str | None = at("dtb")
    boot: tuple[BootDevice, ...] = at("boot/@dev")
    bootmenu: bool | None = at("bootmenu/@enable")
    bootmenu_timeout_ms: int | None = at("bootmenu/@timeout", scalar.number(0, 65535))
    bios_useserial: bool | None = at("bios/@useserial")
    bios_reboot_timeout_ms: int | None = at("bios/@rebootTimeout", scalar.number(-1, 65535))

    def problems(self) -> Iterator[str]:
        """Paths that are empty, and what needs a kernel without one."""
        for name in ("kernel", "initrd"):
            if getattr(self, name) == "":
                yield f"<{name}> holds no path"
        if self.kernel is None and (self.initrd or self.cmdline):
            yield "<initrd> and <cmdline> need a <kernel>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apic(Element):
    """The local APIC; QEMU's x86 machines always have one."""

    eoi: bool | None = at("@eoi", scalar.ON_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features(Element):
    """Parts of the machine that can be switched."""

    acpi: bool = at("acpi", scalar.FLAG)
    apic: Apic | None = at("apic")
    pae: bool = at("pae", scalar.FLAG)
    vmport: bool | None = at("vmport/@state", scalar.ON_OFF)
    pmu: bool | None = at("pmu/@state", scalar.ON_OFF)
    pvspinlock: bool | None = at("pvspinlock/@state", scalar.ON_OFF, bare=True)
    ps2: bool | None = at("ps2/@state", scalar.ON_OFF)
    smm: bool | None = at("smm/@state", scalar.ON_OFF, bare=True)
    vmcoreinfo: bool | None = at("vmcoreinfo/@state", scalar.ON_OFF, bare=True)

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
class Cpu(Element):
    """The guest's CPU."""

    mode: Literal["custom", "host-model", "host-passthrough", "maximum"] | None = at("@mode")
    match: Literal["minimum", "exact", "strict"] | None = at("@match")
    check: Literal["none", "partial", "full"] | None = at("@check")
    migratable: bool | None = at("@migratable", scalar.ON_OFF)
    model: CpuModel | None = at("model")
    topology: Topology | None = at("topology")
    feature: tuple[CpuFeature, ...] = at("feature")

    def problems(self) -> Iterator[str]:
        """A feature that is named twice, or a model in a mode that has none."""
        names = [one.name for one in self.feature]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"CPU feature '{name}' is given more than once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer(Element):
    """One of the guest's timers."""

    name: Literal["platform", "pit", "rtc", "hpet", "kvmclock"] = at("@name", required=True)
    present: bool | None = at("@present")
    track: Literal["boot", "guest", "wall", "realtime"] | None = at("@track")
    tickpolicy: Literal["delay", "catchup", "merge", "discard"] | None = at("@tickpolicy")


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
class MemoryBacking(Element):
    """Where the guest's memory comes from."""

    nosharepages: bool = at("nosharepages", scalar.FLAG)
    locked: bool = at("locked", scalar.FLAG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vcpu(Element):
    """How many virtual CPUs there are, and on which of the host's they may run."""

    placement: Literal["static", "auto"] | None = at("@placement")
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
