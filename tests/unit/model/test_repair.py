"""Repairs as data: what is shown is rendered from them, and they survive the way over JSON."""

import json

import pytest

from virtup.errors import OperationInvalid
from virtup.model import repair as r
from virtup.model.document import load
from virtup.model.repair import Change
from virtup.model.revision import path_of, revised

ALL = (
    r.GrantAccess("/srv/a b", 991, "virtup-qemu", "--x"),
    r.GrantAccess("/srv/k", 991, "", "r--", listed=True, readonly="/srv"),
    r.SetMode("/opt/qemu", "a+rx", "0644"),
    r.MakeDirectory("/srv/share", 991, "virtup-qemu"),
    r.RemountWritable("/srv"),
    r.LoadModule("kvm_intel"),
    r.JoinGroup("virtup-qemu", "kvm"),
    r.ReserveHugePages(2048, 48, 2),
    r.MountHugePages(2048, "/dev/hugepages-2048kB"),
    r.MakeTap("tap7", 991, "virtup-qemu"),
    r.SetFileAside("/srv/old"),
    r.EditDefinition((Change("os/type", "machine", "pc-9", "pc"), Change("uuid", old="x"))),
    r.DefineGuest("vm1"),
    r.SetSaveAside(),
    r.ShutDownGuest("vm2", "11111111-2222-4333-8444-555555555555"),
    r.StartPool("a b"),
)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.kind)
def test_a_repair_survives_json(one: r.Repair) -> None:
    assert r.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_every_kind_is_known_by_its_name() -> None:
    assert {one.kind for one in ALL} == set(r._KINDS)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.kind)
def test_what_has_commands_has_their_undoing(one: r.Repair) -> None:
    assert bool(one.commands) == bool(one.undo)


def test_commands_are_what_a_person_would_paste() -> None:
    closed, readonly = ALL[0], ALL[1]
    assert closed.commands == ("setfacl -m u:virtup-qemu:--x '/srv/a b'",)
    assert closed.undo == ("setfacl -b '/srv/a b'",)
    assert readonly.commands == (
        "mount -o remount,bind,rw /srv",
        "setfacl -m u:991:r-- /srv/k",
        "mount -o remount,bind,ro /srv",
    )
    assert readonly.undo[1] == "setfacl -x u:991 /srv/k"


def test_several_are_undone_in_reverse() -> None:
    pair = (r.RemountWritable("/srv"), r.SetMode("/srv/a", "u+w", "0400"))
    assert r.commands_of(pair) == ("mount -o remount,rw /srv", "chmod u+w /srv/a")
    assert r.undo_of(pair) == ("chmod 0400 /srv/a", "mount -o remount,ro /srv")


# -- definitions -------------------------------------------------------------------------------

XML = """<domain type='kvm'>
  <name>vm1</name>
  <os><type machine='pc-9'>hvm</type></os>
  <devices>
    <disk><target dev='vda'/></disk>
    <disk><target dev='vdb'/><address type='pci' slot='0x07'/></disk>
  </devices>
</domain>"""


@pytest.mark.parametrize(
    ("change", "there", "gone"),
    [
        (Change("os/type", "machine", "pc-9", "pc"), '<type machine="pc">hvm', "pc-9"),
        (Change("", "type", "kvm", "qemu"), '<domain type="qemu">', "kvm"),
        (Change("name", "", "vm1", "vm2"), "<name>vm2</name>", "vm1"),
        (Change("devices/disk[2]/address", old="type='pci' slot='0x07'"), "vdb", "<address"),
        (Change("os/type", "machine", "pc-9", None), "<type>hvm", "pc-9"),
        (Change("memoryBacking/access", "mode", None, "shared"), '<access mode="shared"/>', "?"),
        (Change("iothreads", "", None, "5"), "<iothreads>5</iothreads>", "?"),
    ],
    ids=str,
)
def test_a_change_is_made_and_nothing_else(change: Change, there: str, gone: str) -> None:
    text = revised(XML, (change,))
    assert there in text
    assert gone not in text
    left = [line for line in text.splitlines() if line not in XML.replace("'", '"').splitlines()]
    assert len(left) <= 2


def test_changes_find_their_elements_before_any_is_made() -> None:
    both = (
        Change("devices/disk[1]/target", "dev", "vda", "sda"),
        Change("devices/disk[1]", old=""),
        Change("devices/disk[2]/target", "dev", "vdb", "sdb"),
    )
    text = revised(XML, both)
    assert text.count("<disk>") == 1
    assert 'dev="sdb"' in text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (Change("os/type", "machine", "pc-8", "pc"), "'pc-9'"),
        (Change("devices/disk[3]", old=""), "no 'devices/disk[3]'"),
        (Change("devices/disk[2]/address", old="type='pci' slot='0x03'"), "slot='0x07'"),
        (Change("vcpu", "", "2", "1"), "nothing"),
        (Change("name", "", None, "x"), "'vm1'"),
    ],
    ids=str,
)
def test_what_somebody_changed_is_refused(change: Change, word: str) -> None:
    with pytest.raises(OperationInvalid, match="the definition has") as told:
        revised(XML, (change,))
    assert word in told.value.message


def test_an_element_is_found_by_the_path_that_it_has() -> None:
    root = load(XML, "x")
    assert all(root.find(path_of(one)) is one for one in root.iter() if one is not root)
    assert path_of(root) == ""
