"""Files that QEMU writes to and virtup opens, so that QEMU's user needs no right to their folder."""

from __future__ import annotations

import os


def open_output(path: str, *, append: bool) -> int:
    """Open *path* to write, made with mode 0600 when missing; return the descriptor.

    Without *append* it is emptied. Never waits (a FIFO without a reader is refused) and is not
    inherited. Raises OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    fd = os.open(path, flags, 0o600)
    if not append:
        os.ftruncate(fd, 0)
    return fd


def close(fd: int) -> None:
    """Close a descriptor."""
    os.close(fd)
