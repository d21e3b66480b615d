"""POSIX access lists as the kernel keeps them, and one account's entry in them.

The layout is that of ``linux/posix_acl_xattr.h``: a version, then entries of tag, bits and id.
"""

from __future__ import annotations

import errno
import os
import stat
import struct

XATTR = "system.posix_acl_access"
_VERSION = 2
_NOBODY = 0xFFFFFFFF
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_GROUP_CLASS = {USER, GROUP_OBJ, GROUP}

Entry = tuple[int, int, int]
"""Tag, bits and id of one entry."""


def read(path: str) -> bytes:
    """Return the access list of *path* as the kernel has it, empty where there is none."""
    try:
        return os.getxattr(path, XATTR)
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
            return b""
        raise


def write(path: str, raw: bytes) -> None:
    """Set the access list of *path*; one that says no more than the mode leaves the mode alone."""
    os.setxattr(path, XATTR, raw)


def minimal(mode: int) -> bytes:
    """Return the list that says what *mode* says, which takes a longer one away."""
    return _packed(_of_mode(mode))


def granting(raw: bytes, mode: int, uid: int, bits: int) -> bytes:
    """Return the list *raw*, or the one of *mode*, with *bits* and no fewer for *uid*.

    What the others may do stays what it was: where the mask held them back and has to open, they
    are held back by their own entries.
    """
    entries = _parsed(raw) or _of_mode(mode)
    mask = next((bits for tag, bits, _ in entries if tag == MASK), None)
    if mask is None:
        mask = next(bits for tag, bits, _ in entries if tag == GROUP_OBJ)
    kept = [
        (tag, own & mask if tag in _GROUP_CLASS else own, number)
        for tag, own, number in entries
        if tag != MASK and (tag, number) != (USER, uid)
    ]
    return _packed([*kept, (USER, bits, uid), (MASK, mask | bits, _NOBODY)])


def _of_mode(mode: int) -> list[Entry]:
    return [
        (USER_OBJ, mode >> 6 & 7, _NOBODY),
        (GROUP_OBJ, mode >> 3 & 7, _NOBODY),
        (OTHER, mode & 7, _NOBODY),
    ]


def _parsed(raw: bytes) -> list[Entry]:
    if len(raw) < 4 or struct.unpack_from("<I", raw)[0] != _VERSION:
        return []
    return list(struct.iter_unpack("<HHI", raw[4 : 4 + (len(raw) - 4) // 8 * 8]))


def _packed(entries: list[Entry]) -> bytes:
    ordered = sorted(entries, key=lambda entry: (entry[0], entry[2]))
    body = b"".join(struct.pack("<HHI", *entry) for entry in ordered)
    return struct.pack("<I", _VERSION) + body


def mode_of(path: str) -> int:
    """Return the permission bits of *path*."""
    return stat.S_IMODE(os.stat(path).st_mode)
