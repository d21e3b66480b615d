"""Pipes between QEMU and the programs beside it."""

from __future__ import annotations

import os
import select


def make() -> tuple[int, int]:
    """Return the read end and the write end of a new pipe; neither is inherited."""
    return os.pipe2(os.O_CLOEXEC)


def close(fd: int) -> None:
    """Close a descriptor; one that is -1 was closed before."""
    if fd >= 0:
        os.close(fd)


def will_give(fd: int) -> bool:
    """Wait until a pipe has something to read, or never will; tell whether it has."""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    return any(event & select.POLLIN for _, event in waiting.poll())


def ends(fd: int, first: int, last: int) -> tuple[bytes, bytes]:
    """Read a pipe to its end; return its *first* and its *last* bytes, or all there were."""
    head, tail = b"", bytearray()
    while data := os.read(fd, 1 << 20):
        head += data[: first - len(head)]
        tail += data
        del tail[:-last]
    return head, bytes(tail)


def drain(fd: int) -> bytes:
    """Return what lies in a pipe, up to 4 KiB, without waiting for more; nothing when closed."""
    if fd < 0:
        return b""
    os.set_blocking(fd, False)
    try:
        return os.read(fd, 4096)
    except BlockingIOError:
        return b""


def pour(file: int, length: int, end: int) -> None:
    """Move *length* bytes of *file*, from its offset on, into a pipe, and close that.

    Whoever reads may go away before the end. Raises OSError when the file cannot be read.
    """
    try:
        while length > 0:
            moved = os.splice(file, end, length)
            if not moved:
                return
            length -= moved
    except BrokenPipeError:
        return
    finally:
        os.close(end)
