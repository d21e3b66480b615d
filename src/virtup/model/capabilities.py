"""What a host offers its clients: `<capabilities>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.field import Element, Mode, at, format_element


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages(Element):
    """A size of memory pages, and how many of them a cell has."""

    unit: Literal["KiB"] = at("@unit", required=True)
    size_kib: int = at("@size", required=True)
    count: int | None = at(".", scalar.UINT64)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTopology(Element):
    """How the host's processors are arranged."""

    sockets: int = at("@sockets", required=True)
    dies: int = at("@dies", required=True)
    cores: int = at("@cores", required=True)
    threads: int = at("@threads", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Element):
    """The processor's own numbers."""

    family: int = at("@family", required=True)
    model: int = at("@model", required=True)
    stepping: int = at("@stepping", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCpu(Element):
    """The host's processor. It has no model name: those are QEMU's, a guest's CPU at a time."""

    arch: str = at("arch", required=True)
    vendor: str | None = at("vendor")
    microcode: int | None = at("microcode/@version")
    signature: Signature | None = at("signature")
    topology: CpuTopology | None = at("topology")
    physical_bits_mode: Literal["emulate", "passthrough"] | None = at("maxphysaddr/@mode")
    physical_bits: int | None = at("maxphysaddr/@bits")
    pages: tuple[Pages, ...] = at("pages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling(Element):
    """How far a cell's memory is from another's processors."""

    id: int = at("@id", required=True)
    value: int = at("@value", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCpu(Element):
    """One processor of a cell; *siblings* are those that share its core."""

    id: int = at("@id", required=True)
    socket_id: int | None = at("@socket_id")
    die_id: int | None = at("@die_id")
    core_id: int | None = at("@core_id")
    siblings: str | None = at("@siblings", scalar.CPUSET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(Element):
    """One NUMA node."""

    id: int = at("@id", required=True)
    memory_kib: int | None = at("memory", scalar.KIB)
    pages: tuple[Pages, ...] = at("pages")
    distances: tuple[Sibling, ...] = at("distances/sibling")
    cpu_count: int | None = at("cpus/@num")
    cpus: tuple[CellCpu, ...] = at("cpus/cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank(Element):
    """One cache that processors share."""

    id: int = at("@id", required=True)
    level: int = at("@level", required=True)
    type: Literal["both", "code", "data"] = at("@type", required=True)
    size: int = at("@size", required=True)
    unit: Literal["KiB", "MiB"] = at("@unit", required=True)
    cpus: str = at("@cpus", scalar.CPUSET, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLabel(Element):
    """The label that a guest of that type gets."""

    type: Literal["kvm", "qemu"] = at("@type", required=True)
    label: str = at(".", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecModel(Element):
    """One way in which guests are kept apart."""

    model: str = at("model", required=True)
    doi: str = at("doi", required=True)
    baselabel: tuple[BaseLabel, ...] = at("baselabel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Element):
    """The host itself."""

    uuid: str | None = at("uuid", scalar.UUID_TEXT)
    cpu: HostCpu = at("cpu", required=True)
    iommu: bool | None = at("iommu/@support")
    cell_count: int | None = at("topology/cells/@num")
    cells: tuple[Cell, ...] = at("topology/cells/cell")
    cache: tuple[Bank, ...] = at("cache/bank")
    secmodel: tuple[SecModel, ...] = at("secmodel")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestMachine(Element):
    """A machine type; an alias names the canonical one."""

    canonical: str | None = at("@canonical")
    cpu_max: int | None = at("@maxCpus")
    deprecated: bool | None = at("@deprecated")
    name: str = at(".", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestDomain(Element):
    """A type of domain that can be defined."""

    type: Literal["qemu", "kvm"] = at("@type", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toggle(Element):
    """A feature: how it is by default, and whether a definition can switch it."""

    default: bool = at("@default", scalar.ON_OFF, required=True)
    toggle: bool = at("@toggle", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest(Element):
    """What guests of one architecture can be."""

    os_type: Literal["hvm"] = at("os_type", required=True)
    arch: str = at("arch/@name", required=True)
    wordsize: int = at("arch/wordsize", required=True)
    emulator: str = at("arch/emulator", required=True)
    machine: tuple[GuestMachine, ...] = at("arch/machine")
    domain: tuple[GuestDomain, ...] = at("arch/domain")
    acpi: Toggle | None = at("features/acpi")
    apic: Toggle | None = at("features/apic")
    cpuselection: bool = at("features/cpuselection", scalar.FLAG)
    deviceboot: bool = at("features/deviceboot", scalar.FLAG)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCapabilities(Element):
    """The whole document."""

    host: Host = at("host", required=True)
    guest: tuple[Guest, ...] = at("guest")


def format_capabilities(document: HostCapabilities) -> str:
    """The document as XML text."""
    return format_element(document, "capabilities", mode=Mode())
