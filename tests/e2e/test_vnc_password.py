"""A display with a password, asked as a VNC client asks (RFC 6143): who has it gets in."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests import lab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl, for the answer in DES"),
]
VNC_AUTHENTICATION = 2
FAR, PAST = "passwdValidTo='2099-04-09T15:51:00'", "passwdValidTo='2010-04-09T15:51:00'"


def answer(challenge: bytes, password: str) -> bytes:
    """The challenge in DES; each byte of the key has its bits in reverse, as the protocol has it."""
    key = password.encode().ljust(8, b"\0")
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    cipher = ["openssl", "enc", "-des-ecb", "-nopad", "-provider", "legacy", "-provider", "default"]
    done = subprocess.run(
        [*cipher, "-K", mirrored.hex()], input=challenge, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lets_in(port: int, password: str) -> bool:
    """Shake hands with the display at *port*."""
    with socket.create_connection(("127.0.0.1", port), lab.BOUND_S) as client:
        stream = client.makefile("rwb", buffering=0)
        version = stream.read(12)
        stream.write(version)
        count = stream.read(1)[0]
        assert stream.read(count) == bytes([VNC_AUTHENTICATION])
        stream.write(bytes([VNC_AUTHENTICATION]))
        challenge = stream.read(16)
        stream.write(answer(challenge, password))
        return stream.read(4) == bytes(4)


def port_of(daemon: lab.Daemon, guest_dir: Path, attributes: str) -> int:
    display = f"<graphics type='vnc' autoport='yes' listen='127.0.0.1' {attributes}/>"
    xml = daemon.root / "vm.xml"
    xml.write_text(lab.domain_xml("vm", guest_dir, devices=display))
    daemon.virsh("create", xml, "--paused")
    return 5900 + int(daemon.virsh("vncdisplay", "vm").stdout.strip().rpartition(":")[2])


@pytest.mark.parametrize("more", ["", FAR, f"{FAR} connected='keep'"])
def test_who_has_the_password_gets_in(daemon: lab.Daemon, guest_dir: Path, more: str) -> None:
    port = port_of(daemon, guest_dir, f"passwd='s3cret&lt;' {more}")
    assert lets_in(port, "s3cret<")
    assert not lets_in(port, "s3cret")
    shown = daemon.virsh("dumpxml", "vm").stdout
    assert "s3cret" not in shown
    assert all(word in shown for word in more.split())
    assert "passwd='s3cret&lt;'" in daemon.virsh("dumpxml", "vm", "--security-info").stdout
    log = daemon.root / "log" / "qemu" / "vm.log"
    assert "password=on" in log.read_text()
    assert "s3cret" not in log.read_text()


@pytest.mark.parametrize(
    ("attributes", "password"), [("passwd=''", ""), (f"passwd='x' {PAST}", "x")]
)
def test_an_empty_or_expired_password_lets_nobody_in(
    daemon: lab.Daemon, guest_dir: Path, attributes: str, password: str
) -> None:
    assert not lets_in(port_of(daemon, guest_dir, attributes), password)


def test_it_is_there_again_after_a_restore(daemon: lab.Daemon, guest_dir: Path) -> None:
    port_of(daemon, guest_dir, "passwd='again'")
    state = daemon.root / "state"
    daemon.virsh("save", "vm", state)
    daemon.virsh("restore", state, "--paused")
    shown = daemon.virsh("vncdisplay", "vm").stdout.strip()
    assert lets_in(5900 + int(shown.rpartition(":")[2]), "again")
