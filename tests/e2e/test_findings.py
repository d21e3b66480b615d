"""Faults of a guest as a user of stock virsh meets them: told in the error, mended, started.

Each fault breaks a guest that starts, is read from the error text of `virsh create`, and is gone
after its repair: the fix's own command where there is one, else the change that the fix names.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import lab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("virsh"), reason="no virsh"),
]
as_root = pytest.mark.root
NAME = "vm1"
UNFORESEEN = frozenset({"VU037", "VU050", "VU051", "VU052", "VU053", "VU057"})
"""Causes that only a QEMU that runs shows; of an unlisted option a check only warns."""
RAW = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


@dataclass
class Guest:
    """A guest in a folder of its own, which starts until something is changed."""

    daemon: lab.Daemon
    place: Path
    text: dict[str, str] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    """What puts a command onto the daemon's host, when that is not ours."""

    @property
    def disk(self) -> Path:
        return self.place / "img" / "a.qcow2"

    @property
    def kernel(self) -> Path:
        return self.place / "boot" / "vmlinuz"

    def xml(self) -> str:
        value = {
            "virt": "qemu",
            "machine": "pc",
            "memory": "64",
            "kernel": str(self.kernel),
            "initrd": str(self.kernel.parent / "initrd.img"),
            "disk": str(self.disk),
            "format": "qcow2",
            "emulator": lab.QEMU,
            "cpu": "",
            "devices": "",
            "raw": "",
            **self.text,
        }
        return f"""<domain type='{value["virt"]}' {RAW}>
  <name>{NAME}</name>
  <memory unit='MiB'>{value["memory"]}</memory>
  <os>
    <type arch='x86_64' machine='{value["machine"]}'>hvm</type>
    <kernel>{value["kernel"]}</kernel>
    <initrd>{value["initrd"]}</initrd>
  </os>
  {value["cpu"]}
  <devices>
    <emulator>{value["emulator"]}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='{value["format"]}'/>
      <source file='{value["disk"]}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    {value["devices"]}
  </devices>
  {value["raw"]}
</domain>
"""

    def create(self, xml: str | None = None) -> subprocess.CompletedProcess[str]:
        path = self.place / "vm.xml"
        path.write_text(xml or self.xml())
        return self.daemon.virsh("create", path, "--paused", check=False)

    def told(self, code: str, *words: object, xml: str | None = None) -> str:
        """Fail to start, and return the error, which names *code* and each of *words*.

        A check says the same before, unless it cannot know.
        """
        if code not in UNFORESEEN:
            assert code in self.checked(xml), f"'virtup check' did not foresee {code}"
        done = self.create(xml)
        assert done.returncode == 1, f"it started:\n{done.stdout}"
        said = done.stderr
        assert f"[{code}]" in said.replace("\n          ", " "), said
        for word in words:
            assert str(word) in " ".join(said.split()), said
        return said

    def checked(self, xml: str | None = None) -> list[str]:
        """What stands against the start by ``virtup check``; empty when it says that it would start."""
        path = self.place / "vm.xml"
        path.write_text(xml or self.xml())
        ask = lab.Client([lab.PROGRAMS / "virtup", "--json"], self.daemon.uri)
        done = ask("check", path, check=False)
        verdict = json.loads(done.stdout)
        assert done.returncode == (0 if verdict["ok"] else 1), verdict
        assert verdict["ok"] or verdict["sentence"] or verdict["findings"], verdict
        return [one["code"] for one in verdict["findings"]]

    def mend(self, said: str) -> None:
        """Run the commands of the fix in *said*, pasted as they stand there."""
        fix = said.partition("\nfix:")[2].split("\ncause:")[0].split("\nmore:")[0]
        for line in re.sub(r" \\\n\s+", " ", fix).strip().splitlines():
            self.do("sh", "-c", line)

    def do(self, *command: str, check: bool = True) -> None:
        """Run a command on the daemon's host."""
        subprocess.run([*self.inside, *command], check=check)

    def starts(self) -> None:
        assert not self.checked(), "a false alarm"
        done = self.create()
        assert done.returncode == 0, done.stderr
        self.daemon.virsh("destroy", NAME)


@pytest.fixture(scope="module")
def served() -> Iterator[lab.Daemon]:
    """One daemon for all faults: it has to survive each of them."""
    made = lab.Daemon(lab.scratch())
    made.start()
    yield made
    made.close()
    lab.discard(made.root)


@pytest.fixture
def guest(served: lab.Daemon, scratch: Path, guest_dir: Path) -> Guest:
    scratch.chmod(0o755)
    made = Guest(served, scratch)
    for folder in (made.kernel.parent, made.disk.parent):
        folder.mkdir()
        folder.chmod(0o755)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(guest_dir / name, made.kernel.parent / name)
        (made.kernel.parent / name).chmod(0o644)
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    subprocess.run([*create, made.disk, "8M"], check=True)
    return made


def test_kernel_and_initrd_missing(guest: Guest) -> None:
    away = guest.place / "away"
    guest.kernel.parent.rename(away)
    guest.told("VU001", guest.kernel, "initrd.img", f"there is no '{guest.kernel.parent}'")
    away.rename(guest.kernel.parent)
    guest.starts()


@as_root
@pytest.mark.parametrize(("what", "code"), [("boot", "VU003"), ("img", "VU005")])
def test_a_closed_directory(guest: Guest, what: str, code: str) -> None:
    (guest.place / what).chmod(0o700)
    said = guest.told(code, f"'{guest.place}/{what}' (mode 0700, owner root:root)", "QEMU's user '")
    guest.mend(said)
    guest.starts()


def test_disk_missing(guest: Guest) -> None:
    guest.text["disk"] = str(guest.disk) + "2"
    guest.told("VU004", f"{guest.disk}2", f"did you mean '{guest.disk}'?")
    del guest.text["disk"]
    guest.starts()


def test_disk_locked(guest: Guest) -> None:
    argv = [lab.QEMU, "-S", "-nodefaults", "-display", "none", "-machine", "pc,accel=tcg"]
    drive = f"file={guest.disk},format=qcow2,if=virtio"
    argv += ["-name", "guest=other", "-drive", drive, "-qmp", "stdio"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            guest.told("VU002", guest.disk, f"pid {other.pid}", "guest 'other'")
        finally:
            other.kill()
    guest.starts()


def test_backing_file_missing(guest: Guest) -> None:
    base = guest.place / "img" / "base.qcow2"
    guest.disk.rename(base)
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", guest.disk]
    subprocess.run(create, check=True)
    base.rename(f"{base}.away")
    guest.told("VU007", base, guest.disk)
    Path(f"{base}.away").rename(base)
    guest.starts()


@pytest.mark.parametrize(
    ("harm", "code", "word"),
    [
        (lambda data: b"", "VU010", "empty (0 bytes)"),
        (lambda data: bytes(len(data)), "VU011", "only zeros"),
        (lambda data: data[:79] + b"\2" + data[80:], "VU009", "marked corrupt"),
        (lambda data: b"hello" + bytes(4096), "VU008", "declared qcow2"),
    ],
)
def test_damaged_disk(guest: Guest, harm: Callable[[bytes], bytes], code: str, word: str) -> None:
    whole = guest.disk.read_bytes()
    guest.disk.write_bytes(harm(whole))
    guest.told(code, guest.disk, word)
    guest.disk.write_bytes(whole)
    guest.starts()


def test_declared_format_wrong(guest: Guest) -> None:
    guest.text["format"] = "vmdk"
    guest.told("VU008", "declared vmdk", "that of qcow2")
    del guest.text["format"]
    guest.starts()


def test_emulator_missing(guest: Guest) -> None:
    guest.text["emulator"] = f"{guest.place}/qemu-system-x86_64"
    guest.told("VU031", guest.text["emulator"], f"this host has '{lab.QEMU}'")
    guest.text["emulator"] = lab.QEMU
    guest.starts()


@as_root
def test_emulator_not_executable(guest: Guest) -> None:
    shim = guest.place / "qemu"
    shim.write_text(f'#!/bin/sh\nexec {lab.QEMU} "$@"\n')
    shim.chmod(0o644)
    guest.text["emulator"] = str(shim)
    guest.mend(guest.told("VU032", shim, "mode 0644"))
    guest.starts()


def test_emulator_foreign(guest: Guest) -> None:
    head = bytearray(Path(lab.QEMU).read_bytes()[:4096])
    head[18:20] = (183).to_bytes(2, "little")
    copy = guest.place / "qemu-system-x86_64"
    copy.write_bytes(head)
    copy.chmod(0o755)
    guest.text["emulator"] = str(copy)
    guest.told("VU033", copy, "aarch64")
    del guest.text["emulator"]
    guest.starts()


def test_emulator_lacks_a_library(guest: Guest) -> None:
    data = Path(lab.QEMU).read_bytes().replace(b"libpixman-1.so.0", b"libpixmaN-1.so.0")
    copy = guest.place / "qemu-system-x86_64"
    copy.write_bytes(data)
    copy.chmod(0o755)
    guest.text["emulator"] = str(copy)
    guest.told("VU034", copy, "libpixmaN-1.so.0")
    del guest.text["emulator"]
    guest.starts()


@pytest.mark.parametrize(
    ("what", "broken", "code", "words"),
    [
        ("machine", "pc-q35-99.0", "VU035", ("'pc-q35-99.0'", "pc-q35-")),
        ("memory", "900000", "VU070", ("878 GiB",)),
        (
            "cpu",
            "<cpu mode='custom' match='exact'><model fallback='forbid'>Skylake-Sever</model></cpu>",
            "VU036",
            ("Skylake-Sever", "'Skylake-Server'"),
        ),
        (
            "raw",
            "<qemu:commandline><qemu:arg value='-frobnicate'/></qemu:commandline>",
            "VU037",
            ("'-frobnicate'",),
        ),
        (
            "devices",
            "<serial type='dev'><source path='/dev/ttyUSB77'/></serial>",
            "VU130",
            ("/dev/ttyUSB77",),
        ),
    ],
)
def test_definition(
    guest: Guest, what: str, broken: str, code: str, words: tuple[str, ...]
) -> None:
    guest.text[what] = broken
    guest.told(code, *words)
    del guest.text[what]
    guest.starts()


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_vnc_port_taken(guest: Guest, port: int) -> None:
    guest.text["devices"] = f"<graphics type='vnc' port='{port}' listen='127.0.0.1'/>"
    guest.told("VU090", f"port {port} is taken by process")
    guest.text["devices"] = "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>"
    guest.starts()


@as_root
@pytest.mark.parametrize(("bridge", "code"), [("br-none", "VU084"), ("lo", "VU085")])
def test_bridge_missing_or_none(guest: Guest, bridge: str, code: str) -> None:
    guest.text["devices"] = f"<interface type='bridge'><source bridge='{bridge}'/></interface>"
    guest.told(code, f"'{bridge}'")
    guest.text["devices"] = "<interface type='user'/>"
    guest.starts()


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("kill -KILL $$", "VU050", ("signal 9 (SIGKILL)",)),
        ("kill -SEGV $$", "VU052", ("signal 11 (SIGSEGV)",)),
        ("exit 0", "VU057", ("status 0",)),
        ("exec sleep 600", "VU053", ("did not greet",)),
    ],
)
def test_process(
    make_daemon: Callable[..., lab.Daemon],
    guest: Guest,
    script: str,
    code: str,
    words: tuple[str, ...],
) -> None:
    """The shim is a real QEMU while it is asked what it can do, and fails at the start."""
    config = guest.place / "virtupd.toml"
    config.write_text("monitor_timeout_s = 1\n")
    guest.daemon = make_daemon("--config", str(config))
    shim = guest.place / "qemu"
    asked = f'case "$*" in *"machine none"*) exec {lab.QEMU} "$@";; esac'
    shim.write_text(f"#!/bin/sh\n{asked}\n{script}\n")
    shim.chmod(0o755)
    guest.text["emulator"] = str(shim)
    guest.told(code, *words)
    guest.text["emulator"] = lab.QEMU
    guest.starts()


def test_malformed_xml_has_line_and_column(guest: Guest) -> None:
    bad = guest.xml().replace("</name>", "<name>")
    guest.told("VU110", "line 2", "column", f"<name>{NAME}<name>", xml=bad)
    guest.starts()


def test_the_whole_error_fits_the_screen(guest: Guest) -> None:
    guest.text["disk"] = "/nowhere/at/all.img"
    said = guest.told("VU004").splitlines()
    below = said[[line.startswith("cause:") for line in said].index(True) :]
    below = [line for line in below if line.strip()]
    assert len(below) <= 8
    assert all(len(line) <= 80 for line in below)
