"""Whether another user may use a file: the kernel is asked, as that user.

Modes, ACLs, mount options and security modules all count, because it is the kernel's answer and
no copy of its rules. A thread takes on the user's file identity (``fsuid``, ``fsgid``, groups;
the other threads keep theirs) and asks with ``faccessat2(AT_EACCESS)``: nothing is opened. The
kernel takes a process that did so for one that must not leave a core dump.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

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

Want = Literal["search", "read", "write"]
"""What a user wants of a file or directory."""

T = TypeVar("T")

_Allowed = Callable[[str, int], bool]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The first thing on the way to a file that keeps a user out.

    ``path`` is a directory that may not be searched, or the file itself; ``uid``, ``gid`` and
    ``mode`` are its own, ``acl`` tells that it has an access list, ``read_only`` that its file
    system is mounted so.
    """

    path: str
    wants: Want
    uid: int
    gid: int
    mode: int
    acl: bool
    read_only: bool


def may(path: str, account: Account | None, *, write: bool = False) -> bool:
    """Tell whether *account* (None: this process) may read, and if so asked write, *path*.

    A missing file is one that it may not use. Waits for as long as the file system does.
    """
    wanted = os.R_OK | (os.W_OK if write else 0)
    return _as_account(account, lambda allowed: allowed(path, wanted))


def obstacle(path: str, account: Account | None, *, write: bool = False) -> Obstacle | None:
    """Return what keeps *account* from *path*, or None when nothing does.

    Links are followed first. Raises OSError when the file is missing, or when this process
    itself cannot look.
    """
    (found,) = obstacles([(path, write)], account)
    return found


def obstacles(wants: Iterable[tuple[str, bool]], account: Account | None) -> list[Obstacle | None]:
    """Answer :func:`obstacle` for many (path, write) at once: one thread asks for all."""
    reals = [(os.path.realpath(path, strict=True), write) for path, write in wants]
    refused = _as_account(account, lambda allowed: [_refused(allowed, *each) for each in reals])
    return [None if each is None else _obstacle(*each) for each in refused]


def _refused(allowed: _Allowed, path: str, write: bool) -> tuple[str, Want] | None:
    """Return the first component of *path* that is closed, and to what."""
    if allowed(path, os.R_OK | (os.W_OK if write else 0)):
        return None
    for folder in _parents(path):
        if not allowed(folder, os.X_OK):
            return folder, "search"
    return path, "write" if allowed(path, os.R_OK) else "read"


def _parents(path: str) -> list[str]:
    """Return the directories above *path*, from the root down."""
    parts = path.split("/")[1:-1]
    return ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))]


def _obstacle(path: str, wants: Want) -> Obstacle:
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


def _own_right(path: str, wanted: int) -> bool:
    return os.access(path, wanted, effective_ids=True)


def _as_account(account: Account | None, ask: Callable[[_Allowed], T]) -> T:
    """Run *ask* with a function that tells what *account* is allowed."""
    if account is None or account.uid == os.geteuid():
        return ask(_own_right)
    if os.uname().machine not in _SETGROUPS:
        return ask(lambda path, wanted: _by_program(path, account, wanted))
    answers: list[T | OSError] = []

    def work() -> None:
        try:
            _take_on(account)
            answers.append(ask(_own_right))
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
