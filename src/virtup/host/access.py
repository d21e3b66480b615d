"""Whether another user may use a file: the kernel is asked, as that user.

Modes, ACLs, mount options and security modules all count, because it is the kernel's answer and
no copy of its rules. A thread takes on the user's file identity (``fsuid``, ``fsgid``, groups;
the other threads keep theirs) and asks with ``faccessat2(AT_EACCESS)``: nothing is opened.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from virtup.host.accounts import Account

_SETGROUPS = {
    "x86_64": 116,
    "aarch64": 159,
    "riscv64": 159,
    "loongarch64": 159,
    "ppc64le": 81,
    "s390x": 206,
}
"""The system call's number by machine; glibc's own function would change every thread."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The first thing on the way to a file that keeps a user out.

    ``path`` is a directory that may not be searched, or the file itself; ``uid``, ``gid`` and
    ``mode`` are its own, ``acl`` tells that it has an access list, ``read_only`` that its file
    system is mounted so.
    """

    path: str
    wants: Literal["search", "read", "write"]
    uid: int
    gid: int
    mode: int
    acl: bool
    read_only: bool


def may(path: str, account: Account | None, *, write: bool = False) -> bool:
    """Tell whether *account* (None: this process) may read, and if so asked write, *path*.

    A missing file is one that it may not use. Waits for as long as the file system does.
    """
    return _allowed(path, account, os.R_OK | (os.W_OK if write else 0))


def obstacle(path: str, account: Account | None, *, write: bool = False) -> Obstacle | None:
    """Return what keeps *account* from *path*, or None when nothing does.

    Links are followed first. Raises OSError when the file is missing, or when this process
    itself cannot look.
    """
    real = os.path.realpath(path, strict=True)
    for folder in _parents(real):
        if not _allowed(folder, account, os.X_OK):
            return _obstacle(folder, "search")
    if not _allowed(real, account, os.R_OK):
        return _obstacle(real, "read")
    if write and not _allowed(real, account, os.W_OK):
        return _obstacle(real, "write")
    return None


def _parents(path: str) -> list[str]:
    """Return the directories above *path*, from the root down."""
    parts = path.split("/")[1:-1]
    return ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))]


def _obstacle(path: str, wants: Literal["search", "read", "write"]) -> Obstacle:
    seen = os.stat(path)
    acl = b""
    with contextlib.suppress(OSError):  # a file system without them
        acl = os.getxattr(path, "system.posix_acl_access")
    return Obstacle(
        path=path,
        wants=wants,
        uid=seen.st_uid,
        gid=seen.st_gid,
        mode=seen.st_mode & 0o7777,
        acl=bool(acl),
        read_only=bool(os.statvfs(path).f_flag & os.ST_RDONLY),
    )


def _allowed(path: str, account: Account | None, wanted: int) -> bool:
    if account is None or account.uid == os.geteuid():
        return os.access(path, wanted, effective_ids=True)
    if os.uname().machine in _SETGROUPS:
        return _as_account(account, lambda: os.access(path, wanted, effective_ids=True))
    return _by_program(path, account, wanted)


def _as_account(account: Account, ask: Callable[[], bool]) -> bool:
    """Run *ask* in a thread of its own with the file identity of *account*."""
    answers: list[bool | OSError] = []

    def work() -> None:
        try:
            _take_on(account)
            answers.append(ask())
        except OSError as exc:
            answers.append(exc)

    thread = threading.Thread(target=work, name="access")
    thread.start()
    thread.join()
    (answer,) = answers
    if isinstance(answer, OSError):
        raise answer
    return answer


def _take_on(account: Account) -> None:
    """Change this thread's file identity; root's right to pass every mode goes with it."""
    libc = _libc()
    groups = (ctypes.c_uint32 * len(account.groups))(*account.groups)
    number = _SETGROUPS[os.uname().machine]
    if libc.syscall(ctypes.c_long(number), ctypes.c_long(len(account.groups)), groups) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot ask as user '{account.name}': {os.strerror(code)}")
    libc.setfsgid(ctypes.c_uint32(account.gid))
    libc.setfsuid(ctypes.c_uint32(account.uid))
    if libc.setfsuid(ctypes.c_uint32(0xFFFFFFFF)) != account.uid:  # asks, changes nothing
        raise PermissionError(1, f"cannot ask as user '{account.name}': not root")


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _by_program(path: str, account: Account, wanted: int) -> bool:
    """Ask with ``test`` run as *account*: slower, for machines whose call numbers are not known."""
    letters = {os.R_OK: "-r", os.W_OK: "-w", os.X_OK: "-x"}
    return all(
        subprocess.run(
            ("test", letter, path),
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            cwd="/",
            check=False,
        ).returncode
        == 0
        for bit, letter in letters.items()
        if wanted & bit
    )
