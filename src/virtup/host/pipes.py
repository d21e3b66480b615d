"""Pipes between QEMU and the programs beside it."""

from __future__ import annotations

import functools
import os


def make() -> tuple[int, int]:
    """Return the read end and the write end of a new pipe; neither is inherited."""
    return os.pipe2(os.O_CLOEXEC)


def close(fd: int) -> None:
    """Close a descriptor; one that is -1 was closed before."""
    if fd >= 0:
        os.close(fd)


@functools.cache
def nowhere() -> int:
    """Return a descriptor on /dev/null that stays open."""
    return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
