"""Probes of real things: files of other accounts, locks, ports, images, programs."""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import lab
from virtup.host import evidence
from virtup.host.evidence import answer, answer_all
from virtup.host.evidence.images import _header
from virtup.host.evidence.paths import Who, may
from virtup.model.probe import (
    Account,
    AccountFact,
    CpuModels,
    Devices,
    Emulator,
    EmulatorFact,
    ImageFact,
    ImageInfo,
    KernelLog,
    KernelLogFact,
    Kvm,
    KvmFact,
    Link,
    LinkFact,
    LockFact,
    LockHolder,
    Machines,
    Memory,
    MemoryFact,
    NamesFact,
    Options,
    PathAccess,
    PathFact,
    PortFact,
    PortHolder,
    Probe,
    Process,
    ProcessFact,
    Unanswered,
)

NOBODY = 65534
OWN = os.getuid()
as_root = pytest.mark.root


def look(path: Path | str, need: str = "read", uid: int = NOBODY, *gids: int) -> PathFact:
    fact = answer(PathAccess(str(path), need, uid, gids))
    assert isinstance(fact, PathFact), fact
    return fact


@pytest.fixture
def place(scratch: Path) -> Path:
    scratch.chmod(0o755)
    return scratch


# -- paths -------------------------------------------------------------------------------------


def test_the_first_missing_component_is_named(place: Path) -> None:
    (place / "a").mkdir()
    fact = look(place / "a" / "b" / "c.img")
    assert not fact.exists
    assert fact.missing == str(place / "a" / "b")


def test_a_near_name_is_offered_when_it_leads_to_a_file(place: Path) -> None:
    (place / "images").mkdir()
    (place / "images" / "disk.qcow2").touch()
    assert look(place / "images" / "disk.qcow").nearby == (str(place / "images" / "disk.qcow2"),)
    assert look(place / "image" / "disk.qcow2").nearby == (str(place / "images" / "disk.qcow2"),)
    assert look(place / "image" / "none.qcow2").nearby == ()
    assert look(place / "images" / "web.qcow2").nearby == ()


def test_dots_and_links_are_followed_as_the_kernel_does(place: Path) -> None:
    (place / "real").mkdir()
    (place / "real" / "f").touch()
    (place / "link").symlink_to("real/../real")
    (place / "far").symlink_to(place / "link" / "f")
    fact = look(place / "." / "link" / ".." / "far")
    assert fact.exists
    assert fact.allowed
    assert fact.target == str(place / "real" / "f")


def test_a_dangling_link_names_what_is_missing(place: Path) -> None:
    (place / "l").symlink_to("gone/f")
    assert look(place / "l").missing == str(place / "gone")


def test_a_loop_and_a_file_in_the_way(place: Path) -> None:
    (place / "x").symlink_to("y")
    (place / "y").symlink_to("x")
    (place / "f").touch()
    assert look(place / "x").loop
    assert look(place / "f" / "deeper").not_directory == str(place / "f")


def test_a_relative_path_is_looked_up_from_its_base(place: Path) -> None:
    (place / "f").touch()
    fact = answer(PathAccess("f", "read", OWN, (), str(place)))
    assert isinstance(fact, PathFact)
    assert fact.exists


@as_root
@pytest.mark.parametrize(
    ("mode", "need", "lacks"),
    [
        (0o600, "read", "read"),
        (0o604, "read", ""),
        (0o604, "write", "write"),
        (0o606, "write", ""),
        (0o644, "execute", "execute"),
        (0o755, "execute", ""),
        (0o602, "write", "write"),
    ],
)
def test_mode_bits_of_others(place: Path, mode: int, need: str, lacks: str) -> None:
    file = place / "f"
    file.touch()
    file.chmod(mode)
    fact = look(file, need)
    assert fact.lacks == lacks
    assert fact.allowed == (lacks == "")
    assert fact.mode == f"{mode:04o}"
    assert (fact.owner, fact.group) == ("root", "root")


@as_root
def test_group_and_owner_bits_come_before_others(place: Path) -> None:
    file = place / "f"
    file.touch()
    os.chown(file, 0, 12)
    file.chmod(0o640)
    assert look(file, "read", NOBODY, 12).allowed
    assert not look(file, "read", NOBODY, 13).allowed
    file.chmod(0o604)
    assert not look(file, "read", NOBODY, 12).allowed
    os.chown(file, NOBODY, 0)
    file.chmod(0o044)
    assert not look(file, "read").allowed


@as_root
def test_the_first_closed_directory_is_named(place: Path) -> None:
    deep = place / "home" / "me" / "vm"
    deep.mkdir(parents=True)
    (deep / "disk").touch()
    (place / "home" / "me").chmod(0o700)
    (deep / "disk").chmod(0o600)
    fact = look(deep / "disk")
    assert (fact.blocked, fact.lacks, fact.mode) == (str(place / "home" / "me"), "search", "0700")


@as_root
@pytest.mark.parametrize("need", ["read", "write", "execute", "create"])
@pytest.mark.parametrize(
    "acl",
    [
        "",
        f"u:{NOBODY}:rwx",
        f"u:{NOBODY}:---",
        f"u:{NOBODY}:r--",
        "g:12:rwx",
        "g:12:r-x,g:13:-w-",
        f"u:{NOBODY}:rwx,m::r--",
        "g:12:rwx,m::---",
        "o::rwx,g:12:---",
    ],
)
def test_access_lists_agree_with_the_kernel(place: Path, acl: str, need: str) -> None:
    """The kernel itself is asked, by a process of that account."""
    thing = place / "thing"
    thing.mkdir() if need == "create" else thing.touch()
    thing.chmod(0o750)
    if acl:
        subprocess.run(["setfacl", "-m", acl, thing], check=True)
    target = thing / "new" if need == "create" else thing
    script = {
        "read": f"exec 3<{thing}",
        "write": f"exec 3<>{thing}",
        "execute": f"test -r {thing} && test -x {thing}",
        "create": f": >{target}",
    }[need]
    for groups in ((NOBODY,), (12,), (12, 13)):
        done = subprocess.run(
            ["sh", "-c", script],
            user=NOBODY,
            group=groups[0],
            extra_groups=list(groups),
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if need == "create":
            target.unlink(missing_ok=True)
        assert look(target, need, NOBODY, *groups).allowed == (done.returncode == 0), groups
        assert look(target, need, NOBODY, *groups).acl == bool(acl)


@as_root
def test_root_may_all_but_run_what_nobody_may(place: Path) -> None:
    file = place / "f"
    file.touch()
    file.chmod(0)
    assert look(file, "write", 0).allowed
    assert look(file, "execute", 0).lacks == "execute"
    assert may(str(place), Who(0, ()), 1)


@as_root
def test_read_only_and_noexec_mounts_are_named(place: Path) -> None:
    file = place / "with space" / "f"
    file.parent.mkdir()
    folder = str(file.parent)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,mode=755", "test", folder], check=True)
    try:
        file.touch()
        file.chmod(0o777)
        assert look(file, "execute").noexec == folder
        assert not look(file, "execute").allowed
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        fact = look(file, "write")
        assert (fact.readonly, fact.allowed, fact.filesystem) == (folder, False, "tmpfs")
        assert look(file, "read").allowed
        assert not look(file.parent / "new", "create", 0).allowed
    finally:
        subprocess.run(["umount", folder], check=True)


@as_root
def test_a_full_file_system_shows_no_room(place: Path) -> None:
    folder = place / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "t", folder], check=True)
    try:
        (folder / "f").write_bytes(b"x" * 4096)
        fact = look(folder / "new", "create", 0)
        assert (fact.free_bytes, fact.free_inodes) == (0, 0)
    finally:
        subprocess.run(["umount", folder], check=True)


# -- locks, ports, processes -------------------------------------------------------------------


def test_a_lock_of_this_process_is_found(place: Path) -> None:
    file = place / "f"
    file.touch()
    assert answer(LockHolder(str(file))) == LockFact()
    with file.open("r+b") as held:
        assert answer(LockHolder(str(file))) == LockFact(), "open is not locked"
        # an open file description lock, as QEMU takes them: it has no owner in /proc/locks
        fcntl.fcntl(held, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 100, 1, 0))
        fact = answer(LockHolder(str(file)))
    assert isinstance(fact, LockFact)
    assert [one.pid for one in fact.holders] == [os.getpid()]
    assert fact.ranges == ((100, 100),)


def test_a_lock_on_the_whole_file_reaches_to_its_end_and_a_flock_nowhere(place: Path) -> None:
    file = place / "f"
    file.touch()
    with file.open("r+b") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        fact = answer(LockHolder(str(file)))
        assert isinstance(fact, LockFact)
        assert fact.ranges == ((0, sys.maxsize),)
        fcntl.lockf(held, fcntl.LOCK_UN)
        fcntl.flock(held, fcntl.LOCK_EX)
        fact = answer(LockHolder(str(file)))
        assert isinstance(fact, LockFact)
        assert fact.ranges == ()
        assert [one.pid for one in fact.holders] == [os.getpid()]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_listener_is_found_with_its_address(family: socket.AddressFamily) -> None:
    with socket.socket(family) as listener:
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        listener.bind((host, 0))
        port = listener.getsockname()[1]
        assert answer(PortHolder(port)) == PortFact(), "bound is not listening"
        listener.listen()
        fact = answer(PortHolder(port))
    assert isinstance(fact, PortFact)
    assert (fact.listening, fact.address, fact.addresses) == (True, host, (host,))
    assert [one.pid for one in fact.holders] == [os.getpid()]


def test_a_udp_port_is_found() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        fact = answer(PortHolder(bound.getsockname()[1], "udp"))
    assert isinstance(fact, PortFact)
    assert fact.listening


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    made = subprocess.Popen(["sleep", "600"])
    yield made
    made.kill()
    made.wait()


def test_a_process_and_its_end(sleeper: subprocess.Popen[bytes]) -> None:
    fact = answer(Process(sleeper.pid))
    assert isinstance(fact, ProcessFact)
    assert fact.alive
    assert fact.command == "sleep"
    own = answer(Process(os.getpid()))
    assert isinstance(own, ProcessFact)
    assert sleeper.pid in [child.pid for child in own.children]
    sleeper.kill()
    sleeper.wait()
    assert answer(Process(sleeper.pid)) == ProcessFact()


def test_a_guest_is_known_by_its_command_line(place: Path) -> None:
    argv = ["sh", "-c", "sleep 600; :", "-name", "guest=vm7,debug-threads=on", "-uuid", "1234"]
    with subprocess.Popen(argv) as made:

        def child() -> tuple[str, str]:
            own = answer(Process(os.getpid()))
            assert isinstance(own, ProcessFact)
            return next((one.guest, one.uuid) for one in own.children if one.pid == made.pid)

        try:  # the kernel says that it runs a moment before it has its command line
            lab.eventually(lambda: child() == ("vm7", "1234"), "it is known")
        finally:
            subprocess.run(["pkill", "-P", str(made.pid)], check=False)
            made.kill()


# -- images ------------------------------------------------------------------------------------


def image(path: Path, form: str, *more: str) -> Path:
    words = ["qemu-img", "create", "-q", "-f", form, *more, str(path)]
    subprocess.run(words if "-b" in more else [*words, "4M"], check=True)
    return path


@pytest.mark.parametrize("form", ["raw", "qcow2", "qcow", "vmdk", "vdi", "vhdx", "vpc", "qed"])
def test_formats_are_told_apart(place: Path, form: str) -> None:
    made = image(place / "disk", form)
    fact = answer(ImageInfo(str(made)))
    assert isinstance(fact, ImageFact)
    assert fact.format == form
    assert not fact.corrupt
    assert not fact.truncated
    assert fact.size == made.stat().st_size


def test_every_qcow2_layout_is_whole(place: Path) -> None:
    for options in (
        "compat=0.10",
        "cluster_size=512",
        "preallocation=metadata",
        "lazy_refcounts=on",
    ):
        fact = answer(ImageInfo(str(image(place / "disk", "qcow2", "-o", options))))
        assert isinstance(fact, ImageFact)
        assert (fact.format, fact.virtual_size, fact.truncated) == ("qcow2", 4 << 20, False), (
            options
        )


def test_a_chain_is_walked_to_its_missing_link(place: Path) -> None:
    image(place / "base.raw", "raw")
    image(place / "mid.qcow2", "qcow2", "-b", "base.raw", "-F", "raw")
    top = image(place / "top.qcow2", "qcow2", "-b", str(place / "mid.qcow2"), "-F", "qcow2")
    fact = answer(ImageInfo(str(top)))
    assert isinstance(fact, ImageFact)
    assert [(Path(one.path).name, one.exists, one.format, one.declared) for one in fact.chain] == [
        ("mid.qcow2", True, "qcow2", "qcow2"),
        ("base.raw", True, "raw", "raw"),
    ]
    (place / "base.raw").unlink()
    fact = answer(ImageInfo(str(top)))
    assert isinstance(fact, ImageFact)
    assert [one.exists for one in fact.chain] == [True, False]


def test_a_chain_that_bites_its_tail_ends(place: Path) -> None:
    image(place / "b.qcow2", "qcow2")
    image(place / "a.qcow2", "qcow2", "-b", "b.qcow2", "-F", "qcow2")
    os.replace(place / "a.qcow2", place / "b.qcow2")
    fact = answer(ImageInfo(str(place / "b.qcow2")))
    assert isinstance(fact, ImageFact)
    assert fact.chain == ()


def test_what_is_no_file_is_not_read(place: Path) -> None:
    os.mkfifo(place / "fifo")
    assert isinstance(answer(ImageInfo(str(place / "fifo"))), Unanswered)
    assert isinstance(answer(ImageInfo(str(place))), Unanswered)
    assert isinstance(answer(ImageInfo("/dev/zero")), Unanswered)


@given(st.binary(max_size=300), st.integers(0, 1 << 40))
def test_no_header_breaks_the_reader(tail: bytes, size: int) -> None:
    for head in (tail, b"QFI\xfb\0\0\0\3" + tail, b"QFI\xfb\0\0\0\2" + tail):
        assert _header(head, size).format


# -- programs and the rest ---------------------------------------------------------------------


def test_the_real_emulator_can_run_and_knows_its_names() -> None:
    who = (NOBODY, (NOBODY,)) if lab.IS_ROOT else (OWN, ())
    fact = answer(Emulator(lab.QEMU, *who))
    assert isinstance(fact, EmulatorFact)
    assert fact.exists
    assert fact.executable
    assert fact.kind == "elf"
    assert fact.machine == fact.host_machine == os.uname().machine
    assert fact.interpreter_exists
    assert fact.libraries == ()
    assert lab.QEMU in fact.others
    wanted: tuple[tuple[Probe[NamesFact], set[str]], ...] = (
        (Machines(lab.QEMU, *who), {"pc", "q35", "none"}),
        (CpuModels(lab.QEMU, *who), {"qemu64", "host", "max"}),
        (Devices(lab.QEMU, *who), {"virtio-blk-pci", "e1000"}),
        (Options(lab.QEMU, *who), {"nodefaults", "device", "machine"}),
    )
    for probe, some in wanted:
        names = answer(probe)
        assert isinstance(names, NamesFact)
        assert some <= set(names.names)
        assert all(" " not in name for name in names.names)


@as_root
def test_an_emulator_is_never_asked_as_root() -> None:
    for uid in (0, None):
        assert isinstance(answer(Machines(lab.QEMU, uid)), Unanswered)


def test_an_emulator_that_hangs_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtup.host.evidence.emulators.HELP_TIMEOUT_S", 0.05)
    script = place / "qemu"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    seen = answer(Machines(str(script), NOBODY if lab.IS_ROOT else OWN))
    assert isinstance(seen, Unanswered)
    assert "did not answer" in seen.reason


def test_accounts_links_memory_kvm_and_kernel_log() -> None:
    root = answer(Account("root"))
    assert isinstance(root, AccountFact)
    assert (root.exists, root.uid) == (True, 0)
    assert answer(Account("no-such-account-here")) == AccountFact()
    loopback = answer(Link("lo"))
    assert isinstance(loopback, LinkFact)
    assert loopback.exists
    assert answer(Link("no-such-link")) == LinkFact()
    memory = answer(Memory())
    assert isinstance(memory, MemoryFact)
    assert memory.total_kib >= memory.available_kib > 0
    kvm = answer(Kvm(OWN, tuple(os.getgroups())))
    assert isinstance(kvm, KvmFact)
    assert kvm.node == Path("/dev/kvm").exists()
    log = answer(KernelLog(1 << 22))
    assert isinstance(log, KernelLogFact)
    assert log.lines == ()


# -- bounds ------------------------------------------------------------------------------------


class Odd(Probe[PathFact]):
    """A probe that nobody answers."""


def test_a_probe_without_an_answer_says_so() -> None:
    seen = answer(Odd())
    assert isinstance(seen, Unanswered)
    assert "Odd" in seen.reason


def test_a_hanging_probe_is_given_up_and_the_others_are_answered(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    stuck = threading.Event()
    real = evidence._ANSWERS[PathAccess]

    def slow(probe: PathAccess) -> PathFact:
        if probe.path == "/nfs/dead":
            stuck.wait()
        fact = real(probe)
        assert isinstance(fact, PathFact)
        return fact

    monkeypatch.setitem(evidence._ANSWERS, PathAccess, slow)
    dead, fine = PathAccess("/nfs/dead"), PathAccess(str(place))
    try:
        facts = answer_all({dead, fine, Account("root")}, 0.5)
    finally:
        stuck.set()
    late = facts[dead]
    assert isinstance(late, Unanswered)
    assert late.late
    assert isinstance(facts[fine], PathFact)
    assert len(facts) == 3


def test_no_probes_need_no_time() -> None:
    assert answer_all(set(), 0.0) == {}


@settings(max_examples=40)
@given(st.text(max_size=40), st.sampled_from(["read", "write", "execute", "create"]))
def test_no_path_breaks_the_walk(path: str, need: str) -> None:
    assert isinstance(answer(PathAccess("/" + path, need, NOBODY)), PathFact | Unanswered)
    assert isinstance(answer(PathAccess(path, need, NOBODY)), PathFact | Unanswered)


def test_an_emulator_is_asked_once_until_it_is_another(place: Path) -> None:
    asked, program = place / "asked", place / "qemu-system-x86_64"
    asked.touch()
    asked.chmod(0o666)

    def install(device: str) -> None:
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/sh\necho >> {asked}\necho 'name \"{device}\"'\n")
        program.chmod(0o755)

    install("one")
    probe = Devices(str(program), uid=NOBODY)
    assert [answer(probe), answer(probe)] == [NamesFact(("one",))] * 2
    assert asked.read_text() == "\n"
    install("another")
    assert answer(probe) == NamesFact(("another",))
