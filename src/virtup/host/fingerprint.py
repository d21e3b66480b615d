"""What tells, later, whether a file is still the one that was used."""

from __future__ import annotations

import os
from typing import Any


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
