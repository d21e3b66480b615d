"""What a definition asks of the host: what is found, opened, left out, refused."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial

import pytest

from virtup.errors import ConfigUnsupported, OperationFailed, XmlRefused
from virtup.host import tap
from virtup.machine import demands, files
from virtup.model.domain import parse_domain

XML = """<domain type='qemu'><name>g</name><uuid>6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28</uuid>
<memory>65536</memory>{head}<os><type>hvm</type>{firmware}</os><devices>{devices}</devices></domain>"""


def domain(devices="", head="", firmware=""):
    return parse_domain(XML.format(devices=devices, head=head, firmware=firmware))


def nic(name="", *, kind="ethernet", model="virtio"):
    driver = f"<driver name='{name}'/>" if name else ""
    text = f"<interface type='{kind}'><model type='{model}'/>{driver}</interface>"
    dom = domain(text)
    return dom, replace(dom.devices.interface[0], alias="net0")


@pytest.mark.parametrize(
    ("name", "kind", "model", "opened"),
    [
        ("", "ethernet", "virtio", True),
        ("vhost", "ethernet", "virtio", True),
        ("qemu", "ethernet", "virtio", False),
        ("", "ethernet", "e1000", False),
        ("", "user", "virtio", False),
    ],
)
def test_the_kernels_queues_are_taken_where_they_serve(monkeypatch, name, kind, model, opened):
    monkeypatch.setattr(tap, "open_vhost", lambda: 42)
    assert demands.open_vhost(*nic(name, kind=kind, model=model)) == (42 if opened else None)


def test_queues_that_are_asked_for_by_name_must_be_there(monkeypatch):
    monkeypatch.setattr(tap, "open_vhost", lambda: None)
    assert demands.open_vhost(*nic()) is None
    with pytest.raises(ConfigUnsupported, match="'/dev/vhost-net' cannot be opened here"):
        demands.open_vhost(*nic("vhost"))
    for kind, model in (("user", "virtio"), ("ethernet", "e1000")):
        with pytest.raises(ConfigUnsupported, match="needs a tap and a virtio model"):
            demands.open_vhost(*nic("vhost", kind=kind, model=model))


DRIVES = """<disk type='file' device='{device}'><source file='{path}' startupPolicy='{policy}'/>
<target dev='sda'/></disk>"""


@pytest.mark.parametrize(
    ("device", "policy", "cold", "left"),
    [
        ("cdrom", "optional", True, "emptied"),
        ("cdrom", "optional", False, "emptied"),
        ("floppy", "requisite", False, "emptied"),
        ("cdrom", "requisite", True, "kept"),
        ("cdrom", "mandatory", False, "kept"),
        ("disk", "optional", True, "gone"),
        ("disk", "optional", False, "kept"),
    ],
)
def test_a_missing_image_is_left_out_where_it_may_be(tmp_path, device, policy, cold, left):
    path = tmp_path / "image"
    dom = domain(DRIVES.format(device=device, policy=policy, path=path))
    done, dropped = demands.without_missing(dom, cold=cold)
    assert demands.may_drop(dom, cold=cold) is (left != "kept")
    if left == "kept":
        assert (done, dropped) == (dom, ())
    else:
        assert str(path) in str(dropped[0])
        assert [disk.source for disk in done.devices.disk] == ([None] if left == "emptied" else [])
    path.touch()
    assert demands.without_missing(dom, cold=cold) == (dom, ())


def test_processors_of_this_host_are_accepted():
    first = min(os.sched_getaffinity(0))
    demands.check_cpus(domain(head=f"<vcpu cpuset='{first}'>1</vcpu>"))
    demands.check_cpus(domain())


def test_the_files_of_a_definition_and_how_they_are_used():
    dom = domain(
        "<disk type='file'><source file='/a'><seclabel relabel='no'/></source><target dev='hda'/></disk>"
        "<disk type='file'><source file='/b'><seclabel model='selinux' relabel='no'/></source>"
        "<backingStore><format type='qcow2'/><source file='/c'/></backingStore>"
        "<target dev='hdb'/><readonly/></disk>"
        "<interface type='user'><rom file='/rom'/></interface>"
        "<serial type='dev'><source path='/dev/x'/></serial>"
        "<serial type='pipe'><source path='/p'/></serial>"
        "<serial type='unix'><source mode='connect' path='/s'/></serial>"
        "<serial type='unix'><source mode='bind' path='/not'/></serial>"
        "<audio id='1' type='file' path='/wav'/>"
        "<rng model='virtio'><backend model='random'>/dev/hwrng</backend></rng>"
    )
    found = {one.path: one for one in files.used(dom)}
    written = {path for path, one in found.items() if one.write}
    assert written == {"/a", "/dev/x", "/p", "/p.in", "/p.out", "/s", "/wav"}
    assert found.keys() - written == {"/b", "/c", "/rom", "/dev/hwrng"}
    assert {path for path, one in found.items() if not one.lend} == {"/a"}
    last = files.last_layer(dom.devices.disk[1])
    assert last == files.Layer("/c", "qcow2", top=False, lend=True)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("<vcpu cpuset='4095'>1</vcpu>", r"<vcpu cpuset> names the host's CPU 4095, which is not"),
        ("<cputune><vcpupin vcpu='0' cpuset='0,4095'/></cputune>", "<vcpupin vcpu='0'> names"),
        ("<cputune><emulatorpin cpuset='4095'/></cputune>", "<emulatorpin> names"),
        (
            "<numatune><memnode cellid='0' nodeset='4095'/></numatune>",
            "NUMA node 4095 is unavailable",
        ),
        (
            "<numatune><memory mode='strict' nodeset='0,4095'/></numatune>",
            "NUMA node 4095 is unavailable: <numatune> names it, and this host has node 0",
        ),
    ],
)
def test_places_that_this_host_does_not_have_are_refused(head, words):
    wanted = domain(head=head)
    with pytest.raises(ConfigUnsupported, match=words):
        demands.check_nodes(wanted) if "<numatune>" in head else demands.check_cpus(wanted)


def test_memory_is_ordinary_unless_huge_pages_are_asked_for():
    page = "<memoryBacking><hugepages><page size='{}' unit='KiB'/></hugepages></memoryBacking>"
    assert demands.hugetlbfs(domain()) == ""
    assert demands.hugetlbfs(domain(head=page.format(4))) == ""
    with pytest.raises(ConfigUnsupported, match="usable hugetlbfs mount for 16 KiB"):
        demands.hugetlbfs(domain(head=page.format(16)))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (
            "<cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='0' cpuset='1'/></cputune>",
            "vCPU 0",
        ),
        ("<numatune><memory mode='strict'/></numatune>", "must be set: <memory> in <numatune>"),
        (
            "<memoryBacking><hugepages><page size='2048'/><page size='4'/></hugepages></memoryBacking>",
            "more than one <page>",
        ),
        ("<memoryBacking><hugepages><page size='5120'/></hugepages></memoryBacking>", "5120 KiB"),
    ],
)
def test_bindings_that_contradict_themselves_are_refused(head, words):
    with pytest.raises(XmlRefused, match=words):
        domain(head=head)


FLASH = """<loader type='pflash' readonly='yes'>{code}</loader><nvram{template}>{store}</nvram>"""


def flash(folder, *, template=""):
    given = f" template='{template}'" if template else ""
    words = FLASH.format(code=folder / "code", template=given, store=folder / "store")
    return domain(firmware=words)


def test_the_variables_of_firmware_are_made_of_their_template_once(tmp_path):
    store, template = tmp_path / "store", tmp_path / "vars"
    dom = flash(tmp_path, template=str(template))
    gone = f"Failed to open the NVRAM template '{template}': No such file or directory"
    for act in (demands.planned_nvram, partial(demands.make_nvram, anew=False)):
        with pytest.raises(OperationFailed, match=re.escape(gone)):
            act(dom)
    template.write_bytes(b"fresh")
    assert demands.planned_nvram(dom) == (str(store),)
    assert not store.exists()
    demands.make_nvram(dom, anew=False)
    assert demands.planned_nvram(dom) == ()
    assert (store.read_bytes(), store.stat().st_mode & 0o777) == (b"fresh", 0o600)
    store.write_bytes(b"used")
    demands.make_nvram(dom, anew=False)
    assert store.read_bytes() == b"used"
    demands.make_nvram(dom, anew=True)
    assert store.read_bytes() == b"fresh"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["store", "vars"]


def test_variables_that_nothing_tells_how_to_make_are_refused(tmp_path):
    dom = flash(tmp_path)
    with pytest.raises(OperationFailed, match=re.escape(f"store for loader: {tmp_path}/code")):
        demands.make_nvram(dom, anew=False)
    (tmp_path / "store").touch()
    demands.make_nvram(dom, anew=False)


def test_a_store_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "vars").touch()
    dom = flash(tmp_path / "no", template=str(tmp_path / "vars"))
    with pytest.raises(OperationFailed, match=re.escape(f"NVRAM file '{tmp_path}/no/store'")):
        demands.make_nvram(dom, anew=False)


def test_the_firmware_is_read_and_its_variables_are_written(tmp_path):
    used = {one.path: one.write for one in files.used(flash(tmp_path))}
    assert used == {f"{tmp_path}/code": False, f"{tmp_path}/store": True}
