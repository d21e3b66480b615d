"""Consoles of guests: the host's end of a pty or a unix socket, one user at a time."""

from __future__ import annotations

import errno
import os
import stat
import termios
from collections.abc import Callable

from virtup.errors import Code, Fault, OperationFailed, VirtError
from virtup.host import link


class ConsoleBusy(OperationFailed):
    """Somebody else has the console; ``force`` takes it from them."""


class ConsoleGone(VirtError):
    """The console's device is not there, or is no console."""

    code, fault = Code.SYSTEM_ERROR, Fault.HOST


class Console:
    """An open console: ``fd`` is non-blocking, to read and to write raw bytes.

    ``taken`` tells that another user forced it away: ``fd`` is -1 then. ``on_taken``, if set, is
    called before that, while ``fd`` is still open.
    """

    def __init__(self, owner: Consoles, path: str, fd: int) -> None:
        self.fd = fd
        self.path = path
        self.taken = False
        self.on_taken: Callable[[], None] | None = None
        self._owner = owner

    def close(self) -> None:
        """Close it and let others in; twice is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self._owner.forget(self)


class Consoles:
    """The consoles that are open, of all guests of this daemon."""

    def __init__(self) -> None:
        self._open: dict[str, Console] = {}

    def open(self, path: str, *, force: bool = False) -> Console:
        """Open the pty, or connect to the unix socket, at *path*.

        Raises ConsoleBusy when it is open already, unless *force* takes it (the other's Console
        is closed), and ConsoleGone when it cannot be opened.
        """
        holder = self._open.get(path)
        if holder is not None and not force:
            raise ConsoleBusy("Active console session exists for this domain")
        fd = _open(path)
        if holder is not None:
            holder.taken = True
            if holder.on_taken is not None:
                holder.on_taken()
            holder.close()
        console = self._open[path] = Console(self, path, fd)
        return console

    def forget(self, console: Console) -> None:
        """Let the next one in."""
        if self._open.get(console.path) is console:
            del self._open[console.path]


def _open(path: str) -> int:
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as exc:
        raise _gone(path, exc) from exc
    return _open_socket(path) if is_socket else _open_pty(path)


def _open_pty(path: str) -> int:
    """Open a terminal raw, so that every byte passes as it is, and nothing is echoed."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise _gone(path, exc) from exc
    try:
        if not stat.S_ISCHR(os.fstat(fd).st_mode) or not os.isatty(fd):
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        _make_raw(fd)
    except (OSError, termios.error) as exc:
        os.close(fd)
        raise _gone(path, exc) from exc
    return fd


def _make_raw(fd: int) -> None:
    """Do what cfmakeraw(3) does."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(fd)
    iflag &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    oflag &= ~termios.OPOST
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    termios.tcsetattr(fd, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, cc])


def _open_socket(path: str) -> int:
    try:
        return link.connect(path).detach()
    except link.LinkError as exc:
        raise _gone(path, exc) from exc


def _gone(path: str, exc: Exception) -> ConsoleGone:
    why = getattr(exc, "strerror", None) or str(exc)
    return ConsoleGone(f"the console '{path}' cannot be opened: {why}")
