"""How much a file system takes, and how fast its disk writes."""

from __future__ import annotations

import os
import time

_CHUNK_BYTES = 1 << 20


def free_bytes(path: str) -> int:
    """Return what can be written below the directory *path*, root's reserve left out; raises OSError."""
    seen = os.statvfs(path)
    return seen.f_bavail * seen.f_frsize


def write_speed(directory: str, size: int = 32 << 20) -> float:
    """Write *size* bytes below *directory*, sync them, and return how many a second that were.

    The file has no name, so that nothing is left of it, whatever happens. Raises OSError.
    """
    fd = os.open(directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    try:
        chunk = os.urandom(_CHUNK_BYTES)
        began = time.monotonic()
        for _ in range(max(1, size // _CHUNK_BYTES)):
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
        took = time.monotonic() - began
    finally:
        os.close(fd)
    return size / max(took, 1e-3)
