"""What tells, later, whether a file is still the one that was used."""

from __future__ import annotations

import os
import stat
from typing import Any

from virtup.model.save_image import digest

HEAD_BYTES = 64 * 1024
"""How much of a disk's beginning goes into its fingerprint: a qcow2 header and its first table."""


def fingerprint(path: str) -> dict[str, Any]:
    """Return what tells whether the file at *path* is the same as at another time."""
    try:
        seen = os.stat(path)
    except OSError as error:
        return {"error": error.strerror or str(error)}
    return {
        "size": seen.st_size,
        "mtime_ns": seen.st_mtime_ns,
        "inode": seen.st_ino,
        "device": seen.st_dev,
        "mode": f"{seen.st_mode & 0o7777:04o}",
        "uid": seen.st_uid,
        "gid": seen.st_gid,
    }


def of_disk(path: str, *, sync: bool = False) -> dict[str, Any]:
    """Return the fingerprint of a guest's disk; with *sync*, after all of it is on the device.

    Size, identity and time of modification (regular files only; a block device has none that
    means anything) and a digest of the first 64 KiB. Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if sync:
            os.fsync(fd)
        seen = os.fstat(fd)
        head = digest(os.pread(fd, HEAD_BYTES, 0)).hex()
        if stat.S_ISREG(seen.st_mode):
            return {
                "size": seen.st_size,
                "mtime_ns": seen.st_mtime_ns,
                "inode": seen.st_ino,
                "head": head,
            }
        return {"size": os.lseek(fd, 0, os.SEEK_END), "head": head}
    finally:
        os.close(fd)


_WORDS = {
    "size": "its size",
    "mtime_ns": "its time of modification",
    "inode": "the file itself (it was replaced)",
    "head": "its first 64 KiB",
}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words what of a disk's fingerprint differs; empty when nothing does."""
    return [
        word for name, word in _WORDS.items() if name in before and before[name] != now.get(name)
    ]
