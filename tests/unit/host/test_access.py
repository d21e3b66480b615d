"""What another user may do with a file: the kernel's own answer, named component first."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtup.host import access
from virtup.host.accounts import Account
from virtup.host.process import run

pytestmark = pytest.mark.root

HER = Account("her", 61001, 61001, (61001, 61500))
HIM = Account("him", 61002, 61002, (61002,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that everybody can pass."""
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)
    return tmp_path


def put(path: Path, *, uid: int = 0, gid: int = 0, mode: int = 0o600) -> str:
    path.write_text("x")
    os.chown(path, uid, gid)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "reads", "writes"),
    [
        (0, 0, 0o600, False, False),
        (0, 0, 0o604, True, False),
        (0, 0, 0o606, True, True),
        (0, 61500, 0o640, True, False),
        (0, 61500, 0o660, True, True),
        (61001, 0, 0o600, True, True),
        (61001, 0, 0o066, False, False),
        (0, 61500, 0o606, False, False),
        (0, 0, 0o602, False, False),
    ],
)
def test_modes_count_as_the_kernel_counts_them(
    folder: Path, uid: int, gid: int, mode: int, reads: bool, writes: bool
) -> None:
    path = put(folder / "f", uid=uid, gid=gid, mode=mode)
    assert access.may(path, HER) is reads
    assert access.may(path, HER, write=True) is writes
    assert access._by_program(path, HER, os.R_OK) is reads
    assert access._by_program(path, HER, os.R_OK | os.W_OK) is writes


def test_an_access_list_lets_in_one_and_keeps_out_another(folder: Path) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("no setfacl here")
    path = put(folder / "f", mode=0o604)
    subprocess.run(["setfacl", "-m", "u:61001:rw,u:61002:-", path], check=True)
    assert access.may(path, HER, write=True)
    assert not access.may(path, HIM)
    barrier = access.obstacle(path, HIM)
    assert barrier is not None
    assert (barrier.path, barrier.wants, barrier.acl) == (path, "read", True)


def test_the_first_directory_that_is_closed_is_named(folder: Path) -> None:
    deep = folder / "open" / "closed" / "also-closed"
    deep.mkdir(parents=True)
    path = put(deep / "f", mode=0o644)
    (folder / "open" / "closed").chmod(0o750)
    deep.chmod(0o700)
    barrier = access.obstacle(path, HER)
    assert barrier is not None
    assert barrier.path == f"{folder}/open/closed"
    assert (barrier.wants, barrier.uid, barrier.mode) == ("search", 0, 0o750)
    (folder / "open" / "closed").chmod(0o751)
    barrier = access.obstacle(path, HER)
    assert barrier is not None
    assert barrier.path == str(deep)


def test_links_are_followed_before_anybody_is_blamed(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    put(folder / "closed" / "f", mode=0o644)
    (folder / "l").symlink_to("closed/f")
    barrier = access.obstacle(f"{folder}/l", HER)
    assert barrier is not None
    assert barrier.path == f"{folder}/closed"
    with pytest.raises(FileNotFoundError):
        access.obstacle(f"{folder}/none", HER)
    assert not access.may(f"{folder}/none", HER)


def test_reading_and_writing_are_told_apart(folder: Path) -> None:
    path = put(folder / "f", mode=0o604)
    assert access.obstacle(path, HER) is None
    barrier = access.obstacle(path, HER, write=True)
    assert barrier is not None
    assert (barrier.wants, barrier.read_only) == ("write", False)


@pytest.fixture
def read_only(folder: Path) -> Iterator[Path]:
    """A read-only tmpfs with a file that everybody may write, were it not for the mount."""
    point = folder / "ro"
    point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", point], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no mounts here")
    try:
        put(point / "f", mode=0o666)
        point.chmod(0o755)
        subprocess.run(["mount", "-o", "remount,ro", point], check=True)
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def test_a_read_only_file_system_is_told(read_only: Path) -> None:
    barrier = access.obstacle(f"{read_only}/f", HER, write=True)
    assert barrier is not None
    assert (barrier.wants, barrier.read_only) == ("write", True)
    assert access.obstacle(f"{read_only}/f", HER) is None


def test_many_are_asked_for_at_once(folder: Path) -> None:
    open_to_all = put(folder / "a", mode=0o644)
    closed = put(folder / "b", mode=0o600)
    found = access.obstacles([(open_to_all, False), (closed, False), (open_to_all, True)], HER)
    assert [each and each.wants for each in found] == [None, "read", "write"]


async def test_the_answer_is_what_a_program_of_that_user_finds(folder: Path) -> None:
    (folder / "d").mkdir(mode=0o711)
    for mode in (0o600, 0o640, 0o604, 0o644):
        path = put(folder / "d" / "f", gid=61500, mode=mode)
        ran = await run(["/bin/cat", path], timeout_s=10, account=HER)
        assert access.may(path, HER) is (ran.exit.status == 0)


def test_no_other_thread_loses_its_rights(folder: Path) -> None:
    path = put(folder / "f")
    seen: list[bool] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(os.access(path, os.R_OK, effective_ids=True))

    other = threading.Thread(target=look)
    other.start()
    for _ in range(20):
        assert not access.may(path, HER)
    stop.set()
    other.join()
    assert seen
    assert all(seen)
    assert os.geteuid() == 0
    assert Path(path).read_text() == "x"
