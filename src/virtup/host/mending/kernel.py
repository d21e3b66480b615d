"""Repairs of what the kernel holds until the next boot, and of who is in which group."""

from __future__ import annotations

import grp
import os

from virtup.host import tap
from virtup.host.mending.outcome import CannotRepair, ChangedSince, NotNeeded, State
from virtup.host.node import boot_id
from virtup.host.tool import said_by
from virtup.model.repair import JoinGroup, LoadModule, MakeTap, ReserveHugePages


class ModuleLoading:
    """`LoadModule`."""

    def survey(self, repair: LoadModule) -> State:
        """Check that the module is not there."""
        if _loaded(repair.name):
            raise NotNeeded(f"the module '{repair.name}' is loaded already")
        return {"boot": boot_id()}

    def do(self, repair: LoadModule, _before: State) -> State:
        """Load it."""
        words = said_by("modprobe", repair.name)
        if words:
            raise CannotRepair(f"cannot load the module '{repair.name}': {words}")
        return {}

    def undo(self, repair: LoadModule, before: State, _after: State) -> None:
        """Unload it, if this is the boot that it was loaded in."""
        if before["boot"] != boot_id() or not _loaded(repair.name):
            return
        words = said_by("modprobe", "-r", repair.name)
        if words:
            raise ChangedSince(f"the module '{repair.name}' is in use by now: {words}")


def _loaded(name: str) -> bool:
    return os.path.isdir(f"/sys/module/{name.replace('-', '_')}")


class HugePageReserving:
    """`ReserveHugePages`."""

    def survey(self, repair: ReserveHugePages) -> State:
        """Return the size of the pool."""
        now = _pool(repair)
        if now >= repair.count:
            raise NotNeeded(f"the pool has {now} pages already")
        return {"pages": now, "boot": boot_id()}

    def do(self, repair: ReserveHugePages, before: State) -> State:
        """Have the kernel make the pool larger; where it cannot, the pool is as it was."""
        _set_pool(repair, repair.count)
        got = _pool(repair)
        if got < repair.count:
            _set_pool(repair, before["pages"])
            raise CannotRepair(
                f"the kernel made {got} of {repair.count} huge pages of {repair.size_kib} KiB: "
                "free memory is short or in pieces too small; reserve them at boot"
            )
        return {}

    def undo(self, repair: ReserveHugePages, before: State, _after: State) -> None:
        """Make the pool as small as it was."""
        now = _pool(repair)
        if before["boot"] != boot_id() or now == before["pages"]:
            return
        if now != repair.count:
            raise ChangedSince(f"the pool was changed since: it has {now} pages")
        _set_pool(repair, before["pages"])
        if _pool(repair) != before["pages"]:
            raise CannotRepair(f"{_pool(repair)} of the huge pages are in use: they stay")


def _pool(repair: ReserveHugePages) -> int:
    try:
        with open(repair.file, encoding="ascii") as file:
            return int(file.read())
    except OSError as error:
        raise CannotRepair(
            f"this kernel has no huge pages of {repair.size_kib} KiB: {error.strerror}"
        ) from error


def _set_pool(repair: ReserveHugePages, count: int) -> None:
    try:
        fd = os.open(repair.file, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, f"{count}\n".encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise CannotRepair(f"cannot write '{repair.file}': {error.strerror}") from error


class TapMaking:
    """`MakeTap`."""

    def survey(self, repair: MakeTap) -> State:
        """Check that the name is free."""
        if tap.exists(repair.name):
            raise NotNeeded(f"the interface '{repair.name}' is there already")
        return {"boot": boot_id()}

    def do(self, repair: MakeTap, _before: State) -> State:
        """Make it, and have it stay."""
        try:
            tap.make_lasting(repair.name, repair.uid)
        except tap.TapError as error:
            raise CannotRepair(error.message) from error
        return {}

    def undo(self, repair: MakeTap, before: State, _after: State) -> None:
        """Remove it, if it is still that tap and nobody uses it."""
        if before["boot"] != boot_id() or not tap.exists(repair.name):
            return
        if tap.owner(repair.name) != repair.uid:
            raise ChangedSince(f"the interface '{repair.name}' is another one by now")
        try:
            tap.remove_lasting(repair.name)
        except tap.TapError as error:
            raise ChangedSince(f"the tap '{repair.name}' is in use: {error.message}") from error


class GroupJoining:
    """`JoinGroup`."""

    def survey(self, repair: JoinGroup) -> State:
        """Check that the group is there and the account not in it."""
        if repair.user in _members(repair.group):
            raise NotNeeded(f"'{repair.user}' is in the group '{repair.group}' already")
        return {}

    def do(self, repair: JoinGroup, _before: State) -> State:
        """Join."""
        words = said_by("usermod", "-aG", repair.group, repair.user)
        if words:
            raise CannotRepair(f"cannot put '{repair.user}' into '{repair.group}': {words}")
        return {}

    def undo(self, repair: JoinGroup, _before: State, _after: State) -> None:
        """Leave, if the account is still in it."""
        if repair.user not in _members(repair.group):
            return
        words = said_by("gpasswd", "-d", repair.user, repair.group)
        if words:
            raise CannotRepair(f"cannot take '{repair.user}' out of '{repair.group}': {words}")


def _members(group: str) -> list[str]:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError as error:
        raise CannotRepair(f"there is no group '{group}'") from error
