"""The verbs of saved state: virtup beside Debian's virsh, on a stock libvirtd and on virtupd.

Both commands play the same scenes, each from its beginning; what they print and their status are
compared line by line. What virtup alone has, or does otherwise on purpose, follows below.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import lab
from tests.private import STOCK, PrivateHost
from virtup.client.connection import connect
from virtup.client.guests import lookup

pytestmark = [pytest.mark.e2e, pytest.mark.root]

UUID = "0badcafe-5a5e-2222-3333-000000000001"
LOSS = re.compile(r"^warning: the saved state of domain '[^']*' is given up: .*\n", re.MULTILINE)


def definition(disk: Path) -> str:
    """A guest that needs no kernel: its firmware finds nothing to boot and waits."""
    return f"""<domain type='qemu'>
  <name>vm</name>
  <uuid>{UUID}</uuid>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>{lab.QEMU}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='pty'/>
    <console type='pty'/>
  </devices>
</domain>
"""


class Ground(NamedTuple):
    """A daemon that both commands reach, and a folder that it reaches too."""

    uri: str
    folder: Path

    def client(self, command: str, *settings: str) -> lab.Client:
        """One of the commands, virsh or virtup, run in the folder with a changed environment."""
        program = {"virsh": "virsh", "virtup": str(lab.PROGRAMS / "virtup")}[command]
        # the current folder is part of what is tested: relative paths are the client's
        env = ["env", "-C", self.folder, "-u", "VISUAL", "-u", "EDITOR", *settings]
        return lab.Client([*env, program], self.uri)

    def clear(self) -> None:
        """Have no guest, no image, and a fresh definition."""
        virsh = self.client("virsh")
        virsh("destroy", "vm", check=False)
        virsh("undefine", "vm", "--managed-save", check=False)
        for path in self.folder.glob("*.img*"):
            path.unlink()
        disk = self.folder / "disk.raw"
        disk.write_bytes(bytes(1 << 20))
        disk.chmod(0o666)
        (self.folder / "vm.xml").write_text(definition(disk))
        (self.folder / "bad.xml").write_text("<domain>\n")


@contextmanager
def stock() -> Iterator[Ground]:
    """A stock libvirtd on a host of its own, seen from without."""
    host = PrivateHost()
    try:
        host.start_stock()
        folder = host.place / "saves"
        folder.mkdir(mode=0o711)
        socket = host.outside("/run/libvirt/libvirt-sock")
        yield Ground(f"qemu+unix:///system?socket={socket}", folder)
    finally:
        host.close()


@contextmanager
def ours() -> Iterator[Ground]:
    """A virtupd in a folder of its own."""
    daemon = lab.Daemon(lab.scratch())
    try:
        daemon.start()
        folder = daemon.root / "saves"
        folder.mkdir(mode=0o711)
        yield Ground(daemon.uri, folder)
    finally:
        daemon.close()
        lab.discard(daemon.root)


GROUNDS: dict[str, Callable[[], AbstractContextManager[Ground]]] = {
    "libvirtd": stock,
    "virtupd": ours,
}

SCENES = {
    "a file": """
        define vm.xml
        save vm vm.img
        start vm
        save vm
        save vm vm.img --running --paused
        save vm vm.img --xml /nonexistent
        save nope vm.img
        -r save vm vm.img
        domjobinfo vm
        domjobinfo vm --rawstats
        domjobinfo vm --completed
        domjobinfo vm --anystats
        domjobabort vm
        domjobabort vm --postcopy
        -r domjobabort vm
        save vm vm.img
        domstate vm --reason
        domjobinfo vm
        domjobabort vm
        domjobinfo vm --completed --keep-completed
        domjobinfo vm --completed --rawstats
        domjobinfo vm --completed
        dominfo vm
        list --all --managed-save
        restore
        restore vm.img --running --paused
        restore vm.img --xml /nonexistent
        -r restore vm.img
        restore vm.img
        domstate vm --reason
        save vm --file other.img --verbose --paused
        restore other.img
        domstate vm
        -q save vm quiet.img
        -q restore quiet.img --running
        domstate vm
    """,
    "what an image says": """
        define vm.xml
        start vm
        save vm vm.img
        save-image-dumpxml
        save-image-dumpxml vm.img
        save-image-dumpxml vm.img --security-info
        save-image-dumpxml vm.img --xpath //name
        save-image-dumpxml vm.img --xpath //target/@dev --wrap
        -r save-image-dumpxml vm.img
        save-image-define vm.img
        save-image-define vm.img /nonexistent
        save-image-define vm.img vm.xml --running --paused
        EDITOR=true save-image-edit vm.img
        EDITOR=true save-image-edit vm.img --running --paused
        EDITOR=false save-image-edit vm.img
        VISUAL=false EDITOR=true save-image-edit vm.img
        EDITOR=/nonexistent/editor save-image-edit vm.img
        EDITOR='sed -i s,destroy,restart,' save-image-edit vm.img
        save-image-dumpxml vm.img --xpath //on_poweroff
        -q save-image-dumpxml vm.img --xpath //on_poweroff
        restore vm.img --paused
        domstate vm
    """,
    "a managed save": """
        define vm.xml
        managedsave vm
        managedsave-dumpxml vm
        managedsave-remove vm
        managedsave-define vm vm.xml
        EDITOR=true managedsave-edit vm
        start vm
        managedsave
        managedsave nope
        managedsave vm --running --paused
        -r managedsave vm
        managedsave vm --verbose
        managedsave vm
        dominfo vm
        domstate vm
        list --all --managed-save
        list --managed-save
        list --all --with-managed-save
        list --all --without-managed-save
        list --all --with-managed-save --name
        managedsave-dumpxml vm --xpath //name
        managedsave-dumpxml vm --security-info --xpath //name --wrap
        -r managedsave-dumpxml vm --security-info
        -r managedsave-remove vm
        managedsave-define vm /nonexistent
        managedsave-define vm vm.xml --running --paused
        EDITOR=true managedsave-edit vm --paused
        EDITOR='sed -i s,destroy,restart,' managedsave-edit vm
        managedsave-dumpxml vm --xpath //on_poweroff
        undefine vm
        start vm --bypass-cache
        domstate vm --reason
        list --all --managed-save
        dominfo vm
        managedsave vm --bypass-cache --paused
        start vm
        domstate vm
        managedsave vm --running
        start vm --force-boot
        domstate vm --reason
        managedsave vm
        managedsave-remove vm
        managedsave-remove vm
        -q managedsave-remove vm
        start vm
        -q managedsave vm
        undefine vm --managed-save
        list --all
    """,
}


class Seen(NamedTuple):
    """What one line of a scene came to, with what changes from run to run made equal."""

    line: str
    status: int
    out: str
    err: str


AMOUNT = r"^([A-Z][\w ]+: +)[\d.]+ +(ms|B|[KM]iB|pages/s)$"


def calm(text: str, folder: Path) -> str:
    """The text without amounts, times, ids and the names of temporary files."""
    text = text.replace(str(folder), "HERE")
    text = re.sub(r"/\S*/vir(sh|tup)\w+\.xml", "TEMPORARY", text)
    text = re.sub(r"CPU time: +[\d.]+s\n", "", text)
    text = re.sub(r"^(Id: +)\d+$", r"\1N", text, flags=re.MULTILINE)
    text = re.sub(r"^ \d+ +vm", " N vm", text, flags=re.MULTILINE)
    # a save of next to nothing may be too short for a speed
    text = re.sub(r"^(Memory bandwidth: .*|memory_bps: .*)\n", "", text, flags=re.MULTILINE)
    text = re.sub(AMOUNT, r"\1N \2", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=N )([KM]i)?B$", "bytes", text, flags=re.MULTILINE)
    text = re.sub(r"^(\w+ (pages|requests)|Iteration): *\d+ *$", r"\1: N", text, flags=re.MULTILINE)
    text = re.sub(r"^(\w+): \d+$", r"\1: N", text, flags=re.MULTILINE)
    # carriage returns came as line breaks
    return re.sub(r"(\n\w+: \[ *\d+ %\])+(?=\n\w+: \[100 %\])", "", text)


def play(ground: Ground, command: str, scene: str) -> list[Seen]:
    """Play a scene from its beginning."""
    ground.clear()
    seen: list[Seen] = []
    for line in filter(None, map(str.strip, SCENES[scene].splitlines())):
        words = shlex.split(line)
        count = next(i for i, word in enumerate(words) if "=" not in word)
        client = ground.client(command, *words[:count])
        try:
            done = client(*words[count:], check=False)
        except subprocess.TimeoutExpired:
            # virsh 9.0 waits for ever when a save is refused before virsh begins to wait for it
            if command != "virsh":
                raise
            done = client(*words[count:], check=False)
        out, err = (calm(text, ground.folder) for text in (done.stdout, done.stderr))
        if command == "virtup":
            err = LOSS.sub("", err)
        # libvirt's library tells of a program that is not there by itself; then virsh does
        err = re.sub(r"^(libvirt: .*|sh: .*)\n", "", err, flags=re.MULTILINE)
        seen.append(Seen(line, done.returncode, out, err))
    return seen


def differences(one: list[Seen], other: list[Seen], same: Callable[[Seen, Seen], bool]) -> str:
    """The lines that were not alike, with both of what was seen; "" for none."""
    pairs = ((a, b) for a, b in zip(one, other, strict=True) if not same(a, b))
    return "".join(f"--- {a.line}\n{shown(a)}+++\n{shown(b)}" for a, b in pairs)


def shown(seen: Seen) -> str:
    return f"status {seen.status}\n{seen.out}{seen.err}"


class Theatre:
    """Daemons that are started when they are needed, and what was played on them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._grounds: dict[str, Ground] = {}
        self._seen: dict[tuple[str, str, str], list[Seen]] = {}

    def ground(self, daemon: str) -> Ground:
        """The daemon of that name."""
        if daemon not in self._grounds:
            self._grounds[daemon] = self._stack.enter_context(GROUNDS[daemon]())
        return self._grounds[daemon]

    def seen(self, daemon: str, command: str, scene: str) -> list[Seen]:
        """What a command showed in a scene; it is played once."""
        key = daemon, command, scene
        if key not in self._seen:
            self._seen[key] = play(self.ground(daemon), command, scene)
        return self._seen[key]


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    """Both daemons, for all tests here."""
    missing = [name for name in (*STOCK, "virsh") if not shutil.which(name)]
    if missing:
        pytest.skip(f"stock libvirt is not here: {', '.join(missing)}")
    with ExitStack() as stack:
        yield Theatre(stack)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("daemon", GROUNDS)
def test_both_commands_say_the_same(theatre: Theatre, daemon: str, scene: str) -> None:
    theirs = theatre.seen(daemon, "virsh", scene)
    mine = theatre.seen(daemon, "virtup", scene)
    found = differences(theirs, mine, lambda a, b: a == b)
    assert not found, found
    assert {one.status for one in mine} == {0, 1}


OWN_WORDS = ("domjobinfo", "save-image-dumpxml vm.img", "managedsave-dumpxml vm")
"""What is told in other words, or to another extent: statistics, and a definition as a whole."""


@pytest.mark.parametrize("scene", SCENES)
def test_virsh_sees_no_difference_between_the_daemons(theatre: Theatre, scene: str) -> None:
    theirs = theatre.seen("libvirtd", "virsh", scene)
    mine = theatre.seen("virtupd", "virsh", scene)

    def alike(a: Seen, b: Seen) -> bool:
        words = a.out == b.out or a.line.startswith(OWN_WORDS)
        return words and a.status == b.status and bool(a.err) == bool(b.err)

    found = differences(theirs, mine, alike)
    assert not found, found


# -- what virtup has, or does better ---------------------------------------------------------------


@pytest.fixture
def folder(daemon: lab.Daemon) -> Path:
    """A folder with the definition of the guest vm, its disk beside it."""
    made = daemon.root / "saves"
    made.mkdir(mode=0o711)
    Ground(daemon.uri, made).clear()
    return made


@pytest.fixture
def image(virtup: lab.Client, folder: Path) -> Path:
    """The file to which vm was saved."""
    path = folder / "vm.img"
    virtup("define", folder / "vm.xml")
    virtup("start", "vm")
    virtup("save", "vm", path)
    return path


def managed(daemon: lab.Daemon) -> Path:
    """The managed save of vm."""
    (found,) = daemon.root.rglob("vm.save")
    return found


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_start_without_its_saved_state_says_so(
    daemon: lab.Daemon, virtup: lab.Client, folder: Path
) -> None:
    virtup("define", folder / "vm.xml")
    virtup("start", "vm")
    virtup("managedsave", "vm")
    overwrite(managed(daemon), 0, b"LibvirtQemudPart")
    done = virtup("start", "vm")
    assert done.stdout == "Domain 'vm' started\n\n"
    assert done.stderr.startswith("warning: the saved state '")
    assert "is incomplete" in done.stderr
    assert "Managed save:   no" in virtup("dominfo", "vm").stdout
    virtup("destroy", "vm")
    facts = json.loads(virtup("--json", "start", "vm").stdout)
    assert "notes" not in facts


def test_what_is_given_up_is_said(virtup: lab.Client, folder: Path) -> None:
    virtup("define", folder / "vm.xml")
    virtup("start", "vm")
    for words in (("start", "vm", "--force-boot"), ("managedsave-remove", "vm")):
        virtup("managedsave", "vm")
        assert LOSS.fullmatch(virtup(*words).stderr)
    virtup("start", "vm")
    virtup("managedsave", "vm")
    assert LOSS.fullmatch(virtup("undefine", "vm", "--managed-save").stderr)


def test_an_edit_that_is_refused_fails(virtup: lab.Client, image: Path) -> None:
    before = image.read_bytes()
    ground = Ground(virtup.uri, image.parent)
    edit = ground.client("virtup", "EDITOR=sed -i s/vm/other/")
    done = edit("save-image-edit", "vm.img", check=False)
    assert (done.returncode, done.stdout) == (1, "\n")
    assert done.stderr.startswith("error: ")
    assert "other" in done.stderr
    assert image.read_bytes() == before


def test_an_edit_is_offered_again_on_a_terminal(virtup: lab.Client, image: Path) -> None:
    edits = image.parent / "editor"
    edits.write_text(
        "#!/bin/sh\nif grep -q junk $1; then sed -i /junk/d $1; "
        'sed -i s,destroy,restart, "$1"; else echo junk >> $1; fi\n'
    )
    edits.chmod(0o755)
    client = Ground(virtup.uri, image.parent).client("virtup", f"EDITOR={edits}")
    words = ["-c", client.uri, "save-image-edit", "vm.img"]
    with lab.Terminal([*client.command, *words]) as screen:
        screen.until("Try again? [y,n,f,?]: ")
        screen.type("?")
        screen.until("y - yes, start editor again")
        screen.type("y")
        screen.until("State file vm.img edited.")
    shown = virtup("save-image-dumpxml", image, "--xpath", "//on_poweroff").stdout
    assert shown == "<on_poweroff>restart</on_poweroff>\n\n"


def test_an_image_is_verified(virtup: lab.Client, image: Path) -> None:
    done = virtup("save-verify", image)
    shown = dict(line.split(":", 1) for line in done.stdout.splitlines() if line)
    assert {label: shown[label].strip() for label in ("Verdict", "Name", "UUID", "Restored")} == {
        "Verdict": "whole",
        "Name": "vm",
        "UUID": UUID,
        "Restored": "no",
    }
    assert shown["Disk"].strip() == str(image.parent / "disk.raw")
    other = image.with_name("other.img")
    for change, damage in (
        (lambda: overwrite(other, 200_000, b"FLIPPED!"), "changed bytes"),
        (lambda: os.truncate(other, 300_000), "cut in the memory"),
        (lambda: os.truncate(other, 50), "cut in the header"),
        (lambda: os.truncate(other, 0), "empty"),
        (lambda: overwrite(other, 0, b"#!/bin/sh\n" * 100), "not a saved guest"),
        (lambda: overwrite(other, 0, bytes(1000)), "zero-filled"),
        (lambda: other.unlink(), "unreadable"),
    ):
        if damage in ("changed bytes", "cut in the memory"):
            shutil.copy(image, other)
        change()
        done = virtup("save-verify", other, check=False)
        assert done.returncode == 1
        word = "not checkable" if damage == "unreadable" else "damaged"
        assert f"Verdict:        {word} ({damage})\n" in done.stdout
        assert done.stderr.startswith("error: ")
    assert virtup("save-verify", image, "--json").returncode == 0
    virtup("restore", image)
    done = virtup("save-verify", image, check=False)
    assert "Verdict:        consumed; the file is whole\n" in done.stdout
    assert done.returncode == 2


def test_changed_disks_are_refused_until_a_person_accepts_them(
    virtup: lab.Client, image: Path
) -> None:
    overwrite(image.parent / "disk.raw", 4096, b"another guest was here")
    done = virtup("restore", image, check=False)
    assert done.returncode == 1
    assert "disk.raw' was changed after" in done.stderr
    assert f"'virtup save-verify {image} --accept-disks' has it restored" in done.stderr
    done = virtup("save-verify", image, check=False)
    assert "Verdict:        disks changed; the file is whole\n" in done.stdout
    assert done.returncode == 3
    assert f"'virtup save-verify {image} --accept-disks'" in done.stderr
    done = virtup("save-verify", image, "--accept-disks", check=False)
    assert done.returncode == 1
    assert virtup("restore", image, check=False).returncode == 1
    words = ["-c", virtup.uri, "save-verify", image, "--accept-disks"]
    with lab.Terminal([*virtup.command, *words]) as screen:
        screen.until("Accept the disks as they are? [y/N]: ")
        screen.type("y\n")
        screen.until("are accepted as they are now")
    assert "Verdict:        whole\n" in virtup("save-verify", image).stdout
    virtup("restore", image)
    assert virtup("domstate", "vm", "--reason").stdout == "running (restored)\n\n"


def test_an_image_of_libvirts_is_verified_as_far_as_can_be(image: Path, virtup: lab.Client) -> None:
    theirs = image.with_name("theirs.img")
    data = bytearray(image.read_bytes())
    data[36:40] = bytes(4)  # the mark in the header that says that digests follow
    end = data.rindex(b"VirtupSaveBlocks")
    theirs.write_bytes(data[:end])
    done = virtup("save-verify", theirs)
    assert "Verdict:        not checkable\n" in done.stdout
    assert "only both ends of its memory are checked" in done.stdout
    virtup("restore", theirs)


@pytest.fixture
def slow(daemon: lab.Daemon, virtup: lab.Client, folder: Path) -> Iterator[int]:
    """A guest vm with so much memory that its save takes a while; the process of its QEMU."""
    path = folder / "vm.xml"
    path.write_text(path.read_text().replace("<memory unit='MiB'>32<", "<memory unit='GiB'>4<"))
    virtup("define", path)
    virtup("start", "vm")
    (pid,) = daemon.qemus()
    yield pid
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("how", ["ctrl-c", "domjobabort"])
def test_a_save_shows_how_far_it_is_and_is_aborted(
    daemon: lab.Daemon, virtup: lab.Client, slow: int, how: str
) -> None:
    path = daemon.root / "saves" / "vm.img"
    words = ["-c", virtup.uri, "save", "vm", path, "--verbose"]
    with connect(daemon.uri) as conn, lab.Terminal([*virtup.command, *words]) as screen:
        vm = lookup(conn, "vm")
        lab.eventually(
            lambda: conn.call("DOMAIN_GET_JOB_INFO", dom=vm)["dataTotal"], "the save is under way"
        )
        os.kill(slow, signal.SIGSTOP)
        screen.until("Save: [ ")
        info = virtup("domjobinfo", "vm").stdout
        assert info.startswith("Job type:         Unbounded   \nOperation:        Save")
        if how == "ctrl-c":
            screen.type("\x03")
            time.sleep(1)  # the command asks the daemon within half of that, and says nothing of it
        else:
            assert virtup("domjobabort", "vm").stdout == "\n"
        os.kill(slow, signal.SIGCONT)
        shown = screen.until("canceled by client")
    assert "error: Failed to save domain 'vm' to" in shown
    assert virtup("domstate", "vm", "--reason").stdout == "running (save canceled)\n\n"
    assert [entry.name for entry in path.parent.iterdir() if "vm.img" in entry.name] == []
    assert "Job type:         None" in virtup("domjobinfo", "vm").stdout
    assert "Job type:         None" in virtup("domjobinfo", "vm", "--completed").stdout
    done = virtup("domjobabort", "vm", check=False)
    assert (
        done.stderr == "error: Requested operation is not valid: no job is active on the domain\n"
    )


def test_progress_without_a_terminal(virtup: lab.Client, folder: Path) -> None:
    virtup("define", folder / "vm.xml")
    virtup("start", "vm")
    done = virtup("managedsave", "vm", "--verbose")
    assert done.stdout == "\nDomain 'vm' state saved by libvirt\n\n"
    assert done.stderr.endswith("\nManagedsave: [100 %]")  # its carriage return came as one
