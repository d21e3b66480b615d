"""Repairs of who may use a file: one entry of its access list, or bits of its mode.

The file is held by a descriptor while it is changed, so that another that takes its name is not.
Owner, times and the default list of a directory are not touched.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from virtup.host import accounts
from virtup.host.accounts import AccountMissing
from virtup.host.evidence import paths
from virtup.host.mending import access_list
from virtup.host.mending.mounts import writable_view
from virtup.host.mending.outcome import (
    CannotRepair,
    ChangedSince,
    NotNeeded,
    State,
    refused_as_one_sentence,
)
from virtup.model.repair import GrantAccess, SetMode

_BITS = {"r": 4, "w": 2, "x": 1}


class Granting:
    """`GrantAccess`."""

    def survey(self, repair: GrantAccess) -> State:
        """Return list and mode as they are and as they are to be."""
        with _held(repair.path) as itself, refused_as_one_sentence(f"look at '{repair.path}'"):
            seen = os.stat(itself)
            if repair.uid in {seen.st_uid, 0}:
                raise CannotRepair(
                    f"'{repair.path}' belongs to uid {repair.uid}: an access list cannot give its "
                    "owner anything"
                )
            raw, mode = access_list.read(itself), stat.S_IMODE(seen.st_mode)
            now = paths.granted(itself, _who(repair.uid))
            wanted = now | sum(_BITS[letter] for letter in repair.letters if letter != "-")
            if wanted == now:
                raise NotNeeded(f"'{repair.path}' is open to the account already")
            after = access_list.granting(raw, mode, repair.uid, wanted)
        before = {"inode": seen.st_ino, "mode": mode, "list": raw.hex()}
        return {**before, "wanted": after.hex()}

    def do(self, repair: GrantAccess, before: State) -> State:
        """Set the list that the survey planned."""
        with _held(repair.path, repair.readonly) as itself, _refusals(repair.path):
            _same(itself, repair.path, before)
            access_list.write(itself, bytes.fromhex(before["wanted"]))
            return {"mode": access_list.mode_of(itself)}

    def undo(self, repair: GrantAccess, before: State, after: State) -> None:
        """Put list and mode back, if both are as they were made."""
        with _held(repair.path, repair.readonly) as itself, _refusals(repair.path):
            _same(itself, repair.path, before)
            now = access_list.read(itself).hex()
            if now == before["list"] and access_list.mode_of(itself) == before["mode"]:
                return
            mode = after.get("mode", access_list.mode_of(itself))
            if now != before["wanted"] or access_list.mode_of(itself) != mode:
                raise ChangedSince(f"mode or access list of '{repair.path}' were changed since")
            old = bytes.fromhex(before["list"])
            access_list.write(itself, old or access_list.minimal(before["mode"]))
            if access_list.mode_of(itself) != before["mode"]:
                os.chmod(itself, before["mode"])


class ModeSetting:
    """`SetMode`."""

    def survey(self, repair: SetMode) -> State:
        """Return the mode as it is and as it is to be."""
        with _held(repair.path) as itself, refused_as_one_sentence(f"look at '{repair.path}'"):
            seen = os.stat(itself)
        mode = stat.S_IMODE(seen.st_mode)
        if mode | _added(repair.add) == mode:
            raise NotNeeded(f"the mode of '{repair.path}' has {repair.add} already")
        return {"inode": seen.st_ino, "mode": mode, "wanted": mode | _added(repair.add)}

    def do(self, repair: SetMode, before: State) -> State:
        """Set the mode that the survey planned."""
        with _held(repair.path) as itself, _refusals(repair.path):
            _same(itself, repair.path, before)
            os.chmod(itself, before["wanted"])
        return {}

    def undo(self, repair: SetMode, before: State, _after: State) -> None:
        """Put the mode back, if it is as it was made."""
        with _held(repair.path) as itself, _refusals(repair.path):
            _same(itself, repair.path, before)
            now = access_list.mode_of(itself)
            if now == before["mode"]:
                return
            if now != before["wanted"]:
                raise ChangedSince(f"the mode of '{repair.path}' was changed since")
            os.chmod(itself, before["mode"])


def _added(spec: str) -> int:
    """Return the bits of ``u+rx`` or ``a+x``."""
    who, _, letters = spec.partition("+")
    bits = sum(_BITS[letter] for letter in letters)
    return bits << 6 if who == "u" else bits << 6 | bits << 3 | bits


def _who(uid: int) -> paths.Who:
    try:
        account = accounts.lookup(f"+{uid}")
    except AccountMissing:
        return paths.Who(uid, ())
    return paths.Who(uid, account.groups)


@contextmanager
def _held(path: str, readonly: str = "") -> Iterator[str]:
    """Hold the file at *path*, links not followed; yield the name that leads to it and no other."""
    with refused_as_one_sentence(f"open '{path}'"):
        fd = writable_view(path) if readonly else _opened(path)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def _opened(path: str) -> int:
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    if stat.S_ISLNK(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ELOOP, "it is a symbolic link", path)
    return fd


def _same(itself: str, path: str, before: State) -> None:
    if os.stat(itself).st_ino != before["inode"]:
        raise ChangedSince(f"'{path}' is another file by now")


@contextmanager
def _refusals(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        words = {
            errno.EOPNOTSUPP: f"the file system of '{path}' has no access lists: "
            "let the account in by owner or group",
            errno.EROFS: f"'{path}' is on a file system that is read-only",
            errno.EPERM: f"the file system of '{path}' does not let virtup change it",
        }
        told = words.get(error.errno or 0, f"cannot change '{path}': {error.strerror}")
        raise CannotRepair(told) from error
