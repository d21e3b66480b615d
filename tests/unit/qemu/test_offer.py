"""What guests can have: only what this QEMU has, and only what the model accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from tests.fakes.answers import SCHEMA, answers
from virtup.errors import VirtError
from virtup.model.domain import parse_domain
from virtup.model.domain.devices.disk import Disk, DiskTarget
from virtup.model.domain.devices.rng import Rng
from virtup.model.domain_capabilities import Block, DomainCapabilities
from virtup.qemu.capabilities import Capabilities, from_answers
from virtup.qemu.offer import accepted, offer, served
from virtup.qemu.probes import Question

TYPES = (
    "VGA cirrus-vga floppy ich9-ahci ide-hd kvm-accel qxl-vga rng-builtin rng-random scsi-hd"
    " tcg-accel usb-storage virtio-blk-pci virtio-blk-pci-non-transitional virtio-gpu-pci"
    " virtio-rng-pci vmgenid"
)


def qemu(*without: str, **changed: object) -> Capabilities:
    types = [{"name": name} for name in TYPES.split() if name not in without]
    schema = [*SCHEMA, {"name": "query-vnc", "meta-type": "command", "arg-type": "0"}]
    said = answers(qom_list_types=types, query_qmp_schema=schema, **changed)
    said[Question.of("qom-list-properties", {"typename": "max-x86_64-cpu"})] = {
        "return": [{"name": "migratable", "type": "bool"}]
    }
    return from_answers(said)


def offered(
    caps: Capabilities, machine: str = "pc", virt: Literal["kvm", "qemu"] = "kvm"
) -> DomainCapabilities:
    found = caps.machine(machine)
    assert found is not None
    return offer(caps, emulator="/q", arch="x86_64", machine=found, virt_type=virt)


def values(block: Block, name: str) -> tuple[str, ...]:
    return next(enum.value for enum in block.enum if enum.name == name)


def test_devices_are_those_that_this_qemu_has() -> None:
    devices = offered(qemu()).devices
    assert values(devices.disk, "bus") == ("ide", "fdc", "scsi", "virtio", "usb", "sata")
    assert values(devices.disk, "model") == ("virtio", "virtio-non-transitional")
    assert values(devices.disk, "diskDevice") == ("disk", "cdrom", "floppy")
    assert values(devices.video, "modelType") == ("vga", "cirrus", "qxl", "virtio", "none")
    assert values(devices.graphics, "type") == ("vnc",)
    assert values(devices.rng, "backendModel") == ("random", "builtin")

    fewer = offered(qemu("usb-storage", "cirrus-vga", "rng-builtin")).devices
    assert "usb" not in values(fewer.disk, "bus")
    assert "cirrus" not in values(fewer.video, "modelType")
    assert values(fewer.rng, "backendModel") == ("random",)


def test_a_device_with_no_model_left_is_not_supported() -> None:
    assert not offered(qemu("virtio-rng-pci")).devices.rng.supported
    assert offered(qemu()).devices.rng.supported


def test_q35_has_no_ide() -> None:
    assert "ide" not in values(offered(qemu(), "q35").devices.disk, "bus")


def test_what_the_model_does_not_take_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Rng.__annotations__, "model", "Literal['virtio-transitional']")
    assert values(offered(qemu()).devices.rng, "model") == ()


def test_every_offered_word_is_accepted_in_a_definition() -> None:
    devices = offered(qemu()).devices
    disk = "<disk type='file' device='{0}'><source file='/d'/><target dev='sda' bus='{1}'/></disk>"
    cases = [disk.format("disk", bus) for bus in values(devices.disk, "bus")]
    cases += [disk.format(kind, "scsi") for kind in values(devices.disk, "diskDevice")]
    cases += [f"<video><model type='{m}'/></video>" for m in values(devices.video, "modelType")]
    cases += [
        f"<rng model='{model}'><backend model='{backend}'/></rng>"
        for model in values(devices.rng, "model")
        for backend in values(devices.rng, "backendModel")
    ]
    cases += [
        f"<channel type='{kind}'><target type='virtio' name='a'/></channel>"
        for kind in values(devices.channel, "type")
    ]
    cases += [f"<graphics type='{kind}'/>" for kind in values(devices.graphics, "type")]
    for case in cases:
        xml = (
            "<domain type='kvm'><name>a</name><memory>1</memory><os><type>hvm</type></os>"
            f"<devices>{case}</devices></domain>"
        )
        try:
            parse_domain(xml)
        except VirtError as error:
            pytest.fail(f"offered and refused: {case}: {error}")


def test_host_passthrough_needs_kvm() -> None:
    def modes(virt: Literal["kvm", "qemu"]) -> dict[str, bool]:
        return {mode.name: mode.supported for mode in offered(qemu(), virt=virt).cpu}

    every = {"maximum": True, "host-model": False, "custom": True}
    assert modes("kvm") == {"host-passthrough": True, **every}
    assert modes("qemu") == {"host-passthrough": False, **every}


def test_cpu_models_say_whether_they_run_here() -> None:
    cpus = [
        {"name": "max", "unavailable-features": []},
        {"name": "host", "unavailable-features": []},
        {"name": "base", "unavailable-features": []},
        {"name": "EPYC-v1", "unavailable-features": []},
        {"name": "EPYC", "unavailable-features": []},
        {"name": "Denverton", "unavailable-features": ["mpx"], "deprecated": True},
        {"name": "486"},
    ]
    caps = qemu(query_cpu_definitions=cpus)
    (custom,) = (mode for mode in offered(caps).cpu if mode.name == "custom")
    seen = [(m.name, m.usable, m.vendor, m.deprecated) for m in custom.model]
    assert seen == [
        ("EPYC", "yes", "AMD", None),
        ("Denverton", "no", "Intel", True),
        ("486", "unknown", "unknown", None),
    ]


def test_only_the_pcs_are_served() -> None:
    caps = qemu()
    assert [m.name for m in caps.machines if served(m)] == ["pc-q35-8.1", "pc-i440fx-8.1"]
    pc = caps.machines[0]
    assert not served(replace(pc, name="microvm"))
    assert served(replace(pc, name="pc"))


def test_accepted_words_come_from_the_declaration() -> None:
    assert "virtio" in accepted(DiskTarget, "bus")
    assert accepted(Disk, "no_such_field") == frozenset()
    with pytest.raises(TypeError, match=r"Disk\.serial is no choice"):
        accepted(Disk, "serial")
