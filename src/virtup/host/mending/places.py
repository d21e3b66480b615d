"""Repairs of files and directories that are missing or in the way; nothing is deleted that holds data."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from virtup.host.disk import FileDisk, rename_durably, set_aside
from virtup.host.mending import mounts
from virtup.host.mending.outcome import (
    CannotRepair,
    ChangedSince,
    NotNeeded,
    State,
    refused_as_one_sentence,
)
from virtup.model.repair import MakeDirectory, SetFileAside


class DirectoryMaking:
    """`MakeDirectory`."""

    def survey(self, repair: MakeDirectory) -> State:
        """Return which directories will be made, and the times of the one that they are made in."""
        made = mounts.missing(repair.path)
        if not made:
            raise NotNeeded(f"the directory '{repair.path}' is there already")
        return {"made": made, "above": _times(os.path.dirname(made[0]))}

    def do(self, repair: MakeDirectory, before: State) -> State:
        """Make them; the last one gets its owner and mode."""
        mounts.make(before["made"])
        with refused_as_one_sentence(f"give '{repair.path}' its owner"):
            os.chown(repair.path, repair.uid, -1)
            os.chmod(repair.path, int(repair.mode, 8))
        return {"above": _times(os.path.dirname(before["made"][0]))}

    def undo(self, _repair: MakeDirectory, before: State, after: State) -> None:
        """Remove what was made, if it is empty."""
        above = os.path.dirname(before["made"][0])
        with _times_kept(above, before["above"], after.get("above")):
            mounts.remove(before["made"])


class SettingAside:
    """`SetFileAside`."""

    def survey(self, repair: SetFileAside) -> State:
        """Return which file it is."""
        try:
            seen = os.lstat(repair.path)
        except FileNotFoundError as error:
            raise NotNeeded(f"'{repair.path}' is not there any more") from error
        if not stat.S_ISREG(seen.st_mode):
            raise CannotRepair(f"'{repair.path}' is no regular file")
        return {"inode": seen.st_ino, "above": _times(os.path.dirname(repair.path))}

    def do(self, repair: SetFileAside, _before: State) -> State:
        """Rename it; the new name is told by the inode after a crash."""
        with refused_as_one_sentence(f"set '{repair.path}' aside"):
            name = set_aside(FileDisk(), repair.path, "set-aside")
        return {"name": name, "above": _times(os.path.dirname(repair.path))}

    def undo(self, repair: SetFileAside, before: State, after: State) -> None:
        """Give it its name back, if nobody has the name now."""
        name = after.get("name") or _named_by(repair.path, before["inode"])
        if name == repair.path:
            return
        if name is None or not os.path.lexists(name):
            raise ChangedSince(f"the file that was '{repair.path}' is gone from beside it")
        if os.path.lexists(repair.path):
            raise ChangedSince(f"there is another '{repair.path}' by now; the old one is '{name}'")
        above = os.path.dirname(repair.path)
        with (
            refused_as_one_sentence(f"rename '{name}'"),
            _times_kept(above, before["above"], after.get("above")),
        ):
            rename_durably(FileDisk(), name, repair.path)


def _named_by(path: str, inode: int) -> str | None:
    """Return the name that the file *inode* has beside *path*."""
    above = os.path.dirname(path)
    with suppress(OSError), os.scandir(above) as entries:
        return next((entry.path for entry in entries if entry.inode() == inode), None)
    return None


def _times(path: str) -> list[int]:
    try:
        seen = os.stat(path)
    except OSError as error:
        raise CannotRepair(f"cannot look at '{path}': {error.strerror}") from error
    return [seen.st_atime_ns, seen.st_mtime_ns]


@contextmanager
def _times_kept(path: str, before: list[int], made: list[int] | None) -> Iterator[None]:
    """Give the directory *path* its times of *before* back after the block.

    Only when nobody but the repair, which left it with *made*, put anything into it meanwhile.
    """
    own = made is not None and _times(path)[1] == made[1]
    yield
    if own:
        with suppress(OSError):
            os.utime(path, ns=(before[0], before[1]))
