"""The lock that one daemon holds on its directories; the kernel drops it when the daemon ends."""

from __future__ import annotations

import fcntl
import os

from virtup.errors import Code, Fault, VirtError
from virtup.host import proc


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
    """Take the lock at *path* and write our pid into it; never waits.

    Raises Locked, which names the holder, and OSError when the file cannot be made. On NFS the
    lock holds between hosts only where the server serves locks.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as exc:
        raise _locked(path, fd) from exc
    except BaseException:
        os.close(fd)
        raise
    return Lock(path, fd)


def _locked(path: str, fd: int) -> Locked:
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    os.close(fd)
    pid = int(text) if text.isdecimal() else 0
    stat = proc.stat(pid) if pid else None
    who = "another process" if stat is None else f"'{stat.comm}' (pid {pid})"
    error = Locked(
        f"{who} already serves '{os.path.dirname(path)}': it holds the lock '{path}'; "
        "end it first, or choose other directories with --root"
    )
    error.pid = pid if stat is not None else 0
    return error
