"""`virtup fix`: real failures are mended, the guest runs, and what was mended is taken back exactly."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests import lab

pytestmark = [pytest.mark.e2e, pytest.mark.root]
NAME = "vm1"
needs_acl = pytest.mark.skipif(not shutil.which("getfacl"), reason="no getfacl")


class Place:
    """A guest of one daemon, with its files in folders that a test may close."""

    def __init__(self, daemon: lab.Daemon, place: Path, guest: Path) -> None:
        self.daemon = daemon
        self.place = place
        place.chmod(0o755)
        for name in ("boot", "img"):
            (place / name).mkdir(mode=0o755)
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(guest / name, place / "boot" / name)
            (place / "boot" / name).chmod(0o644)
        create = ["qemu-img", "create", "-q", "-f", "qcow2"]
        subprocess.run([*create, place / "img" / "a.qcow2", "8M"], check=True)

    def xml(self, devices: str = "") -> str:
        disk = (
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
            f"<source file='{self.place}/img/a.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        )
        return lab.domain_xml(NAME, self.place / "boot", devices=disk + devices)

    def define(self, devices: str = "") -> Path:
        file = self.place / "vm1.xml"
        file.write_text(self.xml(devices))
        self.daemon.virtup("define", file)
        return file

    def fails(self) -> None:
        assert self.daemon.virtup("start", NAME, check=False).returncode == 1

    def fix(self, *words: str, status: int = 0) -> str:
        done = self.daemon.virtup("fix", NAME, *words, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == status, said
        return said

    def runs(self) -> bool:
        return self.daemon.virtup("domstate", NAME).stdout.strip() == "running"

    def off(self) -> None:
        self.daemon.virtup("destroy", NAME)

    def facts(self) -> str:
        """All that has to be as before: lists, modes, owners, times but that of the last change."""
        look = f"find {self.place} -exec stat -c '%n %a %u:%g %Y %s' {{}} +"
        words = ["sh", "-c", f"{look}; getfacl -Rpn {self.place}"]
        ran = subprocess.run(words, capture_output=True, text=True, check=True)
        return ran.stdout


@pytest.fixture
def guest(daemon: lab.Daemon, scratch: Path, guest_dir: Path) -> Place:
    return Place(daemon, scratch, guest_dir)


@needs_acl
def test_a_closed_directory_is_shown_mended_and_closed_again(guest: Place) -> None:
    guest.define()
    closed = guest.place / "img"
    closed.chmod(0o700)
    was = guest.facts()
    guest.fails()

    assert "'virtup fix vm1' shows what" in guest.daemon.virtup("why", NAME).stdout
    shown = guest.fix()
    assert f"setfacl -m u:virtup-qemu:--x {closed}" in shown
    assert "'virtup fix vm1 --apply' does it and starts the domain" in shown
    assert guest.facts() == was
    assert not guest.runs()

    done = guest.fix("--apply")
    assert re.search(r"^done: +let QEMU's user", done, re.MULTILINE)
    assert "Domain 'vm1' started" in done
    assert guest.runs()
    assert closed.stat().st_mode & 0o007 == 0, "nobody else may pass"

    assert "runs, on what was mended: shut it down first" in guest.fix("--undo", status=1)
    guest.off()
    assert guest.fix("--undo").startswith("undone:")
    assert guest.facts() == was
    assert "nothing is left to take back" in guest.fix("--undo", status=1)
    assert "undone   VU005" in guest.fix("--list")
    guest.fails()
    closed.chmod(0o755)
    guest.daemon.virtup("start", NAME)
    assert "nothing is left to take back" in guest.fix("--undo", status=1)


@needs_acl
def test_one_fault_behind_the_other_is_one_repair(guest: Place) -> None:
    guest.define()
    kernel, closed = guest.place / "boot" / "vmlinuz", guest.place / "img"
    ro = guest.place / "boot"
    was = guest.facts()
    subprocess.run(["mount", "--bind", ro, ro], check=True)
    try:
        kernel.chmod(0o600)
        closed.chmod(0o700)
        was = guest.facts()
        subprocess.run(["mount", "-o", "remount,bind,ro", ro], check=True)
        guest.fails()
        done = guest.fix("--apply")
        assert done.count("\ndone:") + done.startswith("done:") == 2
        assert guest.runs()
        mode = subprocess.run(
            ["findmnt", "-no", "OPTIONS", ro], capture_output=True, text=True, check=True
        )
        assert mode.stdout.startswith("ro,"), "the mount stays read-only"
        guest.off()
        assert guest.fix("--undo").count("undone:") == 2
        assert guest.facts() == was
    finally:
        subprocess.run(["umount", ro], check=True)


def display(port: int) -> str:
    return f"<graphics type='vnc' port='{port}' autoport='no' listen='127.0.0.1'/>"


def test_what_needs_a_yes_is_left_without_one(guest: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if port < 5900:
            pytest.skip("the kernel chose a port below VNC's")
        guest.define(display(port))
        was = guest.daemon.virtup("dumpxml", NAME, "--security-info").stdout
        guest.fails()
        assert "asks:" in guest.fix()
        said = guest.fix("--apply", status=1)
        assert "needs a yes (--yes)" in said
        assert guest.daemon.virtup("dumpxml", NAME, "--security-info").stdout == was
        assert not guest.runs()

        said = guest.fix("--apply", "--yes")
        assert f"port: '{port}' -> '-1'" in said
        assert guest.runs()
        taken.getsockname()
        guest.off()
        guest.fix("--undo")
        assert guest.daemon.virtup("dumpxml", NAME, "--security-info").stdout == was


def test_a_person_is_asked_on_a_terminal(guest: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        if taken.getsockname()[1] < 5900:
            pytest.skip("the kernel chose a port below VNC's")
        guest.define(display(taken.getsockname()[1]))
        guest.fails()
        command = [*guest.daemon.virtup.command, "-c", guest.daemon.uri, "fix", NAME, "--apply"]
        with lab.Terminal(command) as screen:
            screen.until("Do this? [y/N]:")
            screen.type("n\n")
            screen.until("Nothing was mended")
        assert not guest.runs()
        with lab.Terminal(command) as screen:
            screen.until("Do this? [y/N]:")
            screen.type("y\n")
            screen.until("Domain 'vm1' started")
        assert guest.runs()


def test_a_process_of_somebody_else_is_left_alone(guest: Place) -> None:
    guest.define()
    argv = [lab.QEMU, "-S", "-nodefaults", "-display", "none", "-machine", "pc,accel=tcg"]
    drive = f"file={guest.place}/img/a.qcow2,format=qcow2,if=virtio"
    argv += ["-name", f"guest={NAME}", "-drive", drive, "-qmp", "stdio"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            guest.fails()
            said = guest.fix("--apply", "--yes", status=1)
            assert f"kill {other.pid}" in said
            assert "by hand:" in said
            assert other.poll() is None
        finally:
            other.kill()
    guest.fix("--apply")
    assert guest.runs()


def test_another_guest_of_ours_is_shut_down_after_a_yes(guest: Place, guest_dir: Path) -> None:
    guest.define()
    agent = guest.place / "boot" / "initrd-agent.img"
    shutil.copy(guest_dir / "initrd-agent.img", agent)
    agent.chmod(0o644)
    file = guest.place / "vm2.xml"
    disk = guest.xml().partition("<disk")[2].partition("</disk>")[0]
    xml = lab.domain_xml("vm2", guest.place / "boot", devices=f"<disk{disk}</disk>", agent=True)
    file.write_text(xml)
    guest.daemon.virtup("define", file)
    guest.daemon.virtup("start", "vm2")
    ping = ("qemu-agent-command", "vm2", '{"execute":"guest-ping"}')
    lab.eventually(
        lambda: guest.daemon.virsh(*ping, check=False).returncode == 0, "the agent answers"
    )
    guest.fails()
    assert "needs a yes" in guest.fix("--apply", status=1)
    assert "running" in guest.daemon.virtup("domstate", "vm2").stdout
    said = guest.fix("--apply", "--yes")
    assert "shut guest 'vm2'" in said
    assert "shut off" in guest.daemon.virtup("domstate", "vm2").stdout
    assert guest.runs()
    guest.off()
    guest.fix("--undo")
    assert "running" in guest.daemon.virtup("domstate", "vm2").stdout


@needs_acl
@pytest.mark.parametrize("cut", [False, True], ids=["done", "cut short"])
def test_a_daemon_that_is_killed_leaves_what_can_be_taken_back(guest: Place, *, cut: bool) -> None:
    guest.define()
    (guest.place / "img").chmod(0o700)
    was = guest.facts()
    guest.fails()
    guest.fix("--apply", "--no-start")
    assert guest.facts() != was
    guest.daemon.kill()
    if cut:
        # as it is on disk between the record and the repair, and until the repair's end is noted
        (record,) = (guest.daemon.root / "lib" / "repairs" / f"guest-{NAME}").iterdir()
        work = json.loads(record.read_text())
        work["steps"][0] |= {"state": "begun", "after": {}}
        record.write_text(json.dumps(work))
    guest.daemon.start()
    assert "undone:" in guest.fix("--undo")
    assert guest.facts() == was


@needs_acl
def test_what_somebody_else_changed_stays(guest: Place) -> None:
    guest.define()
    closed = guest.place / "img"
    closed.chmod(0o700)
    guest.fails()
    guest.fix("--apply", "--no-start")
    closed.chmod(0o755)
    said = guest.fix("--undo", status=1)
    assert "stays:" in said
    assert "were changed since" in said
    assert closed.stat().st_mode & 0o777 == 0o755


def test_what_was_mended_meanwhile_is_not_mended(guest: Place) -> None:
    guest.define()
    closed = guest.place / "img"
    closed.chmod(0o700)
    guest.fails()
    closed.chmod(0o755)
    assert "Nothing is known that keeps domain 'vm1' from starting" in guest.fix()
    assert "Domain 'vm1' started" in guest.fix("--apply")
    assert "nothing was mended" in guest.fix("--undo", status=1)


def test_a_document_is_defined_with_what_was_mended(guest: Place) -> None:
    address = "<address type='pci' domain='0x0000' bus='0x00' slot='0x07' function='0x0'/>"
    twice = "".join(
        f"<interface type='user'><model type='virtio'/>{address}</interface>" for _ in range(2)
    )
    file = guest.place / "vm1.xml"
    file.write_text(guest.xml(twice))
    text = file.read_text()
    virtup = guest.daemon.virtup
    assert virtup("define", file, check=False).returncode == 1
    shown = virtup("fix", file).stdout
    assert "devices/interface[2]/address: removed" in shown
    assert virtup("fix", file, "--apply", check=False).returncode == 1
    assert NAME not in virtup("list", "--all", "--name").stdout
    said = virtup("fix", file, "--apply", "--yes").stdout
    assert "Domain 'vm1' defined" in said
    assert guest.runs()
    assert file.read_text() == text
    guest.off()
    guest.fix("--undo")
    assert NAME not in virtup("list", "--all", "--name").stdout


def test_a_program_reads_it(guest: Place) -> None:
    guest.define()
    (guest.place / "img").chmod(0o700)
    guest.fails()
    json_ = ("--json", "fix", NAME)
    virtup = guest.daemon.virtup
    plan = json.loads(virtup(*json_).stdout)
    (option,) = plan["items"][0]["options"]
    assert option["repair"][0]["kind"] == "grant-access"
    assert option["safety"] == "auto"
    done = json.loads(virtup(*json_, "--apply").stdout)
    assert (done["runs"], done["left"]) == (True, [])
    assert [one["state"] for one in done["results"]] == ["done"]
    guest.off()
    assert json.loads(virtup(*json_, "--undo").stdout)["stands"] is False
    (kept,) = json.loads(virtup(*json_, "--list").stdout)
    assert kept["began"] == done["transaction"]


def test_who_may_only_read_may_only_look(guest: Place) -> None:
    guest.define()
    (guest.place / "img").chmod(0o700)
    guest.fails()
    virtup = guest.daemon.virtup
    assert "repair:" in virtup("-r", "fix", NAME).stdout
    for words in (("--apply",), ("--undo",)):
        done = virtup("-r", "fix", NAME, *words, check=False)
        assert done.returncode == 1
        assert "read only access prevents" in done.stderr
    assert os.stat(guest.place / "img").st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--apply", "--undo"), "takes one of --apply, --undo and --list"),
        (("--yes", "--list"), "takes one of --apply, --undo and --list"),
    ],
)
def test_words_that_do_not_go_together(guest: Place, words: tuple[str, ...], said: str) -> None:
    guest.define()
    assert said in guest.fix(*words, status=1)


def test_a_guest_that_nobody_knows(guest: Place) -> None:
    assert "failed to get domain 'vm1'" in guest.fix(status=1)
    assert "nothing was mended" in guest.fix("--undo", status=1)
    assert "nothing was mended" in guest.fix("--list", status=1)


def test_a_saved_state_is_set_aside_and_comes_back(guest: Place) -> None:
    guest.define()
    virtup = guest.daemon.virtup
    virtup("start", NAME)
    virtup("managedsave", NAME)
    (saved,) = (guest.daemon.root / "lib").rglob("*.save")
    state = saved.read_bytes()
    with (guest.place / "img" / "a.qcow2").open("r+b") as disk:
        disk.seek(4096)
        disk.write(b"another hand")
    guest.fails()
    assert "needs a yes" in guest.fix("--apply", status=1)
    assert saved.exists()
    said = guest.fix("--apply", "--yes")
    assert "set the saved state aside" in said
    assert guest.runs()
    assert [one.read_bytes() == state for one in saved.parent.glob("*.set-aside")] == [True]
    guest.off()
    guest.fix("--undo")
    assert saved.read_bytes() == state
    assert "yes" in re.findall(r"Managed save: +(\w+)", virtup("dominfo", NAME).stdout)
