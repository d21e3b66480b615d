"""What the installed QEMU says of itself is what it then accepts on its command line."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests import lab
from virtup.host import accounts, kvm
from virtup.host.accounts import Account
from virtup.host.kvm import KvmState
from virtup.machine import probe
from virtup.qemu import probes
from virtup.qemu.capabilities import Capabilities

pytestmark = pytest.mark.skipif(not Path(lab.QEMU).exists(), reason=f"{lab.QEMU} is not installed")


@cache
def probed() -> Capabilities:
    return asyncio.run(_probe())


async def _probe() -> Capabilities:
    caps = await probe.probe(lab.QEMU, None)
    if "tcg" not in caps.cpus:
        caps = await probe.probe_without_kvm(lab.QEMU, None, caps)
    return caps


@pytest.fixture
def caps() -> Capabilities:
    return probed()


def said(*options: str) -> str:
    """What QEMU prints for *options*, which must be ones that make it print and end."""
    done = subprocess.run(
        [lab.QEMU, *options], capture_output=True, text=True, timeout=lab.BOUND_S, check=True
    )
    return done.stdout


def started(*options: str, accel: str = "tcg") -> subprocess.CompletedProcess[str]:
    """QEMU with *options*, ended by its monitor as soon as it is up: 0 if it took them all."""
    return subprocess.run(
        [
            lab.QEMU, "-S", "-nodefaults", "-no-user-config", "-display", "none", "-m", "64",
            "-accel", accel, "-qmp", "stdio", *options,
        ],
        input='{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n',
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        check=False,
    )  # fmt: skip


def takes(*options: str) -> bool:
    return started(*options).returncode == 0


def first_words(text: str, *, until: str = "") -> list[str]:
    """The first word of each line that has one behind the heading, up to the line *until*."""
    words = []
    for line in text.splitlines()[1:]:
        if until and line.startswith(until):
            break
        if line.strip():
            words.append(line.split()[0])
    return words


def test_its_version_is_what_the_binary_prints(caps: Capabilities) -> None:
    told = said("--version").splitlines()[0]
    assert f"version {'.'.join(map(str, caps.version))} " in f"{told} "
    assert caps.package in told
    assert caps.arch == "x86_64"


def test_every_question_has_an_answer() -> None:
    answers = asyncio.run(probe.ask(lab.QEMU, probes.PROBE, account=None))
    assert set(answers) == set(probes.PROBE)
    refused = [q for q, message in answers.items() if "return" not in message]
    assert not [q for q in refused if q in probes.REQUIRED]


def test_machines_are_those_that_it_lists(caps: Capabilities) -> None:
    listed = set(first_words(said("-machine", "help")))
    known = {m.name for m in caps.machines} | {m.alias for m in caps.machines if m.alias}
    assert known == listed
    assert all(caps.machine(name) for name in listed)
    default = re.search(r"^(\S+) .*\(default\)", said("-machine", "help"), re.MULTILINE)
    assert default
    assert caps.default_machine == caps.machine(default[1])


@pytest.mark.parametrize("name", ["pc", "q35"])
def test_an_alias_is_the_machine_that_it_stands_for(caps: Capabilities, name: str) -> None:
    machine = caps.machine(name)
    assert machine is not None
    assert takes("-machine", machine.name)
    over = "Invalid SMP CPUs"
    most = machine.cpu_max
    assert over not in started("-machine", name, "-smp", f"1,maxcpus={most}").stderr
    assert over in started("-machine", name, "-smp", f"1,maxcpus={most + 1}").stderr


def test_an_unknown_machine_is_refused_by_both(caps: Capabilities) -> None:
    assert caps.machine("pc-i440fx-99.0") is None
    assert not takes("-machine", "pc-i440fx-99.0")


def test_cpu_models_are_those_that_it_lists(caps: Capabilities) -> None:
    listed = {
        line.split()[1] for line in said("-cpu", "help").splitlines() if line.startswith("x86 ")
    }
    assert {m.name for m in caps.cpu_models("qemu")} == listed


@pytest.mark.parametrize("usable", [True, False])
def test_usable_says_whether_a_model_runs_whole(caps: Capabilities, usable: bool) -> None:
    models = [m for m in caps.cpu_models("qemu") if m.usable is usable and m.name != "host"]
    for model in models[:: max(1, len(models) // 4)][:4]:
        assert bool(model.blockers) is not usable
        assert takes("-machine", "pc", "-cpu", f"{model.name},enforce=on") is usable, model.name


def test_devices_are_those_that_it_lists(caps: Capabilities) -> None:
    listed = set(re.findall(r'^name "([^"]+)"', said("-device", "help"), re.MULTILINE))
    assert len(listed) > 100
    missing = {name for name in listed if not caps.has(f"device.{name}")}
    assert not missing
    for name in ("virtio-blk-ccw", "no-such-device"):
        assert not caps.has(f"device.{name}")
        assert name not in listed


def test_objects_are_those_that_it_lists(caps: Capabilities) -> None:
    listed = first_words(said("-object", "help"))
    assert "rng-random" in listed
    assert not {name for name in listed if not caps.has(f"object.{name}")}


@pytest.mark.parametrize("device", ["virtio-blk-pci", "virtio-net-pci", "ide-hd", "qxl"])
def test_properties_are_those_that_it_lists(caps: Capabilities, device: str) -> None:
    text = said("-device", f"{device},help")
    listed = set(re.findall(r"^  ([^\s=]+)=<", text, re.MULTILINE))
    assert len(listed) > 5
    assert set(caps.properties[device]) == listed
    assert all(caps.has(f"device.{device}.{name}") for name in listed)
    assert not caps.has(f"device.{device}.no-such-property")


def test_a_property_is_taken_and_another_is_refused(caps: Capabilities) -> None:
    assert caps.has("device.virtio-net-pci.rx_queue_size")
    machine = ("-machine", "pc")
    assert takes(*machine, "-device", "virtio-net-pci,rx_queue_size=512,romfile=")
    assert not takes(*machine, "-device", "virtio-net-pci,no_such_property=1,romfile=")


def test_a_path_of_the_schema_is_taken(caps: Capabilities, scratch: Path) -> None:
    image = scratch / "disk.raw"
    image.write_bytes(bytes(65536))
    for aio in ("threads", "io_uring", "no_such_way"):
        known = caps.has(f"blockdev-add/arg-type/+file/aio/^{aio}")
        done = started(
            "-machine", "pc", "-blockdev", f"file,node-name=a,filename={image},aio={aio}"
        )
        if known:
            assert "does not accept value" not in done.stderr, done.stderr
        else:
            assert f"does not accept value '{aio}'" in done.stderr


def test_commands_are_those_that_it_knows(caps: Capabilities) -> None:
    done = subprocess.run(
        [lab.QEMU, "-nodefaults", "-display", "none", "-machine", "none", "-qmp", "stdio"],
        input='{"execute": "qmp_capabilities"}\n{"execute": "query-commands"}\n{"execute": "quit"}\n',
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        check=True,
    )
    listed = set(re.findall(r'"name": "([^"]+)"', done.stdout))
    assert {"quit", "device_add", "blockdev-add"} <= listed
    assert listed <= caps.schema.names("command")


@pytest.mark.parametrize("option", ["sandbox", "no-such-option"])
def test_options_are_those_that_it_takes(caps: Capabilities, option: str) -> None:
    value: Sequence[str] = (f"-{option}", "on")
    assert caps.has(f"option.{option}") is takes("-machine", "none", *value)


def test_two_probes_say_the_same() -> None:
    assert asyncio.run(_probe()).digest == probed().digest


def test_with_kvm_one_process_answers_for_it() -> None:
    if not Path("/dev/kvm").exists():
        pytest.skip("no /dev/kvm")
    caps = probed()
    assert caps.kvm_present
    assert caps.kvm_enabled is (kvm.state(None) is KvmState.USABLE)
    if caps.kvm_enabled:
        host = caps.cpu_model("host", "kvm")
        assert host is not None
        assert host.usable
        assert started("-machine", "pc", accel="kvm").returncode == 0


@pytest.mark.root
def test_a_user_without_kvm_gets_what_runs_without_it() -> None:
    nobody = accounts.lookup("nobody")
    user = Account(nobody.name, nobody.uid, nobody.gid, (nobody.gid,))
    if kvm.state(user) is KvmState.USABLE:
        pytest.skip("no /dev/kvm that is shut to nobody")
    caps = asyncio.run(probe.probe(lab.QEMU, user))
    assert not caps.kvm_enabled
    assert caps.cpu_models("kvm") == ()
    host = caps.cpu_model("host", "qemu")
    assert host is not None
    assert host.usable is False
