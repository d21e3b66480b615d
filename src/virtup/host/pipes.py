"""Pipes between QEMU and the programs beside it."""

from __future__ import annotations

import os


def make() -> tuple[int, int]:
    """Return the read end and the write end of a new pipe; neither is inherited."""
    return os.pipe2(os.O_CLOEXEC)


def close(fd: int) -> None:
    """Close a descriptor; one that is -1 was closed before."""
    if fd >= 0:
        os.close(fd)


def drain(fd: int) -> bytes:
    """Return what lies in a pipe, up to 4 KiB, without waiting for more; nothing when closed."""
    if fd < 0:
        return b""
    os.set_blocking(fd, False)
    try:
        return os.read(fd, 4096)
    except BlockingIOError:
        return b""
