"""Reading and writing the files of saved guests: all of it or an error, and under which names."""

from __future__ import annotations

import errno
import fcntl
import os

PART, EDITED, OLD = ".virtup-part", ".virtup-edited", ".virtup-old"
"""How temporary names end: of a new image, of one that is written anew, and of one that either is
to replace and has not replaced for good."""


def temporary_of(path: str, kind: str) -> str:
    """Return the name under which the image *path* is written; *kind* is `PART`, `EDITED` or `OLD`."""
    folder, name = os.path.split(path)
    return f"{folder}/.{name[:200]}{kind}"


def create(temporary: str) -> int:
    """Make a new file for an image, with a lock that says that it is being written."""
    clear(temporary)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(temporary, flags, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def clear(temporary: str) -> bool:
    """Remove what is left of a save that was cut short; tell whether there was something.

    Raises OSError for one that is under way: its writers hold a lock on it, QEMU among them.
    """
    try:
        fd = os.open(temporary, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(temporary)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "another save to it is under way") from None
    finally:
        os.close(fd)
    return True


def place_in(fd: int) -> int:
    """Return up to where whoever shares the descriptor *fd* has read the file."""
    return os.lseek(fd, 0, os.SEEK_CUR)


def let_go(fd: int, end: int = 0) -> None:
    """Have the page cache let go of a file up to *end*, 0 for all; what is not synced yet stays."""
    os.posix_fadvise(fd, 0, end, os.POSIX_FADV_DONTNEED)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write *data* at *offset*."""
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def read_exactly(fd: int, size: int, offset: int) -> bytes:
    """Return *size* bytes at *offset*; raises OSError when the file is shorter."""
    data = os.pread(fd, size, offset)
    while len(data) < size:
        more = os.pread(fd, size - len(data), offset + len(data))
        if not more:
            raise OSError(errno.EIO, "the file of the saved guest is shorter than it was")
        data += more
    return data


def read_into(fd: int, buffer: memoryview, offset: int) -> None:
    """Fill *buffer*: one that is used again costs less than new memory for every block."""
    while buffer:
        got = os.preadv(fd, [buffer], offset)
        if not got:
            raise OSError(errno.EIO, "the file of the saved guest is shorter than it was")
        buffer, offset = buffer[got:], offset + got
