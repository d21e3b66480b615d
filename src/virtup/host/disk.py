"""Files that survive: durable writes over a small port, so that power cuts can be modelled.

:class:`Disk` is the port (the system calls that matter), :class:`FileDisk` the host's own. What
is durable is written once, in the functions below, and proven on a disk that loses everything
that was not synced.

What "durable" promises: once the function returned, its effect survives ``kill -9``, a crash of
the kernel and a loss of power, as far as the device keeps what it was told to flush and the file
system what it was told to sync. At every moment before that, and after any error, a reader finds
the old file whole or the new one whole. Left behind by a crash, at most: a file whose name
:func:`is_leftover` knows; :func:`sweep` removes it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from typing import Protocol

_NO_SECOND_NAME = {
    *(errno.ENOENT, errno.EPERM, errno.EMLINK),
    *(errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV),
}
"""Why a file gets no second name: it is not there, or it or its file system takes none."""

_LEFTOVER_HEAD = ".virtup-"
_LEFTOVER_TAIL = ".new"


class Disk(Protocol):
    """The calls that files need. All raise OSError with errno and path, as ``os`` does."""

    def read(self, path: str) -> bytes:
        """Return a regular file's content; never waits on a FIFO, refuses what is no file."""

    def list_dir(self, path: str) -> list[str]:
        """Return the names in a directory, in no order; of a missing one, none."""

    def make_dir(self, path: str, mode: int) -> None:
        """Make a directory with exactly this mode; one that is there is left as it is."""

    def create(self, path: str, mode: int) -> int:
        """Make a new file with exactly this mode and open it to write; it must not be there."""

    def write(self, fd: int, data: memoryview) -> int:
        """Write some of *data*; return how many bytes."""

    def sync(self, fd: int) -> None:
        """Make a file's content, size, owner and mode durable; its name is not part of that."""

    def close(self, fd: int) -> None:
        """Close what :meth:`create` opened."""

    def rename(self, source: str, target: str) -> None:
        """Give *source* the name *target*, in place of what had it, at once."""

    def link(self, source: str, target: str) -> None:
        """Give the file *source* a second name, *target*, which must not be there."""

    def symlink(self, target: str, path: str) -> None:
        """Make the link *path*, which must not be there."""

    def unlink(self, path: str) -> None:
        """Remove a file or link."""

    def remove_dir(self, path: str) -> None:
        """Remove an empty directory."""

    def sync_dir(self, path: str) -> None:
        """Make the names in a directory durable."""


class FileDisk:
    """The host's file systems."""

    def read(self, path: str) -> bytes:
        """Return a regular file's content."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(fd, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            return file.readall()

    def list_dir(self, path: str) -> list[str]:
        """Return the names in a directory."""
        try:
            return os.listdir(path)
        except FileNotFoundError:
            return []

    def make_dir(self, path: str, mode: int) -> None:
        """Make a directory with exactly this mode."""
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            if os.path.isdir(path):
                return
            if os.path.islink(path):
                said = f"it is a link to '{os.readlink(path)}', which is not there"
                raise OSError(errno.ENOENT, said, path) from None
            raise
        os.chmod(path, mode)

    def create(self, path: str, mode: int) -> int:
        """Make a new file and open it to write."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags, mode)
        try:
            os.fchmod(fd, mode)
        except OSError:
            os.close(fd)
            raise
        return fd

    def write(self, fd: int, data: memoryview) -> int:
        """Write some of *data*."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Flush one file to its device."""
        os.fsync(fd)

    def close(self, fd: int) -> None:
        """Close a file."""
        os.close(fd)

    def rename(self, source: str, target: str) -> None:
        """Rename within one file system."""
        os.rename(source, target)

    def link(self, source: str, target: str) -> None:
        """Make a hard link."""
        os.link(source, target, follow_symlinks=False)

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link."""
        os.symlink(target, path)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        os.unlink(path)

    def remove_dir(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def sync_dir(self, path: str) -> None:
        """Flush a directory to its device."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as exc:
            if exc.errno != errno.EINVAL:  # some network file systems cannot, and need not
                raise
        finally:
            os.close(fd)


def write_durably(disk: Disk, path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Put *data* at *path*, durably; see the module for what that promises.

    Where *path* is a symbolic link, the link is replaced, not followed. Blocks for as long as
    the device takes. Raises OSError; then the old file is whole, unless the error came from the
    last step (the directory's sync), when it is the old or the new one.
    """
    _write(disk, path, data, mode=mode, durably=True)


def write_at_once(disk: Disk, path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Put *data* at *path* so that a reader finds the old or the new whole; nothing is synced.

    For state that does not outlive a boot: it survives ``kill -9``, not a loss of power.
    """
    _write(disk, path, data, mode=mode, durably=False)


def symlink_durably(disk: Disk, target: str, path: str) -> None:
    """Make *path* a symbolic link to *target*, durably, in place of what had the name."""
    temporary = _temporary(path)
    disk.symlink(target, temporary)
    with _removed_on_error(disk, temporary):
        disk.rename(temporary, path)
    disk.sync_dir(os.path.dirname(path))


def rename_durably(disk: Disk, source: str, target: str) -> None:
    """Give a file another name, durably; both directories are synced, the target's first."""
    disk.rename(source, target)
    disk.sync_dir(os.path.dirname(target))
    if os.path.dirname(source) != os.path.dirname(target):
        disk.sync_dir(os.path.dirname(source))


def replace_durably(disk: Disk, source: str, target: str, kept: str) -> None:
    """Give *source* the name *target* of the same directory, durably, in place of what had it.

    When this raises OSError, what had the name has it, as far as the disk lets it; what it was
    to be replaced by has its own name or none. Until then it has the second name *kept*: that
    may be left behind by a crash. A file system without second names cannot give it back.
    """
    there = _has_second_name(disk, target, kept)
    with _removed_on_error(disk, kept):
        disk.rename(source, target)
    folder = os.path.dirname(target)
    try:
        disk.sync_dir(folder)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            if there:
                disk.rename(kept, target)
            else:
                disk.unlink(target)
            disk.sync_dir(folder)
        raise
    if there:
        with contextlib.suppress(OSError):  # the new one is durable: the old may stay
            disk.unlink(kept)


def _has_second_name(disk: Disk, path: str, name: str) -> bool:
    """Give a file a second name, if there is one and it can have one; tell whether it has."""
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(name)
    try:
        disk.link(path, name)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAME:
            raise
        return False
    return True


def remove_durably(disk: Disk, path: str) -> bool:
    """Remove a file or link, durably; tell whether it was there."""
    try:
        disk.unlink(path)
    except FileNotFoundError:
        return False
    disk.sync_dir(os.path.dirname(path))
    return True


def set_aside(disk: Disk, path: str, reason: str) -> str:
    """Rename a file that cannot be used, durably, and return its new name.

    It becomes ``PATH.REASON``, or ``PATH.REASON.2`` and so on when that is taken.
    """
    folder, name = os.path.split(path)
    taken = set(disk.list_dir(folder))
    wanted = f"{name}.{reason}"
    names = itertools.chain([wanted], (f"{wanted}.{number}" for number in itertools.count(2)))
    target = os.path.join(folder, next(each for each in names if each not in taken))
    rename_durably(disk, path, target)
    return target


def is_leftover(name: str) -> bool:
    """Tell whether a file name is that of a write which a crash cut short."""
    return name.startswith(_LEFTOVER_HEAD) and name.endswith(_LEFTOVER_TAIL)


def sweep(disk: Disk, directory: str) -> int:
    """Remove what cut-short writes left in a directory; return how many.

    Only for a directory that no other process writes to: the daemon's own, under its lock.
    """
    leftovers = [name for name in disk.list_dir(directory) if is_leftover(name)]
    for name in leftovers:
        disk.unlink(os.path.join(directory, name))
    return len(leftovers)


def _write(disk: Disk, path: str, data: bytes, *, mode: int, durably: bool) -> None:
    try:
        _put(disk, path, data, mode=mode, durably=durably)
    except OSError as error:
        error.filename = path  # what was to be written; the neighbour's name says nothing
        raise


def _put(disk: Disk, path: str, data: bytes, *, mode: int, durably: bool) -> None:
    temporary = _temporary(path)
    fd = disk.create(temporary, mode)
    with _removed_on_error(disk, temporary):
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[disk.write(fd, rest) :]
            if durably:
                disk.sync(fd)
        finally:
            disk.close(fd)
        disk.rename(temporary, path)
    if durably:
        disk.sync_dir(os.path.dirname(path))


def _temporary(path: str) -> str:
    """Name a neighbour of *path*; short, as the name itself may be as long as names can be."""
    name = f"{_LEFTOVER_HEAD}{os.urandom(8).hex()}{_LEFTOVER_TAIL}"
    return os.path.join(os.path.dirname(path), name)


@contextlib.contextmanager
def _removed_on_error(disk: Disk, temporary: str) -> Iterator[None]:
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            disk.unlink(temporary)
        raise
