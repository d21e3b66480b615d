"""``virtup check``: says before a start what the start then says, and touches nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from tests.e2e.test_findings import NAME, Guest, as_root, guest, pytestmark, served

__all__ = ["guest", "pytestmark", "served"]

Break = Callable[[Guest, list[Any]], None]


def asked(daemon: lab.Daemon, *words: str | Path) -> Any:
    """What ``virtup --json check`` prints; the exit status fits it."""
    done = lab.Client([lab.PROGRAMS / "virtup", "--json"], daemon.uri)("check", *words, check=False)
    reply = json.loads(done.stdout)
    every = reply if isinstance(reply, list) else [reply]
    assert done.returncode == (0 if all(one["ok"] for one in every) else 1), done.stdout
    return reply


def image(path: Path, *more: str | Path, size: str = "8M") -> Path:
    """Make a qcow2 image."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", *more, path]
    subprocess.run([*map(str, command), *([] if "-b" in more else [size])], check=True)
    return path


def second_disk(path: Path, inside: str = "", form: str = "qcow2") -> str:
    """A second disk of the guest."""
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/><source file='{path}'/>"
        f"{inside}<target dev='vdb' bus='virtio'/></disk>"
    )


# -- what it says is what the start says -------------------------------------------------------


def hold(path: Path, held: list[Any], *options: str) -> None:
    """Have another QEMU use the image at *path* until the test's end."""
    drive = ",".join([f"file={path}", "format=qcow2", "if=virtio", *options])
    argv = [lab.QEMU, "-S", "-nodefaults", "-display", "none", "-machine", "pc,accel=tcg"]
    other = subprocess.Popen(
        [*argv, "-drive", drive, "-qmp", "stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    held.append(other)
    assert other.stdout is not None
    assert "QMP" in other.stdout.readline()


def listen(held: list[Any]) -> int:
    """Listen on a port until the test's end."""
    server = socket.create_server(("127.0.0.1", 0))
    held.append(server)
    port: int = server.getsockname()[1]
    return port


def written_elsewhere(guest: Guest, held: list[Any]) -> None:
    hold(guest.disk, held)


def read_elsewhere(guest: Guest, held: list[Any]) -> None:
    hold(guest.disk, held, "readonly=on")


def reads_what_is_written(guest: Guest, held: list[Any]) -> None:
    shared = image(guest.disk.parent / "b.qcow2")
    hold(shared, held)
    guest.text["devices"] = second_disk(shared, "<readonly/>")


def stands_on_what_is_written(guest: Guest, held: list[Any]) -> None:
    base = image(guest.disk.parent / "base.qcow2")
    hold(base, held)
    guest.disk.unlink()
    image(guest.disk, "-b", base, "-F", "qcow2")


def display_port(guest: Guest, held: list[Any]) -> None:
    port = listen(held)
    guest.text["devices"] = f"<graphics type='vnc' port='{port}' listen='127.0.0.1'/>"


def display_on_all(guest: Guest, held: list[Any]) -> None:
    port = listen(held)
    guest.text["devices"] = f"<graphics type='vnc' port='{port}' listen='0.0.0.0'/>"


def display_address(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = "<graphics type='vnc' port='5977' listen='192.0.2.77'/>"


def serial_port(guest: Guest, held: list[Any]) -> None:
    port = listen(held)
    guest.text["devices"] = (
        f"<serial type='tcp'><source mode='bind' host='127.0.0.1' service='{port}'/>"
        "<protocol type='raw'/></serial>"
    )


def memory_beyond_the_host(guest: Guest, _held: list[Any]) -> None:
    guest.text["memory"] = str(1 << 24)


def backing_gone(guest: Guest, _held: list[Any]) -> None:
    base = image(guest.disk.parent / "base.qcow2")
    guest.disk.unlink()
    image(guest.disk, "-b", base, "-F", "qcow2")
    base.unlink()


def backing_closed(guest: Guest, _held: list[Any]) -> None:
    folder = guest.place / "closed"
    folder.mkdir()
    base = image(folder / "base.qcow2")
    guest.disk.unlink()
    image(guest.disk, "-b", base, "-F", "qcow2")
    folder.chmod(0o700)


def image_empty(guest: Guest, _held: list[Any]) -> None:
    guest.disk.write_bytes(b"")


def image_zeroed(guest: Guest, _held: list[Any]) -> None:
    guest.disk.write_bytes(bytes(guest.disk.stat().st_size))


def image_of_another_format(guest: Guest, _held: list[Any]) -> None:
    guest.disk.write_bytes(b"no header" * 10000)


def image_corrupt(guest: Guest, _held: list[Any]) -> None:
    raw = bytearray(guest.disk.read_bytes())
    raw[79] |= 2  # qcow2.txt: the incompatible feature bit "corrupt"
    guest.disk.write_bytes(raw)


def owner_may_not_write(guest: Guest, _held: list[Any]) -> None:
    guest.disk.chmod(0o400)


def not_to_be_lent(guest: Guest, _held: list[Any]) -> None:
    other = image(guest.disk.parent / "b.qcow2")
    other.chmod(0o600)
    disk = second_disk(other)
    label = "<seclabel model='dac' relabel='no'/>"
    guest.text["devices"] = disk.replace(f"'{other}'/>", f"'{other}'>{label}</source>")


def medium_gone(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = (
        f"<disk type='file' device='cdrom'><source file='{guest.place}/no.iso' "
        "startupPolicy='requisite'/><target dev='hdc' bus='ide'/></disk>"
    )


def emulator_gone(guest: Guest, _held: list[Any]) -> None:
    guest.text["emulator"] = "/usr/bin/qemu-nowhere"


def machine_unknown(guest: Guest, _held: list[Any]) -> None:
    guest.text["machine"] = "pc-i440fx-99.0"


def model_unknown(guest: Guest, _held: list[Any]) -> None:
    model = "<model fallback='forbid'>Skylake-Sever</model>"
    guest.text["cpu"] = f"<cpu mode='custom' match='exact'>{model}</cpu>"


def device_unknown(guest: Guest, _held: list[Any]) -> None:
    words = "<qemu:arg value='-device'/><qemu:arg value='virtio-blk-pc'/>"
    guest.text["raw"] = f"<qemu:commandline>{words}</qemu:commandline>"


def element_unsupported(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = "<filesystem type='mount' accessmode='squash'/><nonsense/>"


def bridge_gone(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = "<interface type='bridge'><source bridge='vtnobridge'/></interface>"


def no_bridge(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = "<interface type='bridge'><source bridge='lo'/></interface>"


def tap_gone(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = (
        "<interface type='ethernet'><target dev='vtnotap' managed='no'/></interface>"
    )


def socket_too_long(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = unix_port(guest.place / ("x" * 100))


def socket_nowhere(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = unix_port(guest.place / "nowhere" / "s.sock")


def socket_of_qemu_closed(guest: Guest, _held: list[Any]) -> None:
    path = guest.place / "card.sock"
    guest.text["devices"] = (
        f"<smartcard mode='passthrough' type='unix'><source mode='bind' path='{path}'/></smartcard>"
    )


def socket_of_somebody(guest: Guest, held: list[Any]) -> None:
    path = guest.place / "s.sock"
    server = socket.socket(socket.AF_UNIX)
    held.append(server)
    server.bind(str(path))
    server.listen()
    guest.text["devices"] = unix_port(path)


def socket_that_is_a_file(guest: Guest, _held: list[Any]) -> None:
    path = guest.place / "s.sock"
    path.touch()
    guest.text["devices"] = unix_port(path)


def disk_that_is_a_directory(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = second_disk(guest.disk.parent, form="raw")


def disk_below_a_file(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = second_disk(guest.disk / "x", form="raw")


def output_nowhere(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = (
        f"<serial type='file'><source path='{guest.place}/nowhere/out.txt'/></serial>"
    )


def kernel_gone(guest: Guest, _held: list[Any]) -> None:
    guest.kernel.unlink()


def kernel_is_none(guest: Guest, _held: list[Any]) -> None:
    guest.kernel.write_bytes(b"no kernel" * 1000)


def kernel_empty(guest: Guest, _held: list[Any]) -> None:
    guest.kernel.write_bytes(b"")


def unix_port(path: Path) -> str:
    """A serial port on a socket that the daemon binds."""
    return f"<serial type='unix'><source mode='bind' path='{path}'/></serial>"


BREAKS: tuple[Break, ...] = (
    written_elsewhere,
    read_elsewhere,
    reads_what_is_written,
    stands_on_what_is_written,
    display_port,
    display_on_all,
    display_address,
    serial_port,
    memory_beyond_the_host,
    backing_gone,
    image_empty,
    image_zeroed,
    image_of_another_format,
    image_corrupt,
    medium_gone,
    emulator_gone,
    machine_unknown,
    model_unknown,
    device_unknown,
    element_unsupported,
    bridge_gone,
    no_bridge,
    tap_gone,
    socket_too_long,
    socket_nowhere,
    socket_of_somebody,
    socket_that_is_a_file,
    disk_that_is_a_directory,
    disk_below_a_file,
    output_nowhere,
    kernel_gone,
    kernel_is_none,
    kernel_empty,
)
OF_ANOTHER_ACCOUNT: tuple[Break, ...] = (
    backing_closed,
    owner_may_not_write,
    not_to_be_lent,
    socket_of_qemu_closed,
)
"""What stands in the way of QEMU only where it runs as another account than the daemon."""


BEHIND = set() if lab.IS_ROOT else {"VU083"}
"""What a check finds and a start does not come to: who may make no tap, and names no bridge."""


@pytest.fixture
def held() -> Iterator[list[Any]]:
    """What a test holds: sockets and processes, let go at its end."""
    things: list[Any] = []
    yield things
    for one in things:
        if isinstance(one, socket.socket):
            one.close()
            continue
        one.kill()
        one.communicate()


@pytest.mark.parametrize(
    "break_it",
    [*BREAKS, *(pytest.param(one, marks=as_root) for one in OF_ANOTHER_ACCOUNT)],
    ids=lambda one: one.__name__,
)
def test_it_says_what_the_start_then_says(guest: Guest, held: list[Any], break_it: Break) -> None:
    assert not guest.checked(), "it starts as it is"
    break_it(guest, held)
    path = guest.place / "vm.xml"
    path.write_text(guest.xml())
    verdict = asked(guest.daemon, path)
    assert verdict["outlook"] == "would not start"
    done = guest.create()
    assert done.returncode == 1, f"a false alarm: {verdict}"
    told = set(_findings(done.stderr))
    foreseen = {one["code"] for one in verdict["findings"]}
    assert told <= foreseen, done.stderr
    assert foreseen - told <= BEHIND, "a start tells all of them too"
    for finding in verdict["findings"]:
        if finding["code"] in BEHIND:
            continue
        assert finding["subject"] in " ".join(done.stderr.split()), (finding, done.stderr)
    if verdict["sentence"]:
        assert verdict["sentence"].partition(" (/")[0] in done.stderr


def _findings(said: str) -> list[str]:
    """The codes in an error text."""
    joined = said.replace("\n          ", " ")
    return [piece.partition("]")[0] for piece in joined.split("[") if piece.startswith("VU")]


# -- what is no obstacle -----------------------------------------------------------------------


def lent_image(guest: Guest, _held: list[Any]) -> None:
    guest.disk.chmod(0o600)


def port_of_another_address(guest: Guest, held: list[Any]) -> None:
    port = listen(held)
    guest.text["devices"] = f"<graphics type='vnc' port='{port}' listen='127.0.0.2'/>"


def more_memory_than_is_free(guest: Guest, _held: list[Any]) -> None:
    kib = int(Path("/proc/meminfo").read_text().split("MemFree:")[1].split()[0])
    guest.text["memory"] = str(kib // 1024 + 1)


def two_readers(guest: Guest, held: list[Any]) -> None:
    other = image(guest.disk.parent / "b.qcow2")
    hold(other, held, "readonly=on")
    guest.text["devices"] = second_disk(other, "<readonly/>")


def socket_that_was_left(guest: Guest, _held: list[Any]) -> None:
    path = guest.place / "s.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    guest.text["devices"] = unix_port(path)


def optional_medium(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = (
        f"<disk type='file' device='cdrom'><source file='{guest.place}/no.iso' "
        "startupPolicy='optional'/><target dev='hdc' bus='ide'/></disk>"
    )


def image_within_a_raw_one(guest: Guest, _held: list[Any]) -> None:
    base = image(guest.disk.parent / "base.qcow2")
    nested = image(guest.disk.parent / "b.qcow2", "-b", base, "-F", "qcow2")
    base.unlink()
    guest.text["devices"] = second_disk(nested, form="raw")


def chain_ended_by_hand(guest: Guest, _held: list[Any]) -> None:
    base = image(guest.disk.parent / "base.qcow2")
    over = image(guest.disk.parent / "b.qcow2", "-b", base, "-F", "qcow2")
    base.unlink()
    guest.text["devices"] = second_disk(over, "<backingStore/>")


def new_tap(guest: Guest, _held: list[Any]) -> None:
    guest.text["devices"] = "<interface type='ethernet'><target dev='vtnewtap'/></interface>"


def device_by_its_other_name(guest: Guest, _held: list[Any]) -> None:
    words = "<qemu:arg value='-device'/><qemu:arg value='virtio-rng,addr=0x1f'/>"
    guest.text["raw"] = f"<qemu:commandline>{words}</qemu:commandline>"


HARMLESS: tuple[Break, ...] = (
    lent_image,
    port_of_another_address,
    more_memory_than_is_free,
    two_readers,
    socket_that_was_left,
    optional_medium,
    image_within_a_raw_one,
    chain_ended_by_hand,
    device_by_its_other_name,
)


@pytest.mark.parametrize(
    "change",
    [*HARMLESS, pytest.param(new_tap, marks=as_root)],
    ids=lambda one: one.__name__,
)
def test_it_raises_no_false_alarm(guest: Guest, held: list[Any], change: Break) -> None:
    change(guest, held)
    guest.starts()


# -- without effects ---------------------------------------------------------------------------


def tree(*places: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below *places*, with all that a check could have changed of it."""
    found = {}
    for place in places:
        for folder, folders, files in os.walk(place):
            for name in (*folders, *files, "."):
                path = f"{folder}/{name}"
                seen = os.lstat(path)
                times = (seen.st_mtime_ns, seen.st_ctime_ns)
                found[path] = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size, *times)
    return found


EMPTY_LEDGER = 40
"""No ledger with an entry is as short, in bytes."""


def quiet(daemon: lab.Daemon) -> dict[str, Any]:
    """What a start would leave traces in: the daemon's tree without its own log, processes."""
    kept = {path: seen for path, seen in tree(daemon.root).items() if "virtupd.log" not in path}
    return {**kept, "qemus": daemon.qemus()}


def test_it_leaves_nothing_and_changes_nothing(daemon: lab.Daemon, guest: Guest) -> None:
    guest.daemon = daemon
    guest.disk.chmod(0o600)
    (guest.place / "out").mkdir()
    guest.text["devices"] = (
        f"{unix_port(guest.place / 'out' / 's.sock')}"
        f"<parallel type='file'><source path='{guest.place}/out/p.txt'/></parallel>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<graphics type='vnc' port='-1' autoport='yes'/>"
    )
    good = guest.place / "vm.xml"
    good.write_text(guest.xml())
    daemon.virsh("define", good)
    bad = guest.place / "bad.xml"
    broken = guest.xml().replace(NAME, "bad").replace(str(guest.disk), f"{guest.disk}2")
    bad.write_text(broken)
    daemon.virsh("define", bad)
    before = quiet(daemon), tree(guest.place)
    logged = daemon.log
    assert asked(daemon, NAME)["ok"]
    assert not asked(daemon, "bad")["ok"]
    assert not asked(daemon, "--all")[0]["ok"]
    fresh = guest.place.parent / f"{guest.place.name}.xml"
    try:
        fresh.write_text(broken.replace("<name>bad<", "<name>fresh<"))
        assert not asked(daemon, fresh)["ok"]
    finally:
        fresh.unlink()
    assert (quiet(daemon), tree(guest.place)) == before
    assert daemon.log == logged
    assert daemon.virsh("list", "--name").stdout.strip() == ""
    assert json.loads(daemon.virtup("attempts", NAME, "--json").stdout) == []


# -- which guest, which file -------------------------------------------------------------------


@pytest.fixture
def defined(daemon: lab.Daemon, guest: Guest) -> Guest:
    """The guest, defined."""
    guest.daemon = daemon
    path = guest.place / "vm.xml"
    path.write_text(guest.xml())
    daemon.virsh("define", path)
    return guest


def test_a_guest_that_runs_is_said_to(defined: Guest) -> None:
    defined.daemon.virsh("start", NAME)
    assert defined.daemon.virtup("check", NAME).stdout == f"{NAME}: is running\n\n"
    verdict = asked(defined.daemon, NAME)
    assert (verdict["outlook"], verdict["ok"]) == ("is running", True)


def test_by_name_by_uuid_and_as_a_file(defined: Guest, tmp_path: Path) -> None:
    daemon = defined.daemon
    uuid = daemon.virsh("domuuid", NAME).stdout.strip()
    assert asked(daemon, uuid)["domain"] == NAME
    text = daemon.virtup("check", NAME).stdout
    assert text == f"{NAME}: would start\n\n"
    xml = defined.place / "same.xml"
    xml.write_text(daemon.virsh("dumpxml", NAME).stdout)
    assert asked(daemon, xml)["uuid"] == uuid
    other = xml.read_text().replace(str(defined.disk), f"{defined.disk}2")
    here = tmp_path / NAME
    here.write_text(other)
    command = [*daemon.virtup.command, "-c", daemon.uri, "check"]
    run = {"cwd": tmp_path, "env": lab.environment(), "capture_output": True, "text": True}
    as_domain = subprocess.run([*command, NAME], check=False, **run)  # type: ignore[call-overload]
    assert as_domain.returncode == 0, "a domain wins over a file of its name"
    as_file = subprocess.run([*command, f"./{NAME}"], check=False, **run)  # type: ignore[call-overload]
    assert as_file.returncode == 1
    assert "[VU004]" in as_file.stdout


def test_all_of_them_in_a_table(defined: Guest) -> None:
    daemon = defined.daemon
    bad = defined.place / "bad.xml"
    bad.write_text(defined.xml().replace(NAME, "bad").replace(str(defined.disk), "/no/disk.qcow2"))
    daemon.virsh("define", bad)
    daemon.virsh("start", NAME)
    done = daemon.virtup("check", "--all", check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        " Name   Starts   Cause",
        "-" * 42,
        " bad    no       VU004 disk-file-missing",
        f" {NAME}    runs     -",
        "",
    ]
    daemon.virsh("undefine", "bad")
    assert daemon.virtup("check", "--all").returncode == 0


def test_what_names_nothing_is_refused_in_a_sentence(daemon: lab.Daemon) -> None:
    done = daemon.virtup("check", "nobody", check=False)
    assert done.returncode == 1
    assert "failed to get domain 'nobody', and there is no file of that name" in done.stderr
    for words in ([], ["nobody", "--all"]):
        done = daemon.virtup("check", *words, check=False)
        assert done.returncode == 1
        assert "takes a <domain>, --all, --boot or --shutdown" in done.stderr


def test_a_broken_document_would_not_start(daemon: lab.Daemon, scratch: Path) -> None:
    path = scratch / "broken.xml"
    path.write_text("<domain type='qemu'>\n  <name>x</nam>\n</domain>")
    done = daemon.virtup("check", path, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{path}: would not start\nerror:")
    assert all(len(line) <= 80 or str(path) in line for line in done.stdout.splitlines())


def test_a_reader_may_check_guests_and_no_documents(defined: Guest) -> None:
    reader = lab.Client([*defined.daemon.virtup.command, "--readonly"], defined.daemon.uri)
    assert reader("check", NAME).returncode == 0
    done = reader("check", defined.place / "vm.xml", check=False)
    assert done.returncode == 1
    assert "read only access prevents the check of a document" in done.stderr


def test_another_guest_of_the_name_stands_in_the_way(defined: Guest) -> None:
    verdict = asked(defined.daemon, defined.place / "vm.xml")
    assert [one["code"] for one in verdict["findings"]] == ["VU111"]
    defined.daemon.virsh("undefine", NAME)
    assert asked(defined.daemon, defined.place / "vm.xml")["ok"]


@as_root
def test_an_account_that_is_not_there_keeps_every_guest_off(defined: Guest) -> None:
    daemon = defined.daemon
    config = daemon.root / "c.toml"
    config.write_text('qemu_user = "nosuchuser"\n')
    daemon.stop()
    daemon.options = ("--config", str(config))
    daemon.start()
    (verdict,) = asked(daemon, "--all")
    assert [one["code"] for one in verdict["findings"]] == ["VU100"]
    done = daemon.virsh("start", NAME, check=False)
    assert done.returncode == 1
    assert verdict["sentence"] in done.stderr


# -- saved guests ------------------------------------------------------------------------------


@pytest.fixture
def saved(defined: Guest) -> Path:
    """The managed save of the guest, whose files were given back."""
    ledger = defined.daemon.root / "lib/ownership.json"
    nothing = ledger.read_bytes() if ledger.exists() else b""
    defined.daemon.virsh("start", NAME)
    defined.daemon.virsh("managedsave", NAME)
    lab.eventually(
        lambda: not lab.IS_ROOT or len(ledger.read_bytes()) <= max(len(nothing), EMPTY_LEDGER),
        "its files were given back",
    )
    return defined.daemon.root / "lib/qemu/save" / f"{NAME}.save"


def test_a_saved_guest_would_go_on(defined: Guest, saved: Path) -> None:
    before = quiet(defined.daemon)
    verdict = asked(defined.daemon, NAME)
    assert verdict["ok"]
    assert verdict["notes"] == [f"it would go on from its saved state '{saved}'"]
    assert quiet(defined.daemon) == before
    defined.daemon.virsh("start", NAME)


def test_a_damaged_state_is_refused_and_left_where_it_is(defined: Guest, saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: len(whole) // 2])
    before = quiet(defined.daemon)
    verdict = asked(defined.daemon, NAME)
    assert not verdict["ok"]
    assert "the next one boot from the disks" in verdict["sentence"]
    assert quiet(defined.daemon) == before
    done = defined.daemon.virsh("start", NAME, check=False)
    assert done.returncode == 1
    assert set(_findings(done.stderr)) == {one["code"] for one in verdict["findings"]}
    assert asked(defined.daemon, NAME)["ok"], "it boots from its disks now"


def test_disks_that_changed_keep_a_state_from_being_used(defined: Guest, saved: Path) -> None:
    assert saved.exists()
    with defined.disk.open("r+b") as file:
        file.seek(70000)
        file.write(b"changed")
    verdict = asked(defined.daemon, NAME)
    assert not verdict["ok"]
    assert "changed after the state" in verdict["sentence"]
    done = defined.daemon.virsh("start", NAME, check=False)
    assert done.returncode == 1
    assert set(_findings(done.stderr)) == {one["code"] for one in verdict["findings"]}


def test_an_empty_state_is_no_obstacle(defined: Guest, saved: Path) -> None:
    saved.write_bytes(b"")
    verdict = asked(defined.daemon, NAME)
    assert verdict["ok"]
    assert "it would be set aside, and the guest boot cold" in verdict["notes"][0]
    assert saved.exists()
    defined.daemon.virsh("start", NAME)


# -- a host that does not answer ---------------------------------------------------------------


@as_root
@pytest.mark.skipif(
    not (shutil.which("bindfs") and Path("/dev/fuse").exists()), reason="no bindfs, or no FUSE"
)
def test_a_dead_file_server_is_said_and_waited_for_no_longer_than_bound(guest: Guest) -> None:
    real, dead = guest.place / "real", guest.place / "dead"
    for folder in (real, dead):
        folder.mkdir()
    image(real / "b.qcow2")
    server = subprocess.Popen(["bindfs", "-f", real, dead])
    try:
        lab.eventually(lambda: (dead / "b.qcow2").exists(), "bindfs serves")
        os.kill(server.pid, signal.SIGSTOP)
        guest.text["devices"] = second_disk(dead / "b.qcow2")
        (guest.place / "vm.xml").write_text(guest.xml())
        verdict = asked(guest.daemon, guest.place / "vm.xml")
        assert verdict["ok"], "nobody knows whether it will answer by then"
        (warning,) = verdict["warnings"]
        assert warning["subject"] == str(dead / "b.qcow2")
        assert "does not answer" in warning["sentence"]
    finally:
        os.kill(server.pid, signal.SIGCONT)
        subprocess.run(["fusermount", "-uz", dead], check=True)
        server.wait(lab.BOUND_S)
    guest.text["devices"] = ""
    guest.starts()
