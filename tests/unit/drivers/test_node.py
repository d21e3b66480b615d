"""The host as clients see it: defaults, documents, and each question that has no answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lxml import etree

from tests.fakes.answers import answers
from virtup.drivers import emulators as keeper
from virtup.drivers import node as module
from virtup.drivers.node import Node
from virtup.errors import Code, ConfigUnsupported, InvalidArgument
from virtup.host import layout
from virtup.host.accounts import Account
from virtup.host.kvm import KvmState
from virtup.machine.probe import EmulatorMissing, ProbeFailed
from virtup.qemu import probes
from virtup.qemu.capabilities import Capabilities, from_answers, with_cpus

QEMU = "/usr/bin/qemu-system-x86_64"
USER = Account("qemu", 64055, 107, (107,))


class Fleet:
    """Which binaries there are and what they answer."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.answers = answers()
        self.error: ProbeFailed | None = None

    async def probe(
        self, emulator: str, account: Account | None, *, timeout_s: float
    ) -> Capabilities:
        if self.error is not None:
            raise self.error
        return from_answers(self.answers)

    async def probe_without_kvm(
        self, emulator: str, account: Account | None, caps: Capabilities, *, timeout_s: float
    ) -> Capabilities:
        slow = [{"name": "Nehalem", "unavailable-features": []}]
        return with_cpus(caps, "tcg", {probes.CPUS: {"return": slow}})


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    made = Fleet()
    binary = tmp_path / "qemu"
    binary.write_text("#!/bin/sh\n")
    made.found["x86_64"] = str(binary)
    monkeypatch.setattr(module.binaries, "find", made.found.get)
    monkeypatch.setattr(keeper.probe, "probe", made.probe)
    monkeypatch.setattr(keeper.probe, "probe_without_kvm", made.probe_without_kvm)
    monkeypatch.setattr(keeper.kvm, "state", lambda _: KvmState.USABLE)
    return made


@pytest.fixture
async def node(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Node]:
    where = layout.find("system", root=str(tmp_path / "root"), env={}, uid=0)
    Path(where.cache_dir).mkdir(parents=True)
    made = Node(where, lambda: USER)
    yield made
    await made.close()


async def test_the_default_emulator(node: Node, fleet: Fleet) -> None:
    assert node.default_emulator("x86_64") == fleet.found["x86_64"]
    assert node.default_emulator() == fleet.found["x86_64"]
    with pytest.raises(ConfigUnsupported, match=r"'sparc' architecture: guests of x86_64 are"):
        node.default_emulator("sparc")
    fleet.found.clear()
    assert node.default_emulator("x86_64") == QEMU, "what is missing has a name"


async def test_the_version_is_the_default_qemus(node: Node, fleet: Fleet) -> None:
    assert await node.version() == 8_001_005
    fleet.found["x86_64"] = "/no/such/qemu"
    with pytest.raises(EmulatorMissing):
        await node.version()


async def test_info_has_libvirts_fields(node: Node) -> None:
    info = node.info()
    assert sorted(info) == sorted(
        ["model", "memory", "cpus", "mhz", "nodes", "sockets", "cores", "threads"]
    )
    assert info["nodes"] * info["sockets"] * info["cores"] * info["threads"] >= info["cpus"] > 0
    assert info["memory"] > 0
    assert await node.hostname()


async def test_capabilities_name_the_guests(node: Node, fleet: Fleet) -> None:
    told = etree.fromstring(await node.capabilities_xml())
    (guest,) = told.findall("guest")
    assert guest.findtext("arch/emulator") == fleet.found["x86_64"]
    assert [e.get("type") for e in guest.findall("arch/domain")] == ["qemu", "kvm"]
    machines = [(e.text, e.get("canonical"), e.get("maxCpus")) for e in guest.iter("machine")]
    assert machines == [
        ("pc-i440fx-8.1", None, "255"),
        ("pc", "pc-i440fx-8.1", "255"),
        ("pc-q35-8.1", None, "288"),
        ("q35", "pc-q35-8.1", "288"),
    ]
    labels = told.findall("host/secmodel/baselabel")
    assert [e.text for e in labels] == ["+64055:+107", "+64055:+107"]


async def test_a_session_has_no_labels(fleet: Fleet, tmp_path: Path) -> None:
    node = Node(layout.find("system", root=str(tmp_path), env={}, uid=0))
    told = etree.fromstring(await node.capabilities_xml())
    assert [e.text for e in told.findall("host/secmodel/model")] == ["none"]
    await node.close()


async def test_without_kvm_there_are_no_kvm_guests(node: Node, fleet: Fleet) -> None:
    fleet.answers = answers(query_kvm={"present": True, "enabled": False})
    told = etree.fromstring(await node.capabilities_xml())
    assert [e.get("type") for e in told.findall("guest/arch/domain")] == ["qemu"]


@pytest.mark.parametrize("broken", ["missing", "refused"])
async def test_a_host_without_a_usable_qemu_still_tells_of_itself(
    node: Node, fleet: Fleet, broken: str
) -> None:
    if broken == "missing":
        fleet.found.clear()
    else:
        fleet.error = ProbeFailed("broken", path=QEMU)
    told = etree.fromstring(await node.capabilities_xml())
    assert told.find("guest") is None
    assert told.findtext("host/cpu/arch")


async def test_domain_capabilities_have_defaults(node: Node, fleet: Fleet) -> None:
    told = etree.fromstring(await node.domain_capabilities_xml())
    assert told.findtext("path") == fleet.found["x86_64"]
    assert told.findtext("domain") == "kvm"
    assert told.findtext("machine") == "pc-i440fx-8.1"
    assert told.findtext("arch") == "x86_64"
    assert [e.text for e in told.iter("model")] == ["EPYC", "Denverton"]


async def test_without_kvm_the_models_are_those_that_run_without(node: Node) -> None:
    told = etree.fromstring(await node.domain_capabilities_xml(virttype="qemu", machine="q35"))
    assert told.findtext("machine") == "pc-q35-8.1"
    assert told.find("vcpu").get("max") == "288"
    assert [e.text for e in told.iter("model")] == ["Nehalem"]
    assert told.find("cpu/mode[@name='host-passthrough']").get("supported") == "no"


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"machine": "nope"}, Code.INVALID_ARG, "the machine 'nope' is not supported by emulator"),
        ({"machine": "none"}, Code.INVALID_ARG, "the machine 'none' is not supported"),
        ({"virttype": "xen"}, Code.INVALID_ARG, "does not support virt type 'xen'"),
        ({"flags": 4}, Code.INVALID_ARG, "unsupported flags (0x4)"),
        ({"arch": "s390x"}, Code.CONFIG_UNSUPPORTED, "emulator to serve 's390x' architecture"),
        ({"emulator": "/nope"}, Code.SYSTEM_ERROR, "Cannot check QEMU binary '/nope'"),
        ({"emulator": "nope"}, Code.SYSTEM_ERROR, "an absolute path is needed"),
    ],
)
async def test_what_cannot_be_had_is_one_sentence(
    node: Node, asked: dict[str, object], code: Code, words: str
) -> None:
    with pytest.raises((InvalidArgument, ConfigUnsupported, ProbeFailed)) as caught:
        await node.domain_capabilities_xml(**asked)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert words in caught.value.message
    assert "\n" not in caught.value.message


async def test_an_architecture_that_is_not_installed(node: Node, fleet: Fleet) -> None:
    fleet.found.clear()
    with pytest.raises(ConfigUnsupported, match="unable to find any emulator to serve 'x86_64'"):
        await node.domain_capabilities_xml(arch="x86_64")


async def test_an_emulator_of_another_architecture(node: Node, fleet: Fleet) -> None:
    fleet.answers = answers(query_target={"arch": "aarch64"})
    path = fleet.found["x86_64"]
    with pytest.raises(ConfigUnsupported, match="'aarch64' architecture only"):
        await node.domain_capabilities_xml(emulator=path)


async def test_an_emulator_that_does_not_serve_the_arch(node: Node, fleet: Fleet) -> None:
    with pytest.raises(InvalidArgument, match="does not support arch 's390x'"):
        await node.domain_capabilities_xml(emulator=fleet.found["x86_64"], arch="s390x")


async def test_kvm_type_needs_kvm(node: Node, fleet: Fleet) -> None:
    fleet.answers = answers(query_kvm={"present": True, "enabled": False})
    with pytest.raises(InvalidArgument, match="does not support virt type 'kvm'"):
        await node.domain_capabilities_xml(virttype="kvm")
    told = etree.fromstring(await node.domain_capabilities_xml())
    assert told.findtext("domain") == "qemu"
    assert node.kvm() is KvmState.USABLE


async def test_forgetting_asks_again(node: Node, fleet: Fleet) -> None:
    await node.capabilities(fleet.found["x86_64"])
    fleet.answers = answers(query_kvm={"present": True, "enabled": False})
    assert (await node.capabilities(fleet.found["x86_64"])).kvm_enabled
    node.forget(fleet.found["x86_64"])
    assert not (await node.capabilities(fleet.found["x86_64"])).kvm_enabled
