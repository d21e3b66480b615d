"""Files of storage pools made, resized and removed; ``qemu-img`` does what is not raw."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field

from virtup.errors import OperationFailed
from virtup.host import tool

FORMATS = ("raw", "qcow2")
"""What is made."""
MAKE_S = 3600.0
"""How long the making of an image may take: space is set aside where that is asked for."""
DIRECTORY_MODE, FILE_MODE = 0o711, 0o600
"""The modes that libvirt gives where none is asked for."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Mode and owner of what is made; None for the default, -1 for the daemon's own user."""

    mode: int | None = None
    uid: int = -1
    gid: int = -1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A new image; sizes in bytes. ``options`` are those of ``qemu-img create -o``."""

    path: str
    format: str
    capacity: int
    allocation: int
    owner: Owner = Owner()
    backing: str = ""
    backing_format: str = ""
    options: tuple[str, ...] = field(default=())


def make(wanted: Wanted) -> None:
    """Make a new image, whole or not at all; one that is there is left and raises FileExistsError.

    Raises OSError, and OperationFailed with what ``qemu-img`` said.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    number = os.open(wanted.path, flags, FILE_MODE)
    try:
        if wanted.format == "raw":
            os.ftruncate(number, wanted.capacity)
            if wanted.allocation:
                os.posix_fallocate(number, 0, min(wanted.allocation, wanted.capacity))
        else:
            _make_by_qemu_img(wanted)
        _give(number, wanted.owner, FILE_MODE)
        os.fsync(number)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(wanted.path)
        raise
    finally:
        os.close(number)
    _sync(os.path.dirname(wanted.path))


def make_directory(path: str, owner: Owner) -> None:
    """Make a directory and those above it that are missing; one that is there gets *owner* alone.

    Those above are root's, mode 0755. Raises OSError.
    """
    parent = os.path.dirname(path)
    if parent != "/" and not os.path.isdir(parent):
        make_directory(parent, Owner(mode=0o755))
    there = os.path.isdir(path)
    if not there:
        os.mkdir(path, 0o700)
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _give(number, owner, None if there else DIRECTORY_MODE)
    finally:
        os.close(number)


def resize(path: str, format: str, capacity: int, *, shrink: bool) -> None:
    """Give an image another size, in bytes; raises OperationFailed with qemu-img's words."""
    options = ["--shrink"] if shrink else []
    words = tool.said_by(
        "qemu-img", "resize", "-q", *options, "-f", format, path, str(capacity), limit_s=MAKE_S
    )
    if words:
        raise OperationFailed(f"cannot change the size of '{path}': {_last(words)}")


def set_aside(path: str, allocation: int) -> None:
    """Have the first *allocation* bytes of a raw image on the disk. Raises OSError."""
    number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(number, 0, allocation)
    finally:
        os.close(number)


def remove(path: str) -> None:
    """Remove a file, a link or an empty directory. Raises OSError."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        os.rmdir(path)
    else:
        os.unlink(path)
    _sync(os.path.dirname(path))


def _make_by_qemu_img(wanted: Wanted) -> None:
    arguments = ["create", "-q", "-f", wanted.format]
    if wanted.backing:
        arguments += ["-b", wanted.backing, "-F", wanted.backing_format]
    if wanted.options:
        arguments += ["-o", ",".join(wanted.options)]
    words = tool.said_by("qemu-img", *arguments, wanted.path, str(wanted.capacity), limit_s=MAKE_S)
    if words:
        raise OperationFailed(f"cannot make '{wanted.path}': {_last(words)}")


def _last(words: str) -> str:
    """Return the last line of what a tool said: hints stand before it."""
    return words.strip().splitlines()[-1].removeprefix("qemu-img: ")


def _give(number: int, owner: Owner, default: int | None) -> None:
    """Give an open file its owner and mode; a mode of None with a *default* of None stays."""
    if owner.uid >= 0 or owner.gid >= 0:
        os.fchown(number, owner.uid, owner.gid)
    mode = default if owner.mode is None else owner.mode
    if mode is not None:
        os.fchmod(number, mode)


def _sync(folder: str) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
