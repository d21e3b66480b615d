"""The lock that one daemon holds on its directories; the kernel drops it when the daemon ends."""

from __future__ import annotations

import fcntl
import os
import time

from virtup.errors import Code, Fault, VirtError
from virtup.host import proc

_EXEC_TRIES, _EXEC_PAUSE_S = 200, 0.01
"""How long a child of a daemon that is gone may take to its exec, which drops the lock."""


class Locked(VirtError):
    """Another process holds the lock; ``pid`` is 0 when it did not say which."""

    code, fault = Code.OPERATION_FAILED, Fault.CALLER
    pid: int = 0


class Lock:
    """A lock that is held until :meth:`release` or the end of the process.

    Programs that the process starts do not hold it.
    """

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd

    def release(self) -> None:
        """Give the lock up. The file stays: removing it could cut a successor's lock off."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # also for a child on its way to exec
            os.close(self._fd)
            self._fd = -1


def acquire(path: str) -> Lock:
    """Take the lock at *path* and write our pid into it; waits for no holder that lives.

    A daemon that was killed while it started a program may leave the lock to that child until it
    execs: when this returns, there is no such child any more. Raises Locked, which names the holder, and OSError when the file cannot be made. On NFS the
    lock holds between hosts only where the server serves locks.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        for _ in range(_EXEC_TRIES):
            if _try(fd):
                return Lock(path, fd)
            if _holder(fd) is not None or not _number(fd):
                break
            time.sleep(_EXEC_PAUSE_S)
        raise _locked(path, fd)
    except BaseException:
        os.close(fd)
        raise


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return True


def _holder(fd: int) -> tuple[int, str] | None:
    """Return pid and name of the live process that wrote itself into the lock."""
    pid = int(_number(fd) or 0)
    stat = proc.stat(pid) if pid else None
    return None if stat is None or stat.state in "ZX" else (pid, stat.comm)


def _number(fd: int) -> str:
    """Return what the lock says if it is a number, or "0" while it says nothing."""
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "0"
    return text if text.isdecimal() else ""


def _locked(path: str, fd: int) -> Locked:
    holder = _holder(fd)
    who = "another process" if holder is None else f"'{holder[1]}' (pid {holder[0]})"
    error = Locked(
        f"{who} already serves '{os.path.dirname(path)}': it holds the lock '{path}'; "
        "end it first, or choose other directories with --root"
    )
    error.pid = 0 if holder is None else holder[0]
    return error
