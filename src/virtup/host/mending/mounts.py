"""Repairs of mounts, and a way past a read-only one that leaves it as it is."""

from __future__ import annotations

import ctypes
import errno
import os

from virtup.host.evidence.paths import mounts
from virtup.host.mending.outcome import CannotRepair, ChangedSince, NotNeeded, State
from virtup.host.tool import said_by
from virtup.model.repair import MountHugePages, RemountWritable

_OPEN_TREE, _MOUNT_SETATTR = 428, 442
"""System calls whose numbers are the same on every architecture (Linux 5.2 and 5.12)."""
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = -100, 0x100, 0x1000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_MOUNT_ATTR_RDONLY = 1


class _MountAttr(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")
    )


def writable_view(path: str) -> int:
    """Return a descriptor of *path* by a mount of its own that may be written to.

    The mount that *path* lies under stays read-only, and the view is gone with the descriptor.
    Raises OSError: EROFS is later what the file system itself says when it is read-only.
    """
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_SYMLINK_NOFOLLOW
    fd = _call(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)
    attr = _MountAttr(attr_clr=_MOUNT_ATTR_RDONLY)
    try:
        size = ctypes.sizeof(attr)
        _call(_MOUNT_SETATTR, fd, b"", _AT_EMPTY_PATH, ctypes.byref(attr), size)
    except OSError:
        os.close(fd)
        raise
    return fd


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    done = int(libc.syscall(ctypes.c_long(number), *arguments))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return done


class Remounting:
    """`RemountWritable`."""

    def survey(self, repair: RemountWritable) -> State:
        """Return the mount's options as they are."""
        own, whole = _options(repair.point)
        if "ro" not in own and "ro" not in whole:
            raise NotNeeded(f"'{repair.point}' is mounted writable already")
        return {"own": own, "whole": "ro" in whole}

    def do(self, repair: RemountWritable, before: State) -> State:
        """Have the mount, and its file system where that is read-only, take writes."""
        if before["whole"]:
            _remount(repair.point, "remount,rw")
        if "ro" in before["own"] and "ro" in _options(repair.point)[0]:
            _remount(repair.point, _bound(before["own"], "rw"))
        return {}

    def undo(self, repair: RemountWritable, before: State, _after: State) -> None:
        """Put read-only back what was."""
        own, whole = _options(repair.point)
        if "ro" in before["own"] and "ro" not in own:
            _remount(repair.point, _bound(before["own"], "ro"))
        if before["whole"] and "ro" not in whole:
            _remount(repair.point, "remount,ro")


def _bound(options: list[str], how: str) -> str:
    """Return the options of a remount of the mount alone: what is not named would be lost."""
    return ",".join(["remount", "bind", how, *(one for one in options if one not in {"ro", "rw"})])


def _remount(point: str, options: str) -> None:
    words = said_by("mount", "-o", options, point)
    if words:
        raise CannotRepair(f"cannot remount '{point}': {words}")


def _options(point: str) -> tuple[list[str], list[str]]:
    """Return the options of the mount on top at *point* and those of its file system."""
    found: tuple[list[str], list[str]] | None = None
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            fields, after = left.split(), right.split()
            if len(fields) > 5 and len(after) > 2 and _unescaped(fields[4]) == point:
                found = fields[5].split(","), after[2].split(",")
    if found is None:
        raise CannotRepair(f"nothing is mounted at '{point}'")
    return found


def _unescaped(field: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


class HugePageMounting:
    """`MountHugePages`."""

    def survey(self, repair: MountHugePages) -> State:
        """Return which directories will have to be made."""
        if any(point == repair.path and kind == "hugetlbfs" for point, kind, _ in mounts()):
            raise NotNeeded(f"hugetlbfs is mounted at '{repair.path}' already")
        return {"made": missing(repair.path)}

    def do(self, repair: MountHugePages, before: State) -> State:
        """Make the directory and mount."""
        make(before["made"])
        words = said_by("mount", "-t", "hugetlbfs", "-o", repair.option, "hugetlbfs", repair.path)
        if words:
            remove(before["made"])
            raise CannotRepair(f"cannot mount hugetlbfs at '{repair.path}': {words}")
        return {}

    def undo(self, repair: MountHugePages, before: State, _after: State) -> None:
        """Unmount, if nobody uses it, and remove what was made for it."""
        if any(point == repair.path and kind == "hugetlbfs" for point, kind, _ in mounts()):
            words = said_by("umount", repair.path)
            if words:
                raise ChangedSince(f"'{repair.path}' is in use by now: {words}")
        remove(before["made"])


def missing(path: str) -> list[str]:
    """Return the directories that have to be made for *path* to be one, the outermost first."""
    found: list[str] = []
    here = os.path.abspath(path)
    while not os.path.lexists(here):
        found.insert(0, here)
        here = os.path.dirname(here)
    if not os.path.isdir(here):
        raise CannotRepair(f"'{here}' is no directory")
    return found


def make(directories: list[str]) -> None:
    """Make *directories*, outermost first, mode 0755; all or none."""
    for at, path in enumerate(directories):
        try:
            os.mkdir(path, 0o755)
            os.chmod(path, 0o755)  # noqa: S103 - what is above a guest's directory is for all to pass
        except OSError as error:
            remove(directories[:at])
            raise CannotRepair(f"cannot make the directory '{path}': {error.strerror}") from error


def remove(directories: list[str]) -> None:
    """Remove *directories*, innermost first; raises ChangedSince when one has something in it."""
    for path in reversed(directories):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR}:
                raise ChangedSince(f"'{path}' is in use by now: {error.strerror}") from error
            raise CannotRepair(f"cannot remove '{path}': {error.strerror}") from error
