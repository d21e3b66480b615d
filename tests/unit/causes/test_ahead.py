"""What the causes foresee of a start by structure alone, and what they take for no obstacle."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from typing import Any

import pytest

from virtup.causes import catalogue
from virtup.causes.finding import Certainty, Finding
from virtup.model.evidence import CHECK, Evidence, Plan, PlannedTap
from virtup.model.probe import (
    CpuModels,
    Devices,
    Emulator,
    EmulatorFact,
    Holder,
    ImageFact,
    ImageInfo,
    ImageLink,
    Kvm,
    KvmFact,
    Link,
    LinkFact,
    LockFact,
    LockHolder,
    Memory,
    MemoryFact,
    NamesFact,
    Options,
    PathAccess,
    PathFact,
    PortFact,
    PortHolder,
)
from virtup.model.probe_files import KernelImage, KernelImageFact
from virtup.model.probe_network import Addresses, AddressesFact
from virtup.model.probe_system import IoUring, IoUringFact, Setting, SettingFact

QEMU = "/usr/bin/qemu-system-x86_64"
UID = 991
TUN = "/dev/net/tun"
OPEN_TUN = {PathAccess(TUN, "write"): PathFact(exists=True, allowed=True)}


def ahead(*words: str, facts: dict[Any, Any] | None = None, **more: Any) -> list[Finding]:
    """The findings on a start with the arguments *words*, ``unknown`` left out."""
    ev = Evidence(
        phase=CHECK,
        argv=(QEMU, *words),
        emulator=QEMU,
        uid=UID,
        guest="vm1",
        host=facts or {},
        **more,
    )
    return [one for one in catalogue.diagnose(ev) if one.code != "VU000"]


def codes(found: list[Finding]) -> list[str]:
    return [one.code for one in found]


def blockdevs(
    path: str = "/img/a", *, form: str = "qcow2", read_only: bool = False, **more: Any
) -> tuple[str, ...]:
    """An image as virtup gives it to QEMU: a file node and a format node, and a device."""
    lower = {"driver": "file", "filename": path, "node-name": "s", "auto-read-only": True}
    upper = {"node-name": "f", "read-only": read_only, "driver": form, "file": "s", **more}
    device = {"driver": "virtio-blk-pci", "drive": "f", "id": "d"}
    words = ("-blockdev", lower), ("-blockdev", upper), ("-device", device)
    return tuple(word for name, value in words for word in (name, json.dumps(value)))


def test_a_start_with_nothing_seen_of_the_host_is_not_doubted():
    assert ahead(*blockdevs(), "-vnc", "127.0.0.1:3", "-m", "size=1024k") == []


@pytest.mark.parametrize(
    ("read_only", "locked", "stands"),
    [
        (False, (101, 101), True),
        (False, (103, 103), True),
        (False, (201, 201), True),
        (False, (200, 200), True),
        (False, (100, 100), False),
        (False, (202, 202), False),
        (False, (0, 1 << 62), True),
        (True, (101, 101), True),
        (True, (201, 201), False),
        (True, (200, 200), True),
    ],
)
def test_a_lock_stands_in_the_way_of_whom_it_is_meant_for(read_only, locked, stands):
    fact = LockFact((Holder(7, "qemu-nbd"),), (locked,))
    found = ahead(*blockdevs(read_only=read_only), facts={LockHolder("/img/a"): fact})
    assert codes(found) == (["VU002"] if stands else [])


def test_a_lock_whose_holder_is_not_shown_is_one_all_the_same():
    (found,) = ahead(*blockdevs(), facts={LockHolder("/img/a"): LockFact((), ((101, 101),))})
    assert found.certainty is Certainty.PROVEN
    assert found.sentence == "The disk image '/img/a' is locked by another process."


def test_a_flock_alone_is_no_obstacle():
    assert not ahead(*blockdevs(), facts={LockHolder("/img/a"): LockFact((Holder(7, "vi"),))})


@pytest.mark.parametrize(("form", "stands"), [("raw", False), ("qcow2", True)])
def test_a_shared_disk_may_be_written_by_others(form, stands):
    lower, upper = blockdevs(form=form)[:2], blockdevs(form=form)[2:4]
    device = ("-device", json.dumps({"driver": "virtio-blk-pci", "drive": "f", "share-rw": True}))
    facts = {LockHolder("/img/a"): LockFact((Holder(7, "qemu"),), ((100, 101),))}
    found = ahead(*lower, *upper, *device, facts=facts)
    assert codes(found) == (["VU002"] if stands else [])


def test_an_image_that_the_guest_has_twice():
    second = [word.replace('"s"', '"s2"').replace('"f"', '"f2"') for word in blockdevs()]
    (found,) = ahead(*blockdevs(), *second)
    assert (found.code, found.subject) == ("VU002", "/img/a")
    readers = [
        word.replace('"s"', '"s2"').replace('"f"', '"f2"') for word in blockdevs(read_only=True)
    ]
    assert ahead(*blockdevs(read_only=True), *readers) == []


@pytest.mark.parametrize(
    ("asked", "bound", "certainty"),
    [
        ("127.0.0.1", "127.0.0.1", Certainty.PROVEN),
        ("127.0.0.1", "0.0.0.0", Certainty.PROVEN),
        ("0.0.0.0", "127.0.0.1", Certainty.PROVEN),
        ("", "127.0.0.1", Certainty.PROVEN),
        ("localhost", "127.0.0.1", Certainty.PROVEN),
        ("127.0.0.1", "::", Certainty.LIKELY),
        ("127.0.0.1", "127.0.0.2", None),
        ("127.0.0.1", "::1", None),
    ],
)
def test_a_port_is_taken_where_addresses_overlap(asked, bound, certainty):
    fact = PortFact(True, bound, (Holder(7, "Xvnc"),), (bound,))
    found = ahead("-vnc", f"{asked}:3", facts={PortHolder(5903): fact})
    assert [(one.code, one.certainty) for one in found] == (
        [("VU090", certainty)] if certainty else []
    )


def test_a_display_that_may_move_on_to_the_next_port():
    fact = PortFact(True, "127.0.0.1", (), ("127.0.0.1",))
    assert ahead("-vnc", "127.0.0.1:3,to=9", facts={PortHolder(5903): fact}) == []


@pytest.mark.parametrize(
    ("address", "elsewhere", "stands"),
    [
        ("192.0.2.7", "0", True),
        ("192.0.2.7", "1", False),
        ("10.0.0.1", "0", False),
        ("127.9.9.9", "0", False),
        ("0.0.0.0", "0", False),
        ("nosuch", "0", False),
    ],
)
def test_an_address_that_the_host_has_not(address, elsewhere, stands):
    facts = {
        Addresses(): AddressesFact(("127.0.0.1", "10.0.0.1")),
        Setting("/proc/sys/net/ipv4/ip_nonlocal_bind"): SettingFact(True, elsewhere),
    }
    assert codes(ahead("-vnc", f"{address}:3", facts=facts)) == (["VU091"] if stands else [])


@pytest.mark.parametrize(
    ("fact", "stands"),
    [
        (MemoryFact(total_kib=4 << 20, available_kib=1 << 20), False),
        (MemoryFact(total_kib=1 << 20, available_kib=1 << 20), True),
        (MemoryFact(total_kib=1 << 20, swap_total_kib=2 << 20), False),
        (MemoryFact(total_kib=1 << 20, overcommit=1), False),
        (MemoryFact(total_kib=8 << 20, overcommit=2, commit_free_kib=1 << 20), True),
        (MemoryFact(total_kib=8 << 20, overcommit=2, commit_free_kib=3 << 20), False),
        (MemoryFact(total_kib=8 << 20, address_limit_kib=1 << 20), True),
    ],
)
def test_memory_is_refused_as_the_kernel_refuses_it(fact, stands):
    found = ahead("-m", f"size={2 << 20}k", facts={Memory(): fact})
    assert codes(found) == (["VU070"] if stands else [])


def test_memory_that_may_not_be_locked():
    words = ("-m", "size=1048576k", "-overcommit", "mem-lock=on")
    fact = MemoryFact(total_kib=8 << 20, lock_limit_kib=64)
    assert codes(ahead(*words, facts={Memory(): fact})) == ["VU072"]
    assert ahead(*words, facts={Memory(): replace(fact, lock_limit_kib=-1)}) == []
    assert ahead(*words[:2], facts={Memory(): fact}) == []


@pytest.mark.parametrize(
    ("mode", "lent", "stands"),
    [("0600", True, False), ("0400", True, True), ("0000", True, True), ("0600", False, True)],
)
def test_a_file_that_is_lent_is_used_by_its_owner_s_bits(mode, lent, stands):
    closed = PathFact(exists=True, blocked="/img/a", lacks="write", mode=mode, owner="root")
    plan = Plan(lends=frozenset({"/img/a"} if lent else ()))
    facts = {PathAccess("/img/a", "write", UID): closed}
    assert codes(ahead(*blockdevs(), facts=facts, plan=plan)) == (["VU006"] if stands else [])


def test_lending_opens_no_directory():
    closed = PathFact(exists=True, blocked="/img", lacks="search", mode="0700", owner="root")
    facts = {PathAccess("/img/a", "write", UID): closed}
    plan = Plan(lends=frozenset({"/img/a"}))
    assert codes(ahead(*blockdevs(), facts=facts, plan=plan)) == ["VU005"]


CHAIN = ImageFact("qcow2", size=9, chain=(ImageLink("/img/base", exists=True, format="qcow2"),))
GONE = ImageFact("qcow2", size=9, chain=(ImageLink("/img/base", exists=False),))


def test_a_backing_file_is_looked_at_as_the_image_is():
    closed = PathFact(exists=True, blocked="/img", lacks="search", mode="0700", owner="root")
    facts = {ImageInfo("/img/a"): CHAIN, PathAccess("/img/base", "read", UID): closed}
    assert codes(ahead(*blockdevs(), facts=facts)) == ["VU005"]
    written = {ImageInfo("/img/a"): CHAIN, LockHolder("/img/base"): LockFact((), ((101, 101),))}
    assert codes(ahead(*blockdevs(), facts=written)) == ["VU002"]


@pytest.mark.parametrize(
    ("words", "stands"),
    [
        (blockdevs(), True),
        (blockdevs(backing=None), False),
        (blockdevs(form="raw"), False),
        (("-drive", "file=/img/a,format=qcow2"), True),
        (("-drive", "file=/img/a,format=raw"), False),
    ],
)
def test_only_the_chain_that_qemu_follows_counts(words, stands):
    found = ahead(*words, facts={ImageInfo("/img/a"): GONE})
    sure = [one for one in found if one.certainty is Certainty.PROVEN]
    assert codes(sure) == (["VU007"] if stands else [])


def test_a_raw_disk_may_hold_a_damaged_image():
    damaged = ImageFact("qcow2", size=9, corrupt=True)
    (warned,) = ahead(*blockdevs(form="raw"), facts={ImageInfo("/img/a"): damaged})
    assert (warned.code, warned.certainty) == ("VU008", Certainty.POSSIBLE)
    assert codes(ahead(*blockdevs(), facts={ImageInfo("/img/a"): damaged})) == ["VU009"]


def fine() -> dict[Any, Any]:
    """An emulator that runs."""
    return {
        Emulator(QEMU, UID): EmulatorFact(exists=True, executable=True, kind="elf"),
        PathAccess(QEMU, "execute", UID): PathFact(exists=True, allowed=True),
    }


def test_an_emulator_that_runs_is_no_obstacle():
    assert ahead(facts=fine()) == []


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({Emulator(QEMU, UID): EmulatorFact()}, "VU030"),
        ({Emulator(QEMU, UID): EmulatorFact(others=("/opt/qemu-system-x86_64",))}, "VU031"),
        (
            {
                PathAccess(QEMU, "execute", UID): PathFact(
                    exists=True, blocked=QEMU, lacks="execute", mode="0644", owner="root"
                )
            },
            "VU032",
        ),
        (
            {Emulator(QEMU, UID): EmulatorFact(exists=True, kind="elf", libraries=("a.so",))},
            "VU034",
        ),
        (
            {
                Emulator(QEMU, UID): EmulatorFact(
                    exists=True, kind="script", interpreter_exists=False
                )
            },
            "VU034",
        ),
    ],
)
def test_an_emulator_that_would_not_run(facts, code):
    (found,) = ahead(facts={**fine(), **facts})
    assert (found.code, found.certainty) == (code, Certainty.PROVEN)


def test_names_that_qemu_does_not_know():
    known = {
        Devices(QEMU, UID): NamesFact(("virtio-blk-pci", "e1000")),
        CpuModels(QEMU, UID): NamesFact(("qemu64", "Skylake-Server")),
    }
    words = ("-cpu", "Skylake-Sever,vmx=on", "-device", "e1001,id=n")
    found = {one.code: one for one in ahead(*words, facts=known)}
    assert set(found) == {"VU036", "VU038"}
    assert "Skylake-Server" in found["VU036"].sentence
    assert "e1000" in found["VU038"].sentence
    assert ahead("-cpu", "qemu64", "-device", "e1000", facts=known) == []


def test_an_unlisted_option_of_the_definition_s_is_only_likely():
    raw = "<qemu:commandline><qemu:arg value='-frobnicate'/></qemu:commandline>"
    listed = {Options(QEMU, UID): NamesFact(("name", "device"))}
    (found,) = ahead("-frobnicate", facts=listed, definition=raw)
    assert (found.code, found.certainty) == ("VU037", Certainty.LIKELY)
    assert ahead("-frobnicate", facts=listed) == []


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (KvmFact(node=True, allowed=True, module="kvm"), None),
        (KvmFact(node=True, allowed=True, busy=True, module="kvm"), "VU065"),
        (KvmFact(node=True, mode="0660", group="kvm", module="kvm"), "VU061"),
    ],
)
def test_kvm_as_the_start_would_find_it(fact, code):
    found = ahead("-machine", "pc,accel=kvm", facts={Kvm(UID): fact})
    assert codes(found) == ([code] if code else [])


TAP = PlannedTap("tap7")


@pytest.mark.parametrize(
    ("tap", "facts", "code"),
    [
        (TAP, {Link("tap7"): LinkFact()}, None),
        (TAP, {Link("tap7"): LinkFact(ours=False)}, "VU083"),
        (TAP, {Link("tap7"): LinkFact(exists=True, kind="tun")}, None),
        (
            TAP,
            {Link("tap7"): LinkFact(exists=True, kind="tun", holders=(Holder(7, "q"),))},
            "VU081",
        ),
        (TAP, {PathAccess(TUN, "write"): PathFact(missing="/dev/net")}, "VU082"),
        (replace(TAP, must_exist=True), {Link("tap7"): LinkFact()}, "VU080"),
        (replace(TAP, must_exist=True), {Link("tap7"): LinkFact(exists=True, kind="tun")}, None),
        (replace(TAP, bridge="br9"), {Link("br9"): LinkFact(nearby=("br0",))}, "VU084"),
        (replace(TAP, bridge="br9"), {Link("br9"): LinkFact(exists=True, kind="veth")}, "VU085"),
        (replace(TAP, bridge="br9"), {Link("br9"): LinkFact(exists=True, kind="bridge")}, None),
    ],
)
def test_taps_and_bridges(tap, facts, code):
    found = ahead(facts={**OPEN_TUN, **facts}, plan=Plan(taps=(tap,)))
    assert codes(found) == ([code] if code else [])


LOG = "/var/log/virtup/vm1.log"


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (PathFact(exists=True, allowed=True, free_bytes=1 << 20, free_inodes=5), None),
        (PathFact(exists=True, allowed=True, free_bytes=0, free_inodes=5), "VU101"),
        (PathFact(exists=True, allowed=True, free_bytes=1 << 20, free_inodes=0), "VU101"),
        (PathFact(exists=True, allowed=True, free_bytes=9000, free_inodes=-1), None),
        (PathFact(exists=True, readonly="/var"), "VU102"),
        (PathFact(exists=True, blocked="/var/log/virtup", lacks="write", mode="0700"), "VU102"),
        (PathFact(missing="/var/log/virtup"), "VU383"),
    ],
)
def test_places_that_the_daemon_writes_to(fact, code):
    facts = {PathAccess(LOG, "create"): fact}
    assert codes(ahead(facts=facts, plan=Plan(makes=(LOG,)))) == ([code] if code else [])


SOCKET = "/srv/vm1.sock"


@pytest.mark.parametrize(
    ("fact", "code"),
    [
        (PathFact(exists=True, allowed=True), None),
        (PathFact(missing="/srv"), "VU105"),
        (PathFact(exists=True, blocked="/srv", lacks="write", mode="0755"), "VU106"),
        (PathFact(exists=True, readonly="/srv"), "VU106"),
    ],
)
def test_sockets_of_the_daemon_and_of_qemu(fact, code):
    ours = {PathAccess(SOCKET, "create"): fact}
    assert codes(ahead(facts=ours, plan=Plan(sockets=(SOCKET,)))) == ([code] if code else [])
    theirs = {PathAccess(SOCKET, "create", UID): fact}
    words = ("-chardev", f"socket,id=c,path={SOCKET},server=on,wait=off")
    assert codes(ahead(*words, facts=theirs)) == ([code] if code else [])


def test_a_socket_in_a_directory_that_the_start_makes():
    plan = Plan(makes=("/lib/domain-1-vm1",), sockets=("/lib/domain-1-vm1/monitor.sock",))
    asked = catalogue.probes(Evidence(phase=CHECK, uid=UID, plan=plan))
    assert PathAccess("/lib/domain-1-vm1", "create") in asked
    assert PathAccess("/lib/domain-1-vm1/monitor.sock", "create") not in asked


def test_a_socket_s_name_that_does_not_fit():
    long = "/srv/" + "x" * 110
    (found,) = ahead(plan=Plan(sockets=(long,)))
    assert (found.code, found.certainty) == ("VU104", Certainty.PROVEN)


@pytest.mark.parametrize(
    ("fact", "words", "stands"),
    [
        (KernelImageFact("bzImage", 9000), ("-initrd", "/i"), False),
        (KernelImageFact("bzImage", 9000, cut=True), ("-initrd", "/i"), False),
        (KernelImageFact("", 9000), ("-initrd", "/i"), True),
        (KernelImageFact("", 9000), (), False),
        (KernelImageFact("", 0), (), True),
    ],
)
def test_a_kernel_is_refused_as_qemu_refuses_it(fact, words, stands):
    found = ahead("-kernel", "/k", *words, facts={KernelImage("/k"): fact})
    assert codes(found) == (["VU258"] if stands else [])


def test_io_uring_where_it_is_asked_for():
    off = {IoUring(): IoUringFact(offered=False, disabled="2")}
    words = [
        word.replace('"driver": "file"', '"driver":"file","aio":"io_uring"') for word in blockdevs()
    ]
    assert codes(ahead(*words, facts=off)) == ["VU251"]
    assert ahead(*blockdevs(), facts=off) == []


def test_nothing_is_foreseen_after_a_failure():
    ev = Evidence(
        phase="monitor",
        argv=(QEMU, *blockdevs(), "-vnc", "127.0.0.1:3"),
        uid=UID,
        errno=errno.EIO,
        host={
            LockHolder("/img/a"): LockFact((), ((101, 101),)),
            PortHolder(5903): PortFact(True, "127.0.0.1", (), ("127.0.0.1",)),
        },
    )
    assert codes(catalogue.diagnose(ev)) == ["VU000"]
