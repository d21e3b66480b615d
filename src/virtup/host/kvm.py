"""Whether QEMU's user can use /dev/kvm here."""

from __future__ import annotations

import errno
import os
import stat
import struct
from enum import Enum

from virtup.host.accounts import Account

DEVICE = "/dev/kvm"

_ACL_VERSION = 2
_ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK = 2, 4, 8, 16
_WANTED = 6


class KvmState(Enum):
    """What stands between a user and KVM, if anything."""

    USABLE = "usable"
    MISSING = "missing"
    NOT_PERMITTED = "not permitted"
    BROKEN = "broken"
    """The device is there and permitted, and the kernel does not serve it (no module, no CPU)."""


def state(account: Account | None, *, device: str = DEVICE) -> KvmState:
    """Tell whether *account* (None: the daemon's own user) can open KVM to read and write.

    Takes microseconds once the kernel's module is loaded; the first call may load it.
    """
    try:
        seen = os.stat(device)
    except (FileNotFoundError, NotADirectoryError):
        return KvmState.MISSING
    except PermissionError:
        return KvmState.NOT_PERMITTED
    if not stat.S_ISCHR(seen.st_mode):
        return KvmState.MISSING
    if account is not None and account.uid != 0 and not _permits(device, seen, account):
        return KvmState.NOT_PERMITTED
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as exc:
        denied = exc.errno in (errno.EACCES, errno.EPERM)
        return KvmState.NOT_PERMITTED if denied else KvmState.BROKEN
    return KvmState.USABLE


def _permits(path: str, seen: os.stat_result, account: Account) -> bool:
    """Tell what acl(5) says: the first entry that is about the user decides."""
    mode, groups = seen.st_mode, {account.gid, *account.groups}
    if account.uid == seen.st_uid:
        return mode >> 6 & _WANTED == _WANTED
    entries = _access_list(path)
    if not entries:
        return (mode >> 3 if seen.st_gid in groups else mode) & _WANTED == _WANTED
    mask = next((perm for tag, perm, _ in entries if tag == _ACL_MASK), 7)
    for tag, perm, number in entries:
        if tag == _ACL_USER and number == account.uid:
            return perm & mask & _WANTED == _WANTED
    matching = [
        perm & mask
        for tag, perm, number in entries
        if (tag == _ACL_GROUP_OBJ and seen.st_gid in groups)
        or (tag == _ACL_GROUP and number in groups)
    ]
    if matching:
        return any(perm & _WANTED == _WANTED for perm in matching)
    return mode & _WANTED == _WANTED


def _access_list(path: str) -> list[tuple[int, int, int]]:
    """Return the entries (tag, permissions, id) of the access list, as in ``linux/posix_acl_xattr.h``."""
    try:
        raw = os.getxattr(path, "system.posix_acl_access")
    except OSError as exc:
        if exc.errno in (errno.ENODATA, errno.ENOTSUP):
            return []
        raise
    if len(raw) < 4 or struct.unpack_from("<I", raw)[0] != _ACL_VERSION:
        return []
    return list(struct.iter_unpack("<HHI", raw[4 : 4 + (len(raw) - 4) // 8 * 8]))
