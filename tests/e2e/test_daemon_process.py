"""virtupd as a process: its options, sockets, signals, locks, logs, and how it says no."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab
from virtup.client.connection import connect

pytestmark = pytest.mark.e2e

VIRTUPD = lab.PROGRAMS / "virtupd"
Make = Callable[..., lab.Daemon]


def run(*options: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run virtupd to its end."""
    return subprocess.run(
        [VIRTUPD, *map(str, options)],
        env={**lab.environment(), **env},
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        check=False,
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_serves_and_ends_on_sigterm(daemon: lab.Daemon) -> None:
    sock = daemon.root / "run" / "virtup-sock"
    assert "QEMU" in daemon.virsh("version").stdout
    assert daemon.stop() == 0
    assert not sock.exists()
    assert daemon.log.splitlines()[-1].endswith("ended; running guests run on")


def test_it_comes_back_after_a_kill(daemon: lab.Daemon) -> None:
    daemon.kill()
    assert (daemon.root / "run" / "virtup-sock").exists()
    daemon.start()
    assert daemon.virsh("list", "--all").stdout.startswith(" Id   Name   State")


def test_a_second_daemon_refuses_and_names_the_first(daemon: lab.Daemon) -> None:
    done = run(f"--{daemon.kind}", "--root", daemon.root)
    assert done.returncode == 1
    assert f"(pid {daemon.pid}) already serves" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert daemon.virsh("uri").returncode == 0


def test_a_refusal_is_told_on_the_ready_descriptor(daemon: lab.Daemon) -> None:
    ours, theirs = os.pipe()
    done = subprocess.run(
        [VIRTUPD, f"--{daemon.kind}", "--root", daemon.root, "--ready-fd", str(theirs)],
        env=lab.environment(),
        capture_output=True,
        timeout=lab.BOUND_S,
        pass_fds=[theirs],
        check=False,
    )
    os.close(theirs)
    with os.fdopen(ours) as answer:
        word = answer.read()
    assert done.returncode == 1
    assert word.startswith("error: ")
    assert str(daemon.pid) in word


def test_it_ends_by_itself_without_clients(make_daemon: Make) -> None:
    daemon = make_daemon("--timeout", "0.3")
    assert daemon.process is not None
    assert daemon.process.wait(lab.BOUND_S) == 0
    assert "no client and no running guest for 0.3 s" in daemon.log


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_clinets = 5\n", ":1: there is no key 'max_clinets'"),
        ("\n= 5\n", ":2: not TOML"),
        ("qemu_user = 5\n", ":1: 'qemu_user' must be a text"),
    ],
)
def test_a_configuration_that_is_not_understood(scratch: Path, text: str, says: str) -> None:
    config = scratch / "c.toml"
    config.write_text(text)
    done = run("--session", "--root", scratch / "r", "--config", config)
    assert done.returncode == 1
    assert done.stderr.startswith(f"virtupd: {config}{says}")
    assert len(done.stderr.splitlines()) == 1
    assert not (scratch / "r").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--config", "/nonexistent/c.toml"], "does not exist"),
        (["--root", "/dev/null/x"], "/dev/null"),
        (["--timeout", "soon"], "'soon' is not a number of seconds"),
        (["--timeout", "-1"], "'-1' is not a number of seconds"),
        (["--ready-fd", "77"], "'77' is no open file descriptor"),
        (["--log-file", "/nonexistent/log"], "/nonexistent/log"),
        (["--layout", "xen"], "invalid choice: 'xen'"),
    ],
)
def test_options_that_cannot_be(scratch: Path, options: list[str], says: str) -> None:
    where = [] if "--root" in options else ["--root", str(scratch / "r")]
    done = run("--session", *where, *options)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_path_that_is_too_long(scratch: Path) -> None:
    done = run("--session", "--root", scratch / "r", "--socket-dir", scratch / ("d" * 100))
    assert done.returncode == 1
    assert "is too long" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_configuration_is_read_anew_on_sighup(make_daemon: Make) -> None:
    daemon = make_daemon(start=False)
    config = daemon.root / "etc" / "virtupd.toml"
    config.parent.mkdir(mode=0o700)
    config.write_text("log_level = 'warning'\n")
    daemon.start()
    assert "serving" not in daemon.log
    config.write_text("log_level = 'info'\nmonitor_timeout_s = 3\n")
    os.kill(daemon.pid, signal.SIGHUP)
    lab.eventually(lambda: "configuration reloaded" in daemon.log, "it was read")
    assert "take effect when virtupd starts anew" in daemon.log
    config.write_text("log_level = 'loud'\n")
    os.kill(daemon.pid, signal.SIGHUP)
    lab.eventually(lambda: "not reloaded" in daemon.log, "the bad one was refused")
    assert daemon.virsh("uri").returncode == 0


def test_the_log_goes_where_it_is_told_and_nobody_else_reads_it(make_daemon: Make) -> None:
    daemon = make_daemon(start=False)
    path = daemon.root / "own.log"
    daemon.options = ("--log-file", str(path), "--verbose")
    daemon.start()
    daemon.virsh("uri")
    assert mode(path) == 0o600
    lab.eventually(lambda: "client 1: gone" in path.read_text(), "debug lines are there")
    assert daemon.log == ""


def test_the_log_of_a_daemon_without_stderr_is_beside_the_guests_logs(scratch: Path) -> None:
    done = subprocess.run(
        [VIRTUPD, "--session", "--root", scratch / "r", "--timeout", "0.1"],
        env=lab.environment(),
        stderr=subprocess.DEVNULL,
        timeout=lab.BOUND_S,
        check=False,
    )
    assert done.returncode == 0
    assert "serving" in (scratch / "r" / "log" / "virtupd.log").read_text()


def test_a_session_keeps_others_out(make_daemon: Make) -> None:
    daemon = make_daemon(kind="session")
    assert mode(daemon.root / "run") == 0o700
    assert mode(daemon.root / "run" / "virtup-sock") == 0o700
    assert not (daemon.root / "run" / "virtup-sock-ro").exists()


@pytest.mark.root
def test_the_system_socket_is_its_groups(make_daemon: Make) -> None:
    daemon = make_daemon(start=False, kind="system")
    config = daemon.root / "etc" / "virtupd.toml"
    config.parent.mkdir(mode=0o700)
    config.write_text("unix_sock_group = 'nogroup'\n")
    daemon.start()
    for name in ("virtup-sock", "virtup-sock-ro"):
        found = daemon.root / "run" / name
        assert mode(found) == 0o770
        assert found.group() == "nogroup"
    daemon.stop()
    config.write_text("unix_sock_group = 'no-such-group'\n")
    daemon.start()
    assert mode(daemon.root / "run" / "virtup-sock") == 0o700


@pytest.mark.root
def test_the_read_only_socket_refuses_writes(make_daemon: Make) -> None:
    daemon = make_daemon(kind="system")
    readonly = lab.Client(["virsh"], daemon.uri + "-ro")
    assert "QEMU" in readonly("version").stdout
    xml = daemon.root / "d.xml"
    xml.write_text("<domain/>")
    done = readonly("define", xml, check=False)
    assert "operation forbidden: read only access prevents virDomainDefineXML" in done.stderr


HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_sockets_are_taken_from_the_service_manager(scratch: Path) -> None:
    path, notified = scratch / "activated-sock", scratch / "notify"
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        listener.bind(str(path))
        listener.listen()
        manager.bind(str(notified))
        manager.settimeout(lab.BOUND_S)
        process = subprocess.Popen(
            [
                *[sys.executable, "-c", HAND_OVER, str(listener.fileno())],
                *[VIRTUPD, "--session", "--root", scratch / "r"],
            ],
            env={**lab.environment(), "LISTEN_FDS": "1", "NOTIFY_SOCKET": str(notified)},
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
        )
        try:
            assert manager.recv(100) == b"READY=1"
            uri = f"qemu+unix:///session?socket={path}"
            assert "QEMU" in lab.Client(["virsh"], uri)("version").stdout
        finally:
            process.terminate()
            _, said = process.communicate(timeout=lab.BOUND_S)
        assert process.returncode == 0, said
        assert manager.recv(100) == b"STOPPING=1"
    assert path.exists(), "the manager's socket is the manager's to remove"


def test_garbage_and_a_deaf_client_leave_the_daemon_and_its_other_clients(
    daemon: lab.Daemon,
) -> None:
    path = str(daemon.root / "run" / "virtup-sock")
    for garbage in (b"GET / HTTP/1.0\r\n\r\n", b"\x7f\xff\xff\xff", os.urandom(4096)):
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(lab.BOUND_S)
            end.connect(path)
            end.sendall(garbage)
            try:
                assert end.recv(100) == b""
            except ConnectionResetError:
                continue
    with connect(daemon.uri, autostart=False) as conn:
        assert conn.call("CONNECT_GET_TYPE") == {"type": "QEMU"}
    assert daemon.log.count("disconnected: ") == 3


@pytest.mark.skipif(lab.IS_ROOT, reason="root may")
def test_a_system_daemon_needs_root() -> None:
    done = run("--system")
    assert done.returncode == 1
    assert "needs root" in done.stderr


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("virtupd 0.")
