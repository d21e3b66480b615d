"""Starting the daemon that a client needs, when none runs and no service manager owns it.

Clients that come at the same time start one daemon between them: a lock file beside the socket's
directory lets one of them start it while the others wait. The daemon says on a pipe that it is
ready, or why it cannot be.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from virtup.client.uri import Target
from virtup.errors import Code, Fault, Origin, VirtError

READY_TIMEOUT_S = 60
"""How long a daemon may take until it is ready: a first start probes QEMU."""
SESSION_IDLE_S = 120
"""After how long without guests and clients a session daemon that was started so ends."""

_UNITS = {
    "system": ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"),
    "session": ("/etc/systemd/user", "/usr/lib/systemd/user", "/lib/systemd/user"),
}


class DaemonNotStarted(VirtError):
    """No daemon runs, and none could be started; says why and what to do."""

    code, origin, fault = Code.NO_SERVER, Origin.RPC, Fault.HOST


def start(target: Target, connect: Callable[[], socket.socket | None]) -> socket.socket:
    """Start virtupd for *target* and return what *connect* then gives.

    Raises DaemonNotStarted when a service manager owns the daemon, when the caller may not start
    it, and when it does not come up.
    """
    _may_start(target, exists=os.path.exists, uid=os.geteuid())
    with _lock(os.path.dirname(target.socket)):
        sock = connect()
        if sock is None:
            _run(command(target, sys.executable, sys.argv[0]))
            sock = connect()
    if sock is None:
        raise DaemonNotStarted(
            f"virtupd says that it is ready, and does not listen on '{target.socket}'"
        )
    return sock


def command(target: Target, python: str, program: str) -> tuple[str, ...]:
    """The command that starts the daemon for *target*, its ``--ready-fd`` left out.

    ``virtupd`` beside the interpreter or beside the running program is preferred to the PATH's.
    """
    places = (os.path.dirname(python), os.path.dirname(os.path.abspath(program)))
    found = (os.path.join(place, "virtupd") for place in places)
    daemon = next((path for path in found if os.access(path, os.X_OK)), "virtupd")
    if target.kind == "session":
        return (daemon, "--session", "--timeout", str(SESSION_IDLE_S))
    return (daemon, "--system")


def _may_start(target: Target, *, exists: Callable[[str], bool], uid: int) -> None:
    unit = _unit(target.kind, exists)
    if unit is not None:
        scope = "--user " if target.kind == "session" else ""
        raise DaemonNotStarted(
            f"Failed to connect socket to '{target.socket}': no daemon runs, and the service "
            f"manager owns it: 'systemctl {scope}start {unit}' starts it"
        )
    if target.kind == "system" and uid != 0:
        raise DaemonNotStarted(
            f"Failed to connect socket to '{target.socket}': no system daemon runs, and only "
            "root can start it: 'sudo virtupd --system'; qemu:///session needs no root"
        )


def _unit(kind: str, exists: Callable[[str], bool]) -> str | None:
    """The systemd unit that owns the daemon; None where systemd does not run, or has none."""
    if not exists("/run/systemd/system"):
        return None
    names = ("virtupd.socket", "virtupd.service")
    return next((n for n in names if any(exists(f"{d}/{n}") for d in _UNITS[kind])), None)


@contextmanager
def _lock(directory: str) -> Iterator[None]:
    """Hold the lock of the clients that may start the daemon of *directory*."""
    path = f"{directory}.start-lock"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise DaemonNotStarted(
            f"no daemon runs, and '{path}' cannot be made to start one: "
            f"{os.strerror(exc.errno or 0)}"
        ) from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _run(argv: tuple[str, ...], env: Mapping[str, str] = os.environ) -> None:
    """Start *argv* in a session of its own and wait until it is ready."""
    reader, writer = os.pipe()
    try:
        os.set_inheritable(writer, True)
        try:
            os.posix_spawnp(
                argv[0],
                (*argv, "--ready-fd", str(writer)),
                env,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)
                ],
                setsid=True,
            )
        except OSError as exc:
            raise DaemonNotStarted(_not_run(argv[0], exc)) from exc
        finally:
            os.close(writer)
        answer = _answer(reader)
    finally:
        os.close(reader)
    if answer != "ready":
        raise DaemonNotStarted(_refusal(argv, answer))


def _answer(fd: int) -> str:
    """What the daemon says on its pipe: "ready", a reason, or "" when it ended or hangs."""
    said = b""
    while not said.startswith(b"ready\n") and len(said) < 65536:
        readable, _, _ = select.select([fd], [], [], READY_TIMEOUT_S)
        if not readable:
            return f"error: it was not ready within {READY_TIMEOUT_S} s"
        piece = os.read(fd, 65536)
        if not piece:
            break
        said += piece
    return said.decode("utf-8", "replace").strip()


def _not_run(program: str, exc: OSError) -> str:
    reason = os.strerror(exc.errno or 0)
    if exc.errno == errno.ENOENT:
        return f"no daemon runs, and '{program}', which would be started, is not there: {reason}"
    return f"no daemon runs, and '{program}' cannot be started: {reason}"


def _refusal(argv: tuple[str, ...], answer: str) -> str:
    if answer:
        return f"virtupd did not start: {answer.removeprefix('error: ')}"
    return f"virtupd ended before it was ready; '{' '.join(argv)} --verbose' shows why"
