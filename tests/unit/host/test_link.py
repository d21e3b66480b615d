"""Unix sockets: who may come in, when, and what stands in the way."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from virtup.host import link


def test_listener_and_caller_meet_and_know_each_other(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    with link.listen(path) as server, link.connect(path) as caller:
        accepted, _ = server.accept()
        with accepted:
            caller.send(b"hello")
            assert accepted.recv(10) == b"hello"
            me = (os.getpid(), os.geteuid(), os.getegid())
            assert link.peer(accepted) == me
            assert link.peer(caller) == me
        for end in (server, caller):
            assert not end.getblocking()
            assert not end.get_inheritable()


@pytest.mark.parametrize("mode", [0o600, 0o700, 0o770, 0o777])
def test_the_mode_is_exact_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0)
    try:
        with link.listen(f"{tmp_path}/s", mode=mode):
            assert stat.S_IMODE(os.stat(tmp_path / "s").st_mode) == mode
    finally:
        os.umask(before)


@pytest.mark.root
def test_the_owner_is_set(tmp_path: Path) -> None:
    with link.listen(f"{tmp_path}/s", uid=4, gid=5, mode=0o660):
        seen = os.stat(tmp_path / "s")
        assert (seen.st_uid, seen.st_gid) == (4, 5)


def test_nobody_connects_before_owner_and_mode_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{tmp_path}/s"
    tried: list[int] = []
    chmod = os.chmod

    def chmod_late(target: str, mode: int) -> None:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with pytest.raises(link.LinkError) as told:
            link.connect(path)
        tried.append(told.value.errno)
        chmod(target, mode)

    monkeypatch.setattr(os, "chmod", chmod_late)
    link.listen(path, mode=0o777).close()
    assert tried == [errno.ECONNREFUSED]


def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    link.listen(path).close()
    assert os.path.exists(path)
    with link.listen(path), link.connect(path):
        pass


def test_a_live_socket_is_left_and_its_owner_named(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    with link.listen(path):
        with pytest.raises(link.SocketInUse, match=f"process {os.getpid()}") as told:
            link.listen(path)
        assert (told.value.pid, told.value.path) == (os.getpid(), path)
        link.connect(path).close()


def test_a_live_socket_with_a_full_queue_is_left(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    callers = []
    with link.listen(path, backlog=0):
        with pytest.raises(link.LinkError) as told:
            callers.extend(link.connect(path) for _ in range(10))
        assert told.value.errno == errno.EAGAIN
        with pytest.raises(link.SocketInUse):
            link.listen(path)
    for caller in callers:
        caller.close()


def test_a_file_in_the_way_is_left(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(link.LinkError, match="no socket has the name"):
        link.listen(f"{tmp_path}/s")
    assert (tmp_path / "s").read_text() == "precious"
    link.remove(f"{tmp_path}/s")
    assert (tmp_path / "s").exists()


def test_only_sockets_are_removed_and_once_is_enough(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    link.listen(path).close()
    link.remove(path)
    link.remove(path)
    assert not os.path.exists(path)


@pytest.mark.parametrize("act", [link.listen, link.connect])
def test_a_path_that_does_not_fit_is_refused_before_the_kernel_cuts_it(
    tmp_path: Path, act: object
) -> None:
    fits = f"{tmp_path}/" + "s" * (link.PATH_BYTES_MAX - len(str(tmp_path)) - 1)
    link.listen(fits).close()
    with pytest.raises(link.SocketPathTooLong, match="108 bytes") as told:
        act(f"{fits}s")  # type: ignore[operator]
    assert told.value.errno == errno.ENAMETOOLONG
    with pytest.raises(link.SocketPathTooLong):
        link.listen(f"{fits[:-2]}ää")  # bytes count, not letters


def test_nobody_there_and_nothing_there_are_told_apart(tmp_path: Path) -> None:
    link.listen(f"{tmp_path}/s").close()
    for path, expected in ((f"{tmp_path}/s", errno.ECONNREFUSED), (f"{tmp_path}/no", errno.ENOENT)):
        with pytest.raises(link.LinkError, match=path) as told:
            link.connect(path)
        assert told.value.errno == expected


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(link.LinkError, match="No such file") as told:
        link.listen(f"{tmp_path}/none/s")
    assert told.value.errno == errno.ENOENT


def test_a_child_inherits_the_listening_end(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    answer = "import socket,sys; s=socket.socket(fileno=int(sys.argv[1])); s.setblocking(True); "
    answer += "c,_=s.accept(); c.sendall(b'greeting')"
    with link.listen(path) as server, link.connect(path) as caller:
        command = [sys.executable, "-c", answer, str(server.fileno())]
        with subprocess.Popen(command, pass_fds=[server.fileno()]):
            server.close()
            caller.setblocking(True)
            assert caller.recv(20) == b"greeting"


def test_a_failed_listen_leaves_no_socket_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(link.LinkError):
            link.listen(f"{tmp_path}/none/s")
        with pytest.raises(link.LinkError):
            link.connect(f"{tmp_path}/none/s")
    assert len(os.listdir("/proc/self/fd")) == before


def test_only_the_name_of_a_dead_socket_is_removed(tmp_path: Path) -> None:
    alive, dead, file = (tmp_path / name for name in ("alive", "dead", "file"))
    file.write_text("precious")
    with link.listen(str(alive)):
        link.listen(str(dead)).close()
        for path in (alive, dead, file, tmp_path / "nothing"):
            link.remove_dead(str(path))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["alive", "file"]
    assert file.read_text() == "precious"
