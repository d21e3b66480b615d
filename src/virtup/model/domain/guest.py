"""The domain itself: `<domain>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from unicodedata import category

from virtup.model import scalar
from virtup.model.domain.devices.character import Channel, Console, Parallel, Serial
from virtup.model.domain.devices.controller import Controller
from virtup.model.domain.devices.disk import Disk
from virtup.model.domain.devices.filesystem import Filesystem
from virtup.model.domain.devices.graphics import Graphics
from virtup.model.domain.devices.input import Input
from virtup.model.domain.devices.interface import Interface
from virtup.model.domain.devices.iommu import Iommu
from virtup.model.domain.devices.memballoon import Memballoon
from virtup.model.domain.devices.rng import Rng
from virtup.model.domain.devices.simple import Hub, Panic
from virtup.model.domain.devices.smartcard import Smartcard
from virtup.model.domain.devices.sound import Audio, Sound
from virtup.model.domain.devices.video import Video
from virtup.model.domain.devices.watchdog import Watchdog
from virtup.model.domain.machine import (
    Clock,
    Cpu,
    Features,
    IoThread,
    MainLoop,
    Os,
    Pm,
    Vcpu,
)
from virtup.model.domain.tuning import CpuTune, MaxMemory, MemoryBacking, NumaCell, NumaTune
from virtup.model.field import Amiss, Element, at

NAME_BYTES_MAX = 200
"""Longer names make paths of logs and sockets that the kernel does not take."""

GENID = scalar.Scalar(lambda text: scalar.UUID_TEXT.read(text) if text else "", str)
"""A UUID, or nothing for one that is made when the definition is completed."""

Lifecycle = Literal["destroy", "restart", "rename-restart", "preserve"]
CrashAction = Literal[
    "destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices(Element):
    """All devices, in the order in which libvirt writes them."""

    emulator: str | None = at("emulator")
    disk: tuple[Disk, ...] = at("disk")
    controller: tuple[Controller, ...] = at("controller")
    filesystem: tuple[Filesystem, ...] = at("filesystem")
    interface: tuple[Interface, ...] = at("interface")
    smartcard: tuple[Smartcard, ...] = at("smartcard")
    serial: tuple[Serial, ...] = at("serial")
    parallel: tuple[Parallel, ...] = at("parallel")
    console: tuple[Console, ...] = at("console")
    channel: tuple[Channel, ...] = at("channel")
    input: tuple[Input, ...] = at("input")
    graphics: tuple[Graphics, ...] = at("graphics")
    sound: tuple[Sound, ...] = at("sound")
    audio: tuple[Audio, ...] = at("audio")
    video: tuple[Video, ...] = at("video")
    hub: tuple[Hub, ...] = at("hub")
    watchdog: tuple[Watchdog, ...] = at("watchdog")
    memballoon: Memballoon | None = at("memballoon")
    rng: tuple[Rng, ...] = at("rng")
    panic: tuple[Panic, ...] = at("panic")
    iommu: tuple[Iommu, ...] = at("iommu")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityDriver(Element):
    """Which security driver confines the guest; virtup has none to choose from."""

    type: Literal["none"] = at("@type", required=True)
    model: Literal["none"] | None = at("@model")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar(Element):
    """A variable of QEMU's environment."""

    name: str = at(
        "@name", scalar.pattern(r"[A-Za-z_][A-Za-z0-9_]*", "letters, digits and '_'"), required=True
    )
    value: str | None = at("@value")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine(Element):
    """Raw arguments and variables for QEMU, put behind virtup's own."""

    arg: tuple[str, ...] = at("qemu:arg/@value")
    env: tuple[EnvVar, ...] = at("qemu:env")


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain(Element):
    """A guest's whole definition.

    *source* names the document in error texts; *given* is the definition of which this is the
    completed one.
    """

    type: Literal["qemu", "kvm"] = at("@type", required=True)
    id: int | None = at("@id", scalar.INT, live=True)
    name: str = at("name", required=True)
    uuid: str | None = at("uuid", scalar.UUID_TEXT)
    genid: str | None = at("genid", GENID)
    title: str | None = at("title", scalar.pattern(r"[^\n]*", "one line"))
    description: str | None = at("description")
    metadata: str | None = at("metadata", raw=True)
    max_memory: MaxMemory | None = at("maxMemory")
    memory_kib: int = at("memory", scalar.KIB, required=True)
    memory_dump_core: bool | None = at("memory/@dumpCore", scalar.ON_OFF)
    current_memory_kib: int | None = at("currentMemory", scalar.KIB)
    memory_backing: MemoryBacking | None = at("memoryBacking")
    vcpu: Vcpu | None = at("vcpu")
    partition: str | None = at("resource/partition", scalar.pattern("/machine", "'/machine'"))
    iothreads: int | None = at("iothreads", scalar.number(0, 4096))
    iothreadids: tuple[IoThread, ...] = at("iothreadids/iothread")
    defaultiothread: MainLoop | None = at("defaultiothread")
    cputune: CpuTune | None = at("cputune")
    numatune: NumaTune | None = at("numatune")
    os: Os = at("os", required=True)
    features: Features | None = at("features")
    cpu: Cpu | None = at("cpu")
    clock: Clock | None = at("clock")
    on_poweroff: Lifecycle | None = at("on_poweroff")
    on_reboot: Lifecycle | None = at("on_reboot")
    on_crash: CrashAction | None = at("on_crash")
    pm: Pm | None = at("pm")
    devices: Devices = at("devices", always=True)
    seclabel: SecurityDriver | None = at("seclabel")
    commandline: CommandLine | None = at("qemu:commandline")
    source: str = ""
    given: Domain | None = field(default=None, compare=False, repr=False)

    def problems(self) -> Iterator[str]:
        """A name that cannot be, and no memory."""
        yield from (Amiss("name", sentence) for sentence in name_problems(self.name))
        if not self.memory_kib:
            words = "the guest has no memory (<memory> is 0); set a size of at least 1 MiB"
            yield Amiss("memory", words)
        groups = (getattr(self.devices, name) for name in self.devices.__dataclass_fields__)
        count = sum(len(group) for group in groups if isinstance(group, tuple))
        if count > DEVICES_MAX:
            yield f"the guest has {count} devices, accepted are up to {DEVICES_MAX}"

    @property
    def cells(self) -> tuple[NumaCell, ...]:
        """The guest's own NUMA nodes."""
        return self.cpu.numa if self.cpu else ()

    @property
    def vcpus(self) -> int:
        """How many virtual CPUs there are at most."""
        return (self.vcpu.count if self.vcpu else None) or 1

    @property
    def vcpus_current(self) -> int:
        """How many virtual CPUs the guest has at its start."""
        return (self.vcpu.current if self.vcpu else None) or self.vcpus


DEVICES_MAX = 1024
"""More devices than any machine type has room for, but for disks on many controllers."""


def name_problems(name: str) -> Iterator[str]:
    """Why *name* cannot be a guest's name."""
    if not name.strip():
        yield "the name of a domain cannot be empty"
    if "/" in name:
        yield f"name '{name[:80]}' cannot contain '/'"
    if any(category(one) in {"Cc", "Zl", "Zp"} for one in name):
        shown = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in name[:80])
        yield f"name '{shown}' cannot contain control characters"
    if name in (".", ".."):
        yield f"name '{name}' is not accepted, it is a directory"
    if len(name.encode()) > NAME_BYTES_MAX:
        yield f"name '{name[:40]}...' is longer than {NAME_BYTES_MAX} bytes"
