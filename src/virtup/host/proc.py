"""What the kernel tells of a process, from /proc: read in microseconds, never waiting on it."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import struct
from dataclasses import dataclass

_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "in uninterruptible sleep",
    "Z": "zombie",
    "T": "stopped",
    "t": "stopped by a debugger",
    "I": "idle",
    "X": "dead",
}
"""The state letters of proc(5)."""

_CALLS_X86_64 = {
    0: "read", 1: "write", 2: "open", 3: "close", 7: "poll", 9: "mmap", 16: "ioctl",
    17: "pread64", 18: "pwrite64", 19: "readv", 20: "writev", 23: "select", 34: "pause",
    35: "nanosleep", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg",
    47: "recvmsg", 56: "clone", 61: "wait4", 72: "fcntl", 73: "flock", 74: "fsync",
    75: "fdatasync", 128: "rt_sigtimedwait", 202: "futex", 230: "clock_nanosleep",
    232: "epoll_wait", 247: "waitid", 257: "openat", 262: "newfstatat", 270: "pselect6",
    271: "ppoll", 281: "epoll_pwait", 288: "accept4", 426: "io_uring_enter",
}  # fmt: skip
"""The calls in which a program hangs, by the kernel's table for x86_64."""


@dataclass(frozen=True, slots=True)
class Stat:
    """The parts of /proc/PID/stat that virtup uses; times in clock ticks, memory in pages."""

    comm: str
    state: str
    ppid: int
    user_ticks: int
    system_ticks: int
    start_ticks: int
    rss_pages: int


def stat(pid: int) -> Stat | None:
    """Read /proc/PID/stat; None when there is no such process."""
    text = read(pid, "stat")
    if text is None:
        return None
    # comm may hold spaces and parentheses: it ends at the last one
    head, _, tail = text.rpartition(")")
    comm = head.partition("(")[2]
    fields = tail.split()
    return Stat(
        comm=comm,
        state=fields[0],
        ppid=int(fields[1]),
        user_ticks=int(fields[11]),
        system_ticks=int(fields[12]),
        start_ticks=int(fields[19]),
        rss_pages=int(fields[21]),
    )


def read(pid: int, name: str) -> str | None:
    """Read one file of a process; None when it is gone or may not be read."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def describe(pid: int) -> str:
    """Say what a process is doing.

    For example ``sleeping (S), waiting in do_sys_poll, in system call ppoll``; the wait channel
    and the call are named when this user may read them and there are any.
    """
    found = stat(pid)
    if found is None:
        return "gone"
    words = [f"{_STATES.get(found.state, 'in a state of its own')} ({found.state})"]
    channel = (read(pid, "wchan") or "").strip()
    if channel not in ("", "0"):
        words.append(f"waiting in {channel}")
    call = _system_call(pid)
    if call:
        words.append(f"in system call {call}")
    return ", ".join(words)


def _system_call(pid: int) -> str:
    """Name the call that a process is in; "" when it is in none or may not be asked."""
    try:
        text = read(pid, "syscall") or ""
    except OSError:
        return ""
    number = text.split(" ", 1)[0].strip()
    if not number.isdecimal():
        return ""
    if os.uname().machine == "x86_64":
        return _CALLS_X86_64.get(int(number), number)
    return number


_PIDFD_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info of 64 bytes)
_PIDFD_INFO_EXIT = 1 << 3


def exit_of_pidfd(pidfd: int) -> int | None:
    """Ask the kernel for the wait status of a process that its parent has reaped.

    None before that, and on a kernel older than 6.15 (ioctl PIDFD_GET_INFO with
    PIDFD_INFO_EXIT, ``linux/pidfd.h``).
    """
    info = bytearray(struct.pack("=Q56x", _PIDFD_INFO_EXIT))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError as exc:
        if exc.errno in (errno.ENOTTY, errno.EINVAL, errno.ESRCH):
            return None
        raise
    mask, exit_code = struct.unpack_from("=Q52xi", info)
    return int(exit_code) if mask & _PIDFD_INFO_EXIT else None


@functools.cache
def can_tell_exits() -> bool:
    """Tell whether this kernel is one that answers :func:`exit_of_pidfd`."""
    major, minor = os.uname().release.split(".")[:2]
    digits = minor[: len(minor) - len(minor.lstrip("0123456789"))] or minor
    return (int(major), int(digits)) >= (6, 15)
