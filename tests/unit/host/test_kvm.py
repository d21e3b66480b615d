"""Who may use a KVM device: device nodes of our own, with modes and access lists."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from virtup.host import kvm
from virtup.host.accounts import Account
from virtup.host.kvm import KvmState

USER = Account("somebody", 12345, 12345, (12345, 777))
ROOT = Account("root", 0, 0, (0,))
NULL = os.makedev(1, 3)
NOTHING = os.makedev(241, 77)
"""A device number of a major that is for experiments: no driver serves it."""

pytestmark = pytest.mark.root


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    os.mknod(path, stat.S_IFCHR | 0o600, NULL)
    try:
        path.read_bytes()
    except PermissionError:
        pytest.skip("devices do not work in this file system (nodev)")
    return path


@pytest.mark.parametrize(
    ("mode", "owner", "group", "expected"),
    [
        (0o600, 0, 0, KvmState.NOT_PERMITTED),
        (0o666, 0, 0, KvmState.USABLE),
        (0o660, 0, 777, KvmState.USABLE),
        (0o660, 0, 12345, KvmState.USABLE),
        (0o660, 0, 778, KvmState.NOT_PERMITTED),
        (0o640, 0, 777, KvmState.NOT_PERMITTED),
        (0o606, 0, 777, KvmState.NOT_PERMITTED),
        (0o600, 12345, 0, KvmState.USABLE),
        (0o066, 12345, 777, KvmState.NOT_PERMITTED),
    ],
)
def test_modes(node: Path, mode: int, owner: int, group: int, expected: KvmState) -> None:
    os.chown(node, owner, group)
    node.chmod(mode)
    assert kvm.state(USER, device=str(node)) is expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ("u:12345:rw", KvmState.USABLE),
        ("u:12345:r", KvmState.NOT_PERMITTED),
        ("u:12346:rw", KvmState.NOT_PERMITTED),
        ("g:777:rw", KvmState.USABLE),
        ("g:778:rw", KvmState.NOT_PERMITTED),
        ("u:12345:rw,m::r", KvmState.NOT_PERMITTED),
        ("u:12345:r,g:777:rw", KvmState.NOT_PERMITTED),
        ("u:12346:rw,o::rw", KvmState.USABLE),
    ],
)
def test_access_lists(node: Path, entries: str, expected: KvmState) -> None:
    if not shutil.which("setfacl"):
        pytest.skip("setfacl is not installed")
    done = subprocess.run(["setfacl", "-m", entries, node], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no access lists in this file system: {done.stderr.decode().strip()}")
    assert kvm.state(USER, device=str(node)) is expected


def test_root_and_the_daemons_own_user(node: Path) -> None:
    assert kvm.state(ROOT, device=str(node)) is KvmState.USABLE
    assert kvm.state(None, device=str(node)) is KvmState.USABLE


def test_what_is_not_there_is_missing(node: Path, tmp_path: Path) -> None:
    assert kvm.state(USER, device=str(tmp_path / "nope")) is KvmState.MISSING
    assert kvm.state(USER, device=str(node / "below")) is KvmState.MISSING
    (tmp_path / "file").write_text("not a device")
    assert kvm.state(USER, device=str(tmp_path / "file")) is KvmState.MISSING


def test_a_device_that_nothing_serves_is_broken(tmp_path: Path, node: Path) -> None:
    dead = tmp_path / "dead"
    os.mknod(dead, stat.S_IFCHR | 0o666, NOTHING)
    dead.chmod(0o666)
    assert kvm.state(USER, device=str(dead)) is KvmState.BROKEN
    assert kvm.state(None, device=str(dead)) is KvmState.BROKEN
    dead.chmod(0o600)
    assert kvm.state(USER, device=str(dead)) is KvmState.NOT_PERMITTED
