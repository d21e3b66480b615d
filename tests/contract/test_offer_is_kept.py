"""What domcapabilities offers is run: each word in a guest, on the QEMU that it was offered for."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from tests import lab
from virtup.machine import probe
from virtup.model.domain import parse_domain
from virtup.model.domain.aliases import with_aliases
from virtup.model.domain.fill import complete
from virtup.model.domain_capabilities import Block, DomainCapabilities
from virtup.qemu.argv import build
from virtup.qemu.capabilities import Capabilities
from virtup.qemu.offer import offer
from virtup.qemu.runtime import Runtime

pytestmark = pytest.mark.skipif(not Path(lab.QEMU).exists(), reason=f"{lab.QEMU} is not installed")

MACHINES = ("pc", "q35")


@cache
def caps() -> Capabilities:
    return asyncio.run(probe.probe(lab.QEMU, None))


def offered(machine: str) -> DomainCapabilities:
    found = caps().machine(machine)
    assert found is not None
    return offer(caps(), emulator=lab.QEMU, arch="x86_64", machine=found, virt_type="qemu")


def words(block: Block, name: str) -> tuple[str, ...]:
    return next(enum.value for enum in block.enum if enum.name == name)


def devices(machine: str) -> Iterator[str]:
    """One device element for each word that is offered for *machine*."""
    every = offered(machine).devices
    for bus in words(every.disk, "bus"):
        if bus == "fdc":
            continue
        target = {"ide": "hda", "virtio": "vda"}.get(bus, "sda")
        yield f"<disk type='file'><source file='DISK'/><target dev='{target}' bus='{bus}'/></disk>"
    for model in words(every.disk, "model"):
        target = "<source file='DISK'/><target dev='vda' bus='virtio'/>"
        yield f"<disk type='file' model='{model}'>{target}</disk>"
    yield "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    if "fdc" in words(every.disk, "bus"):
        yield "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>"
    for model in words(every.video, "modelType"):
        yield f"<video><model type='{model}'/></video>"
    for model in words(every.rng, "model"):
        for backend in words(every.rng, "backendModel"):
            yield f"<rng model='{model}'><backend model='{backend}'/></rng>"
    for kind in words(every.channel, "type"):
        if kind != "unix":  # its socket is bound by the start and is proven there
            yield f"<channel type='{kind}'><target type='virtio' name='org.a'/></channel>"


CASES = [(machine, device) for machine in MACHINES for device in devices(machine)]


def run(xml: str, scratch: Path) -> subprocess.CompletedProcess[str]:
    """A guest brought up paused, and ended by its own monitor: 0 if QEMU took its command line."""
    numbers = count(1)
    domain = complete(
        parse_domain(xml),
        caps(),
        uuid="4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
        mac=lambda: f"52:54:00:00:00:{next(numbers):02x}",
        emulator=lab.QEMU,
    )
    domain = with_aliases(domain)
    line = build(domain, caps(), Runtime(lib_dir=str(scratch)))
    return subprocess.run(
        [*line.argv, "-S", "-qmp", "stdio"],
        env=dict(line.env),
        input='{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n',
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        check=False,
    )


def guest(machine: str, device: str = "", *, head: str = "") -> str:
    return (
        f"<domain type='qemu'><name>a</name><memory unit='MiB'>64</memory>{head}"
        f"<os><type machine='{machine}'>hvm</type></os><devices>{device}</devices></domain>"
    )


@pytest.mark.parametrize(("machine", "device"), CASES, ids=[" ".join(case) for case in CASES])
def test_an_offered_device_runs(machine: str, device: str, scratch: Path) -> None:
    image = scratch / "disk.raw"
    image.write_bytes(bytes(1 << 20))
    done = run(guest(machine, device.replace("DISK", str(image))), scratch)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("machine", MACHINES)
def test_an_offered_cpu_runs(machine: str, scratch: Path) -> None:
    listed = next(mode for mode in offered(machine).cpu if mode.name == "custom").model
    # a 486 has no APIC, and the root ports of q35 need one
    usable = [model.name for model in listed if model.usable != "no" and model.name != "486"]
    names = usable[::6]
    assert names
    for name in names:
        head = f"<cpu mode='custom'><model>{name}</model></cpu>"
        done = run(guest(machine, head=head), scratch)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    most = next(mode for mode in offered(machine).cpu if mode.name == "maximum")
    assert most.supported
    assert run(guest(machine, head="<cpu mode='maximum'/>"), scratch).returncode == 0


@pytest.mark.parametrize("machine", MACHINES)
def test_an_offered_feature_runs(machine: str, scratch: Path) -> None:
    features = offered(machine).features
    if features.vmcoreinfo.supported:
        head = "<features><acpi/><vmcoreinfo state='on'/></features>"
        done = run(guest(machine, head=head), scratch)
        assert done.returncode == 0, done.stderr
    if features.genid.supported:
        head = "<genid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</genid><features><acpi/></features>"
        done = run(guest(machine, head=head), scratch)
        assert done.returncode == 0, done.stderr
