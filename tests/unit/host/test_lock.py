"""The lock of a daemon's directories."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from virtup.host import lock

HOLD = """
import sys
from virtup.host import lock
held = lock.acquire(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_daemon_is_told_who_the_first_is(tmp_path: Path) -> None:
    path = f"{tmp_path}/virtupd.lock"
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(lock.Locked, match=rf"\(pid {first.pid}\) already serves") as told:
            lock.acquire(path)
        assert told.value.pid == first.pid
        assert str(tmp_path) in told.value.message
        first.send_signal(signal.SIGKILL)
        first.wait()
        lock.acquire(path).release()


def test_the_lock_is_free_again_after_release(tmp_path: Path) -> None:
    path = f"{tmp_path}/l"
    held = lock.acquire(path)
    assert Path(path).read_text() == f"{os.getpid()}\n"
    with pytest.raises(lock.Locked):
        lock.acquire(path)
    held.release()
    held.release()
    lock.acquire(path).release()
    assert Path(path).read_text() == ""


def test_programs_that_are_started_do_not_hold_it(tmp_path: Path) -> None:
    held = lock.acquire(f"{tmp_path}/l")
    with subprocess.Popen(["/bin/sleep", "60"], close_fds=False) as child:
        held.release()
        lock.acquire(f"{tmp_path}/l").release()
        child.kill()


def test_a_holder_that_did_not_say_who_it_is(tmp_path: Path) -> None:
    path = f"{tmp_path}/l"
    held = lock.acquire(path)
    Path(path).write_text("what?")
    with pytest.raises(lock.Locked, match="another process already serves") as told:
        lock.acquire(path)
    assert told.value.pid == 0
    held.release()


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        lock.acquire(f"{tmp_path}/l")
    assert not (tmp_path / "precious").exists()


def test_a_child_of_a_killed_daemon_on_its_way_to_exec_is_waited_for(tmp_path: Path) -> None:
    path = f"{tmp_path}/l"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.write(fd, b"4194399\n")  # no process has this number: it is above pid_max
    child = subprocess.Popen(["/bin/sleep", "0.2"], pass_fds=[fd])
    os.close(fd)
    lock.acquire(path).release()
    assert child.wait() == 0
