"""The users that QEMU runs as: found in the system's user database, made when they are missing."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from dataclasses import dataclass

from virtup.errors import Code, Fault, VirtError
from virtup.host import tool


@dataclass(frozen=True, slots=True)
class Account:
    """A user to run a program as; ``groups`` are all its groups, ``gid`` among them."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


class AccountMissing(VirtError):
    """No such user or group, and none could be made."""

    code, fault = Code.SYSTEM_ERROR, Fault.HOST


def lookup(user: str, group: str | None = None) -> Account:
    """Find a user by name, or by number (``1000`` or ``+1000``), and its groups.

    *group* replaces its primary group. Raises AccountMissing. May ask the network when the
    host's user database does.
    """
    entry = _user(user)
    gid = entry.pw_gid if group is None else _group(group)
    groups = os.getgrouplist(entry.pw_name, gid) if entry.pw_name else [gid]
    return Account(entry.pw_name, entry.pw_uid, gid, tuple(dict.fromkeys((gid, *groups))))


def ensure(user: str, group: str | None = None) -> Account:
    """Find a user, or make it: a system user without a home, a shell or a password.

    It is made by ``useradd`` or ``adduser``, as root only, and joins the group ``kvm`` when that
    exists. A user that is there already is not changed. Raises AccountMissing, with what the
    tool said.
    """
    try:
        return lookup(user, group)
    except AccountMissing:
        if os.geteuid() != 0 or user.lstrip("+").isdecimal():
            raise
    said = _make(user)
    try:
        return lookup(user, group)
    except AccountMissing as exc:
        raise AccountMissing(f"The user '{user}' is missing and could not be made: {said}") from exc


def identity(account: Account | None) -> tuple[int, str, tuple[int, ...]]:
    """Return uid, name and groups of *account*, or, without one, of the daemon itself."""
    if account is not None:
        return account.uid, account.name, account.groups
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return uid, name, tuple(os.getgroups())


def _user(user: str) -> pwd.struct_passwd:
    number = user.removeprefix("+")
    try:
        if number != user or number.isdecimal():
            return pwd.getpwuid(int(number))
        return pwd.getpwnam(user)
    except (KeyError, ValueError, OverflowError) as exc:
        raise AccountMissing(f"The user '{user}' does not exist on this host.") from exc


def _group(group: str) -> int:
    number = group.removeprefix("+")
    try:
        if number != group or number.isdecimal():
            return grp.getgrgid(int(number)).gr_gid
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError, OverflowError) as exc:
        raise AccountMissing(f"The group '{group}' does not exist on this host.") from exc


def _make(user: str) -> str:
    """Try the tools of this host, one after the other; return what the last one said."""
    said = "neither 'useradd' nor 'adduser' is installed"
    for steps in (_useradd(user), _adduser(user)):
        path = shutil.which(steps[0][0], path=tool.SBIN)
        if path is None:
            continue
        said = next(filter(None, (tool.said_by(*step) for step in steps)), "")
        if not said:
            break
    return said


def _useradd(user: str) -> list[tuple[str, ...]]:
    join = ("--groups", "kvm") if _has_group("kvm") else ()
    own = ("--gid", user) if _has_group(user) else ("--user-group",)
    nothing = ("--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", _shell())
    return [("useradd", *nothing, *own, *join, "--", user)]


def _adduser(user: str) -> list[tuple[str, ...]]:
    """BusyBox's: it has no long options and makes the user's group by itself."""
    steps = [("adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", _shell(), user)]
    return [*steps, ("addgroup", user, "kvm")] if _has_group("kvm") else [*steps]


def _shell() -> str:
    return "/usr/sbin/nologin" if os.path.exists("/usr/sbin/nologin") else "/bin/false"


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
