"""Images and drives as they lie on the host: whether one is there, and what kind it is."""

from __future__ import annotations

import fcntl
import os
import stat

_CDROM_GET_CAPABILITY = 0x5331  # linux/cdrom.h


def present(path: str) -> bool:
    """Tell whether there is something at *path*, links followed, to be used as an image."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # there, and out of reach: the start says why
    return not stat.S_ISDIR(mode)


def is_cdrom_drive(path: str) -> bool:
    """Tell whether *path* is a CD-ROM drive of the host; False for what cannot be opened."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISBLK(os.fstat(fd).st_mode):
            return False
        fcntl.ioctl(fd, _CDROM_GET_CAPABILITY, 0)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
