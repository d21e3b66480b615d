"""The small files in which the kernel and its daemons tell what they are: /proc, /sys, /etc, /run.

All looking goes below `ROOT`, which is the host's own; what is not there or may not be read is
empty, for a probe tells what it saw and does not fail.
"""

from __future__ import annotations

import os

ROOT = "/"
READ_MAX = 1 << 20


def at(path: str) -> str:
    """Return where *path* (absolute) is looked for."""
    return os.path.join(ROOT, path.lstrip("/"))


def read(path: str, most: int = READ_MAX) -> str:
    """Return the text of *path*, at most *most* bytes of it, ``""`` when it cannot be read."""
    try:
        number = os.open(at(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        with open(number, encoding="utf-8", errors="replace", closefd=False) as file:
            return file.read(most)
    except OSError:
        return ""
    finally:
        os.close(number)


def value(path: str) -> str:
    """Return the text of *path* without white space around it."""
    return read(path, 1 << 16).strip()


def exists(path: str) -> bool:
    """Is there anything at *path*?"""
    return os.path.lexists(at(path))


def listed(path: str) -> list[str]:
    """Return the names in the directory *path* in order, none when it cannot be read."""
    try:
        return sorted(os.listdir(at(path)))
    except OSError:
        return []


def link_name(path: str) -> str:
    """Return the last name that the symbolic link *path* leads to, ``""`` when it is none."""
    try:
        return os.path.basename(os.readlink(at(path)))
    except OSError:
        return ""
