"""Starting the daemon that a client needs: which command, when not, and what it answers."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from virtup.client import autostart
from virtup.client.autostart import DaemonNotStarted, command
from virtup.client.uri import Target

SESSION = Target("session", "/run/user/1/virtup/virtup-sock", False, None)
SYSTEM = Target("system", "/run/virtup/virtup-sock", False, None)


def program(folder: Path, text: str, name: str = "virtupd") -> Path:
    """Write an executable shell script."""
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_daemon_beside_the_interpreter_is_preferred(tmp_path: Path) -> None:
    near, far = tmp_path / "a", tmp_path / "b"
    near.mkdir()
    far.mkdir()
    program(far, "")
    python, virtup = str(near / "python"), str(far / "virtup")
    assert command(SYSTEM, python, virtup) == (str(far / "virtupd"), "--system")
    program(near, "")
    assert command(SYSTEM, python, virtup)[0] == str(near / "virtupd")
    assert command(SESSION, "/nowhere/python", "/nowhere/virtup") == (
        "virtupd", "--session", "--timeout", "120",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "unit", "says"),
    [
        (SYSTEM, "/lib/systemd/system/virtupd.service", "'systemctl start virtupd.service'"),
        (SYSTEM, "/etc/systemd/system/virtupd.socket", "'systemctl start virtupd.socket'"),
        (
            SESSION,
            "/usr/lib/systemd/user/virtupd.socket",
            "'systemctl --user start virtupd.socket'",
        ),
    ],
)
def test_what_the_service_manager_owns_is_left_to_it(target: Target, unit: str, says: str) -> None:
    there = {"/run/systemd/system", unit}
    with pytest.raises(DaemonNotStarted) as caught:
        autostart._may_start(target, exists=there.__contains__, uid=0)
    assert says in caught.value.message
    assert target.socket in caught.value.message
    autostart._may_start(target, exists={unit}.__contains__, uid=0)
    autostart._may_start(target, exists={"/run/systemd/system"}.__contains__, uid=0)


def test_only_root_starts_the_systems_daemon() -> None:
    with pytest.raises(DaemonNotStarted, match="sudo virtupd --system"):
        autostart._may_start(SYSTEM, exists=lambda _: False, uid=1000)
    autostart._may_start(SESSION, exists=lambda _: False, uid=1000)


def test_a_daemon_that_says_ready_is_ready(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    daemon = program(tmp_path, f'echo "$@" > {seen}; eval "echo ready >&$3"; exec sleep 0.1')
    autostart._run((str(daemon), "--session"))
    words = seen.read_text().split()
    assert words[:2] == ["--session", "--ready-fd"]
    assert int(words[2]) > 2


def test_a_started_daemon_holds_none_of_our_files(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    daemon = program(tmp_path, f'ls -l /proc/$$/fd > {seen}; eval "echo ready >&$3"')
    ours = os.pipe()
    try:
        pipe = os.readlink(f"/proc/self/fd/{ours[0]}")
        autostart._run((str(daemon), "--system"))
    finally:
        for end in ours:
            os.close(end)
    held = dict(line.split()[-3::2] for line in seen.read_text().splitlines()[1:])
    assert pipe not in held.values()
    assert [held[fd] for fd in ("0", "1", "2")] == ["/dev/null"] * 3


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ('eval "echo error: it is Tuesday >&$3"; exit 1', "virtupd did not start: it is Tuesday"),
        ("exit 3", "ended before it was ready; '"),
    ],
)
def test_a_daemon_that_does_not_come_up_says_why(tmp_path: Path, script: str, says: str) -> None:
    daemon = program(tmp_path, script)
    with pytest.raises(DaemonNotStarted) as caught:
        autostart._run((str(daemon), "--session"))
    assert says in caught.value.message


def test_a_daemon_that_is_not_there_or_cannot_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DaemonNotStarted, match=r"which would be started, is not there"):
        autostart._run((str(tmp_path / "virtupd"),))
    plain = tmp_path / "plain"
    plain.write_text("")
    with pytest.raises(DaemonNotStarted, match=f"'{plain}' cannot be started"):
        autostart._run((str(plain),))


def test_a_silent_daemon_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autostart, "READY_TIMEOUT_S", 0)
    daemon = program(tmp_path, "exec sleep 1")
    with pytest.raises(DaemonNotStarted, match="it was not ready within 0 s"):
        autostart._run((str(daemon), "--session"))


def test_clients_that_come_together_start_one_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = SESSION._replace(socket=str(tmp_path / "new" / "run" / "virtup-sock"))
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(autostart, "_run", started.append)
    monkeypatch.setattr(autostart, "_may_start", lambda *_, **__: None)
    together = threading.Barrier(3)
    ends: list[socket.socket] = []

    def connect() -> socket.socket | None:
        if not started:
            return None
        ours, theirs = socket.socketpair()
        ends.extend((ours, theirs))
        return ours

    def client() -> None:
        together.wait(20)
        autostart.start(target, connect)

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(started) == 1
    assert len(ends) == 6
    for end in ends:
        end.close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_daemon_that_lies_about_being_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = SESSION._replace(socket=str(tmp_path / "virtup-sock"))
    monkeypatch.setattr(autostart, "_run", lambda _: None)
    monkeypatch.setattr(autostart, "_may_start", lambda *_, **__: None)
    with pytest.raises(DaemonNotStarted, match="does not listen on"):
        autostart.start(target, lambda: None)


def test_a_place_where_nothing_can_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    target = SESSION._replace(socket="/proc/virtup/virtup-sock")
    monkeypatch.setattr(autostart, "_may_start", lambda *_, **__: None)
    with pytest.raises(DaemonNotStarted, match=r"'/proc/virtup.start-lock' cannot be made"):
        autostart.start(target, lambda: None)
