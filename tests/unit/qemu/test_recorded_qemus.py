"""Three recorded QEMUs, read as libvirt read them: machines, CPU models, flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from virtup.qemu.capabilities import Capabilities, dump, load, parse_replies

VERSIONS = ("7.2.0", "8.2.0", "10.0.0")

FLAGS = {
    "kvm": "kvm",
    "tcg": "tcg",
    "spice": "query-spice",
    "vnc": "query-vnc",
    "qxl": "device.qxl",
    "cirrus-vga": "device.cirrus-vga",
    "hda-duplex": "device.hda-duplex",
    "virtio-blk-pci.scsi": "device.virtio-blk-pci.scsi",
    "virtio-blk.queue-size": "device.virtio-blk-pci.queue-size",
    "virtio-net.rss": "device.virtio-net-pci.rss",
    "virtio-balloon-pci.deflate-on-oom": "device.virtio-balloon-pci.deflate-on-oom",
    "virtio-balloon.free-page-reporting": "device.virtio-balloon-pci.free-page-reporting",
    "rng-random": "object.rng-random",
    "rng-builtin": "object.rng-builtin",
    "bochs-display": "device.bochs-display",
    "vmcoreinfo": "device.vmcoreinfo",
    "vmgenid": "device.vmgenid",
    "pcie-root-port.hotplug": "device.pcie-root-port.hotplug",
    "qemu-xhci": "device.qemu-xhci",
    "rotation-rate": "device.scsi-hd.rotation_rate",
    "i8042": "device.i8042",
    "acpi-index": "device.virtio-net-pci.acpi-index",
    "aio.io_uring": "blockdev-add/arg-type/+file/aio/^io_uring",
    "netdev.json": "netdev_add/arg-type/+user",
    "device.json+hotplug": "device_add/$json-cli-hotplug",
    "netdev.user": "netdev_add/arg-type/+user",
    "netdev.stream": "netdev_add/arg-type/+stream",
    "netdev.vhost-vdpa": "netdev_add/arg-type/type/^vhost-vdpa",
    "chardev.qemu-vdagent": "chardev-add/arg-type/backend/+qemu-vdagent",
    "set-action": "set-action",
    "query-stats": "query-stats",
    "display-reload": "display-reload",
    "tpm-emulator": "tpm.type.emulator",
    "tpm-crb": "tpm.model.tpm-crb",
    "migrate-rdma": "migration.rdma-pin-all",
    "seccomp-sandbox": "option.sandbox.enable",
    "cpu.migratable": "object.max-x86_64-cpu.migratable",
    "memory-backend-file.pmem": "object.memory-backend-file.pmem",
    "machine-i8042-opt": "object.generic-pc-machine.i8042",
    "machine-vmport-opt": "object.generic-pc-machine.vmport",
    "machine-hpet": "option.machine.hpet",
    "run-with.async-teardown": "option.run-with.async-teardown",
    "query-cpu-model-expansion": "query-cpu-model-expansion",
    "thread-context": "object.thread-context",
    "smp-clusters": "option.smp-opts.clusters",
    "vnc-power-control": "option.vnc.power-control",
}
"""libvirt's word for something, and ours."""


@pytest.fixture(scope="module")
def recordings(conformance: Path) -> Path:
    return conformance / "domain-xml" / "_capabilities"


@pytest.fixture(scope="module", params=VERSIONS)
def recorded(
    request: pytest.FixtureRequest, recordings: Path
) -> tuple[Capabilities, etree._Element]:
    stem = f"{request.param}_x86_64"
    caps = parse_replies((recordings / f"{stem}.replies").read_text(), source=stem)
    return caps, etree.parse(recordings / f"{stem}.xml").getroot()


def test_it_is_the_qemu_that_was_recorded(recorded: tuple[Capabilities, etree._Element]) -> None:
    caps, told = recorded
    major, minor, micro = caps.version
    assert str(major * 1_000_000 + minor * 1000 + micro) == told.findtext("version")
    assert caps.package == told.findtext("package")
    assert caps.arch == told.findtext("arch")
    assert caps.kvm_present
    assert caps.kvm_enabled


@pytest.mark.parametrize(("type", "virt"), [("kvm", "kvm"), ("tcg", "qemu")])
def test_cpu_models_are_those_that_libvirt_saw(
    recorded: tuple[Capabilities, etree._Element], type: str, virt: str
) -> None:
    caps, told = recorded
    seen = {e.get("name"): e for e in told.findall(f"cpu[@type='{type}']")}
    assert seen
    models = caps.cpu_models(virt)
    assert {m.name for m in models} == set(seen)
    for model in models:
        usable = seen[model.name].get("usable", "unknown")
        assert {True: "yes", False: "no", None: "unknown"}[model.usable] == usable, model.name
        assert model.deprecated == (seen[model.name].get("deprecated") == "yes"), model.name


@pytest.mark.parametrize("type", ["kvm", "tcg"])
def test_machines_are_those_that_libvirt_saw(
    recorded: tuple[Capabilities, etree._Element], type: str
) -> None:
    caps, told = recorded
    elements = told.findall(f"machine[@type='{type}']")
    assert elements
    for element in elements:
        name = element.get("name", "")
        machine = caps.machine(name)
        assert machine is not None, name
        if element.get("alias"):
            assert caps.machine(element.get("alias", "")) == machine, name
        assert machine.cpu_max == int(element.get("maxCpus", "0")), name
        assert machine.hotpluggable_cpus == (element.get("hotplugCpus") == "yes"), name
        assert machine.deprecated == (element.get("deprecated") == "yes"), name
        assert machine.is_default == (element.get("default") == "yes"), name
        cpu = element.get("defaultCPU")
        assert machine.default_cpu == (cpu and cpu.removesuffix("-x86_64-cpu")), name
        assert machine.default_ram_id == element.get("defaultRAMid"), name
    assert {m.name for m in caps.machines} - {e.get("name") for e in elements} <= {"none"}


@pytest.mark.parametrize("flag", sorted(FLAGS))
def test_a_flag_of_libvirts_is_ours_too(
    recorded: tuple[Capabilities, etree._Element], flag: str
) -> None:
    caps, told = recorded
    there = told.find(f"flag[@name='{flag}']") is not None
    assert caps.has(FLAGS[flag]) == there


def test_a_recording_is_kept_and_read_again(
    recorded: tuple[Capabilities, etree._Element],
) -> None:
    caps, _ = recorded
    again = load(dump(caps))
    assert again == caps
    assert again.digest == caps.digest
    assert again.has("blockdev-add/arg-type/+file/aio/^io_uring")


def test_three_qemus_are_three_digests(recordings: Path) -> None:
    digests = {
        parse_replies((recordings / f"{version}_x86_64.replies").read_text()).digest
        for version in VERSIONS
    }
    assert len(digests) == len(VERSIONS)
