"""What a guest of one emulator, machine and type can have: `<domainCapabilities>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.field import Element, Mode, at, format_element


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum(Element):
    """The values that one attribute can have."""

    name: str = at("@name", required=True)
    value: tuple[str, ...] = at("value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Element):
    """One element of a definition: whether it can be there, and with which values."""

    supported: bool = at("@supported", required=True)
    value: tuple[str, ...] = at("value")
    enum: tuple[Enum, ...] = at("enum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Os(Element):
    """What a guest can boot from."""

    supported: bool = at("@supported", required=True)
    enum: tuple[Enum, ...] = at("enum")
    loader: Block | None = at("loader")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Element):
    """A CPU model, and whether this host can run it."""

    usable: Literal["yes", "no", "unknown"] = at("@usable", required=True)
    deprecated: bool | None = at("@deprecated")
    vendor: str = at("@vendor", required=True)
    name: str = at(".", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuMode(Element):
    """A mode of `<cpu>`."""

    name: Literal["host-passthrough", "maximum", "host-model", "custom"] = at(
        "@name", required=True
    )
    supported: bool = at("@supported", required=True)
    enum: tuple[Enum, ...] = at("enum")
    model: tuple[Model, ...] = at("model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices(Element):
    """The devices that libvirt's document tells of, in its order."""

    disk: Block = at("disk", required=True)
    graphics: Block = at("graphics", required=True)
    video: Block = at("video", required=True)
    hostdev: Block = at("hostdev", required=True)
    rng: Block = at("rng", required=True)
    filesystem: Block = at("filesystem", required=True)
    tpm: Block = at("tpm", required=True)
    redirdev: Block = at("redirdev", required=True)
    channel: Block = at("channel", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features(Element):
    """Features of the machine, in libvirt's order."""

    gic: Block = at("gic", required=True)
    vmcoreinfo: Block = at("vmcoreinfo", required=True)
    genid: Block = at("genid", required=True)
    backing_store_input: Block = at("backingStoreInput", required=True)
    backup: Block = at("backup", required=True)
    sev: Block = at("sev", required=True)
    sgx: Block = at("sgx", required=True)
    hyperv: Block = at("hyperv", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCapabilities(Element):
    """The whole document."""

    path: str = at("path", required=True)
    domain: Literal["qemu", "kvm"] = at("domain", required=True)
    machine: str = at("machine", required=True)
    arch: str = at("arch", required=True)
    vcpu_max: int = at("vcpu/@max", scalar.POSITIVE, required=True)
    iothreads: Block = at("iothreads", required=True)
    os: Os = at("os", required=True)
    cpu: tuple[CpuMode, ...] = at("cpu/mode")
    memory_backing: Block = at("memoryBacking", required=True)
    devices: Devices = at("devices", required=True)
    features: Features = at("features", required=True)


def format_domain_capabilities(document: DomainCapabilities) -> str:
    """The document as XML text."""
    return format_element(document, "domainCapabilities", mode=Mode())
