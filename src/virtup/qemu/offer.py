"""What a guest of one QEMU can have: the meeting of what QEMU has and what virtup's model takes.

Each table row is a word of libvirt's document and the names of which QEMU must have one (none:
it always has it). A word that the model's own declaration does not accept is left out, so that
the document cannot promise what a definition is then refused for.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping

from virtup.model.domain import guest
from virtup.model.domain.devices.character import Channel
from virtup.model.domain.devices.disk import Disk, DiskTarget
from virtup.model.domain.devices.graphics import Graphics
from virtup.model.domain.devices.rng import Rng, RngBackend
from virtup.model.domain.devices.video import Video
from virtup.model.domain.machine import Cpu, Features
from virtup.model.domain_capabilities import (
    Block,
    CpuMode,
    Devices,
    DomainCapabilities,
    Enum,
    Model,
    Os,
)
from virtup.model.domain_capabilities import Features as FeaturesOffer
from virtup.model.field import Element, fields_of
from virtup.qemu.capabilities import Capabilities, CpuModel, Machine

VirtType = typing.Literal["kvm", "qemu"]
Rows = Mapping[str, tuple[str, ...]]

_DISK_DEVICES: Rows = {
    "disk": (),
    "cdrom": (),
    "floppy": (),
    "lun": ("device.scsi-block",),
}
_DISK_BUSES: Rows = {
    "ide": ("device.ide-hd",),
    "fdc": ("device.floppy",),
    "scsi": ("device.scsi-hd",),
    "virtio": ("device.virtio-blk-pci",),
    "usb": ("device.usb-storage",),
    "sata": ("device.ich9-ahci",),
}
_VIRTIO_DISKS: Rows = {
    "virtio": ("device.virtio-blk-pci",),
    "virtio-transitional": ("device.virtio-blk-pci-transitional",),
    "virtio-non-transitional": ("device.virtio-blk-pci-non-transitional",),
}
_GRAPHICS: Rows = {"vnc": ("query-vnc",)}
_VIDEO: Rows = {
    "vga": ("device.VGA",),
    "cirrus": ("device.cirrus-vga",),
    "vmvga": ("device.vmware-svga",),
    "qxl": ("device.qxl", "device.qxl-vga"),
    "virtio": ("device.virtio-vga", "device.virtio-gpu-pci"),
    "none": (),
    "bochs": ("device.bochs-display",),
    "ramfb": ("device.ramfb",),
}
_RNGS: Rows = {
    "virtio": ("device.virtio-rng-pci",),
    "virtio-transitional": ("device.virtio-rng-pci-transitional",),
    "virtio-non-transitional": ("device.virtio-rng-pci-non-transitional",),
}
_RNG_BACKENDS: Rows = {"random": ("object.rng-random",), "builtin": ("object.rng-builtin",)}
_CHANNELS: Rows = {"pty": (), "unix": ()}

_MODES = frozenset({"host", "max", "base"})
"""CPU models of QEMU's that a definition asks for as a mode, or not at all."""

_VERSIONED = re.compile(r"-v\d+$")
_VENDORS = (
    ("Hygon", ("Dhyana",)),
    ("AMD", ("EPYC", "Opteron", "phenom", "athlon")),
    ("Zhaoxin", ("YongFeng",)),
    (
        "Intel",
        (
            "Broadwell",
            "Cascadelake",
            "ClearwaterForest",
            "Conroe",
            "Cooperlake",
            "Denverton",
            "GraniteRapids",
            "Haswell",
            "Icelake",
            "IvyBridge",
            "KnightsMill",
            "Nehalem",
            "Penryn",
            "SandyBridge",
            "SapphireRapids",
            "SierraForest",
            "Skylake",
            "Snowridge",
            "Westmere",
            "core2duo",
            "coreduo",
            "n270",
        ),
    ),
)

_NO = Block(supported=False)
_YES = Block(supported=True)
_LOADER = Block(
    supported=True,
    enum=(
        Enum(name="type", value=("rom", "pflash")),
        Enum(name="readonly", value=("yes", "no")),
        Enum(name="secure", value=("no",)),
    ),
)


def offer(
    caps: Capabilities, *, emulator: str, arch: str, machine: Machine, virt_type: VirtType
) -> DomainCapabilities:
    """What a guest of *virt_type* on *machine* can have; *arch* is libvirt's name."""
    return DomainCapabilities(
        path=emulator,
        domain=virt_type,
        machine=machine.name,
        arch=arch,
        vcpu_max=machine.cpu_max,
        iothreads=_known(guest.Domain, "iothreads"),
        os=Os(supported=True, enum=(Enum(name="firmware"),), loader=_LOADER),
        cpu=tuple(_cpu_modes(caps, virt_type)),
        memory_backing=_NO,
        devices=_devices(caps, machine),
        features=FeaturesOffer(
            gic=_NO,
            vmcoreinfo=_known(Features, "vmcoreinfo", caps.has("device.vmcoreinfo")),
            genid=_known(guest.Domain, "genid", caps.has("device.vmgenid")),
            backing_store_input=_known(Disk, "backing_store"),
            backup=_NO,
            sev=_NO,
            sgx=_NO,
            hyperv=_NO,
        ),
    )


def served(machine: Machine) -> bool:
    """Whether virtup runs guests on *machine*: the PCs with a PCI bus."""
    return machine.name in ("pc", "q35") or machine.name.startswith(("pc-i440fx-", "pc-q35-"))


def accepted(cls: type[Element], name: str) -> frozenset[str]:
    """The words that the model takes for the field *name* of *cls*; none if it has no such field.

    Raises TypeError for a field that is no choice of words.
    """
    hint = typing.get_type_hints(cls).get(name)
    if hint is None:
        return frozenset()
    words: set[str] = set()
    for option in typing.get_args(hint) or (hint,):
        words.update(one for one in typing.get_args(option) or (option,) if isinstance(one, str))
    if not words:
        raise TypeError(f"{cls.__name__}.{name} is no choice of words")
    return frozenset(words)


def _devices(caps: Capabilities, machine: Machine) -> Devices:
    # q35 has no ISA bus for an IDE controller, and virtup adds no PCI one
    buses = {
        name: row for name, row in _DISK_BUSES.items() if name != "ide" or not _is_q35(machine)
    }
    channels = accepted(Channel, "type")
    return Devices(
        disk=Block(
            supported=True,
            enum=(
                _enum("diskDevice", caps, _DISK_DEVICES, accepted(Disk, "device")),
                _enum("bus", caps, buses, accepted(DiskTarget, "bus")),
                _enum("model", caps, _VIRTIO_DISKS, accepted(Disk, "model") | {"virtio"}),
            ),
        ),
        graphics=_block(_enum("type", caps, _GRAPHICS, accepted(Graphics, "type"))),
        video=_block(_enum("modelType", caps, _VIDEO, accepted(Video, "type"))),
        hostdev=_NO,
        rng=_block(
            _enum("model", caps, _RNGS, accepted(Rng, "model")),
            _enum("backendModel", caps, _RNG_BACKENDS, accepted(RngBackend, "model")),
        ),
        filesystem=_NO,
        tpm=_NO,
        redirdev=_NO,
        channel=_block(_enum("type", caps, _CHANNELS, channels)),
    )


def _is_q35(machine: Machine) -> bool:
    return machine.name == "q35" or machine.name.startswith("pc-q35-")


def _enum(name: str, caps: Capabilities, rows: Rows, words: frozenset[str]) -> Enum:
    return Enum(
        name=name,
        value=tuple(
            word
            for word, needs in rows.items()
            if word in words and (not needs or any(caps.has(one) for one in needs))
        ),
    )


def _block(*enums: Enum) -> Block:
    return Block(supported=all(enum.value for enum in enums), enum=enums)


def _known(cls: type[Element], name: str, present: bool = True) -> Block:
    """Supported if the model has the field *name* and QEMU its part."""
    return _YES if present and any(spec.name == name for spec in fields_of(cls)) else _NO


def _cpu_modes(caps: Capabilities, virt_type: VirtType) -> Iterator[CpuMode]:
    modes = accepted(Cpu, "mode")
    migratable = caps.has("object.max-x86_64-cpu.migratable")
    switch = ("on", "off") if migratable else ("off",)
    host = "host-passthrough" in modes and virt_type == "kvm"
    yield CpuMode(
        name="host-passthrough",
        supported=host,
        enum=(Enum(name="hostPassthroughMigratable", value=switch),) if host else (),
    )
    most = "maximum" in modes and caps.cpu_model("max", virt_type) is not None
    yield CpuMode(
        name="maximum",
        supported=most,
        enum=(Enum(name="maximumMigratable", value=switch),) if most else (),
    )
    # host-model needs the host's CPU named in libvirt's terms, which virtup does not do
    yield CpuMode(name="host-model", supported=False)
    yield CpuMode(
        name="custom",
        supported="custom" in modes,
        model=tuple(_model(model) for model in _listed(caps, virt_type)),
    )


def _listed(caps: Capabilities, virt_type: VirtType) -> Iterator[CpuModel]:
    for model in caps.cpu_models(virt_type):
        if model.name not in _MODES and not _VERSIONED.search(model.name):
            yield model


def _model(model: CpuModel) -> Model:
    usable: typing.Literal["yes", "no", "unknown"] = "unknown"
    if model.usable is not None:
        usable = "yes" if model.usable else "no"
    vendor = next(
        (name for name, heads in _VENDORS if model.name.startswith(heads)),
        "unknown",
    )
    return Model(
        usable=usable, deprecated=True if model.deprecated else None, vendor=vendor, name=model.name
    )
