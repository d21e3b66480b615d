"""Directories that are storage pools, and the volumes in them, as the host shows them.

Nothing is remembered: what is in a directory now is what the pool has. Every look is bounded, as
a directory may be on a file server that does not answer.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from virtup.host.bounded import each_within
from virtup.host.evidence import images
from virtup.host.evidence.images import Header

T = TypeVar("T")

LOOK_S = 5.0
"""How long a file system may take to answer."""
BLOCK = 512
"""The unit of ``st_blocks``."""


@dataclass(frozen=True, slots=True)
class Space:
    """The room of a file system, in bytes."""

    capacity: int
    allocation: int
    available: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or directory, and what its header says: sizes in bytes, times in nanoseconds.

    ``backing`` is the path of the image below it, ``physical`` how long the file is.
    """

    path: str
    is_dir: bool
    format: str
    capacity: int
    allocation: int
    physical: int
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    cluster_size: int = 0
    backing: str = ""
    backing_format: str = ""

    @property
    def name(self) -> str:
        """The name in its directory."""
        return os.path.basename(self.path)


def answered(look: Callable[[], T], path: str) -> T:
    """Return what *look* does; raises its OSError, and one for *path* that gives no answer."""

    def attempt(_: str) -> T | OSError:
        try:
            return look()
        except OSError as error:
            return error

    answers = each_within([path], attempt, LOOK_S)
    if path not in answers:
        raise OSError(errno.ETIMEDOUT, f"no answer within {LOOK_S:g} s", path)
    answer = answers[path]
    if isinstance(answer, OSError):
        raise answer
    return answer


def space(path: str) -> Space:
    """Return the room of the file system that *path* is on, root's own share included, as libvirt.

    Raises OSError.
    """
    seen = os.statvfs(path)
    capacity, available = seen.f_frsize * seen.f_blocks, seen.f_frsize * seen.f_bfree
    return Space(capacity, capacity - available, available)


def open_directory(path: str) -> os.stat_result:
    """Return what kind of directory *path* is. Raises OSError for what cannot be read as one."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.fstat(number)
    finally:
        os.close(number)


def names(folder: str) -> list[str]:
    """Return the names of the files and directories in *folder*, sorted. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted(one.name for one in entries if one.is_file() or one.is_dir())


def entry(folder: str, name: str) -> Entry | None:
    """Return the file or directory *name* in *folder*; None when there is none of that name.

    Links are followed; sockets, pipes and devices are no volumes. Raises OSError.
    """
    seen = _stat(folder, name)
    if seen is None:
        return None
    path = os.path.join(folder, name)
    if stat.S_ISDIR(seen.st_mode):
        return _entry(path, seen, Header("dir", virtual_size=0), is_dir=True)
    if not stat.S_ISREG(seen.st_mode):
        return None
    try:
        return _entry(path, seen, images.read_header(path))
    except ValueError:  # no file any more
        return None


def kind(folder: str, name: str) -> Literal["file", "dir", ""]:
    """Return what *name* in *folder* is, without a look into it; "" for nothing, or no volume.

    Whoever has the file may read it where this process may not. Raises OSError.
    """
    seen = _stat(folder, name)
    if seen is not None and stat.S_ISDIR(seen.st_mode):
        return "dir"
    return "file" if seen is not None and stat.S_ISREG(seen.st_mode) else ""


def _stat(folder: str, name: str) -> os.stat_result | None:
    if not is_name(name):
        return None
    try:
        return os.stat(os.path.join(folder, name))
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_name(name: str) -> bool:
    """Tell whether *name* can be that of a file in a directory."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def _entry(path: str, seen: os.stat_result, header: Header, *, is_dir: bool = False) -> Entry:
    backing, backing_format = _below(path, header)
    return Entry(
        path=path,
        is_dir=is_dir,
        format=header.format,
        capacity=seen.st_size if header.virtual_size < 0 else header.virtual_size,
        allocation=0 if is_dir else seen.st_blocks * BLOCK,
        physical=0 if is_dir else seen.st_size,
        mode=stat.S_IMODE(seen.st_mode),
        uid=seen.st_uid,
        gid=seen.st_gid,
        atime_ns=seen.st_atime_ns,
        mtime_ns=seen.st_mtime_ns,
        ctime_ns=seen.st_ctime_ns,
        cluster_size=header.cluster_size,
        backing=backing,
        backing_format=backing_format,
    )


def _below(path: str, header: Header) -> tuple[str, str]:
    """Return path and format of the image below; none for what is no file of this host."""
    name = header.backing.removeprefix("file:")
    if not name or ":" in name.split("/", 1)[0]:
        return "", ""
    return os.path.join(os.path.dirname(path), name), header.backing_format
