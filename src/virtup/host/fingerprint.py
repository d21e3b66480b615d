"""What tells, later, whether a file is still the one that was used."""

from __future__ import annotations

import os
import stat
from typing import Any

from virtup.host.evidence import images, paths
from virtup.model.save_image import digest

HEAD_BYTES = 64 * 1024
"""How much of a disk's beginning goes into its fingerprint: a qcow2 header and its first table."""

ENTRIES_MAX = 32
"""How many entries of an access list are told."""

_ACL_USER, _ACL_GROUP, _ACL_MASK = 0x02, 0x08, 0x10
"""Tags of ``linux/posix_acl.h``."""


def fingerprint(path: str, *, use: str = "file", write: bool = False) -> dict[str, Any]:
    """Return what tells, at another time, what has become of the file at *path*.

    *use* is what it is to the guest (``disk``, ``file``, ``emulator``, ``directory``, ``device``),
    *write* whether QEMU writes to it; both are in the answer. ``real`` is where links lead, ``acl``
    the access list beyond the mode, ``label`` SELinux's; of a disk ``image`` has the essentials of
    its header, and of what is written to ``free_kib`` the room on its file system. A file that
    cannot be looked at has ``error`` in place of all that. Waits for the file system.
    """
    told: dict[str, Any] = {"use": use, "write": write}
    try:
        seen = os.stat(path)
        told |= _of_inode(path, seen)
        if write or use == "directory":
            room = os.statvfs(path)
            told["read_only"] = bool(room.f_flag & os.ST_RDONLY)
            if stat.S_ISREG(seen.st_mode):
                told["free_kib"] = room.f_bavail * room.f_frsize // 1024
    except OSError as error:
        return told | {"error": error.strerror or str(error)}
    if use == "disk":
        told["image"] = _of_header(path)
    return told


def _of_inode(path: str, seen: os.stat_result) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": paths.kind_of(seen.st_mode),
        "size": seen.st_size,
        "mtime_ns": seen.st_mtime_ns,
        "inode": seen.st_ino,
        "device": seen.st_dev,
        "mode": f"{seen.st_mode & 0o7777:04o}",
        "uid": seen.st_uid,
        "gid": seen.st_gid,
    }
    real = os.path.realpath(path)
    more = {"real": real if real != path else "", "acl": _access_list(path), "label": _label(path)}
    return told | {name: value for name, value in more.items() if value}


def _access_list(path: str) -> str:
    """Return the named entries of an access list and its mask, as getfacl writes them."""
    shown = []
    for tag, bits, number in paths.access_list(path):
        mode = "".join(
            letter if bits >> at & 1 else "-" for letter, at in zip("rwx", (2, 1, 0), strict=True)
        )
        if tag == _ACL_USER:
            shown.append(f"user:{paths.user_name(number)}:{mode}")
        elif tag == _ACL_GROUP:
            shown.append(f"group:{paths.group_name(number)}:{mode}")
        elif tag == _ACL_MASK:
            shown.append(f"mask::{mode}")
    return ",".join(shown[:ENTRIES_MAX])


def _label(path: str) -> str:
    try:
        return os.getxattr(path, "security.selinux").rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return ""


def _of_header(path: str) -> dict[str, Any]:
    """Return what an image's header says of it, without what it does not say."""
    try:
        header = images.read_header(path)
    except (OSError, ValueError) as error:
        return {"error": str(error)}
    said = {
        "format": header.format,
        "virtual_size": header.virtual_size if header.virtual_size >= 0 else None,
        "backing": header.backing,
        "backing_format": header.backing_format,
        "data_file": header.data_file,
        "corrupt": header.corrupt,
        "truncated": header.truncated,
    }
    return {name: value for name, value in said.items() if value not in ("", None, False)}


def of_disk(path: str, *, sync: bool = False) -> dict[str, Any]:
    """Return the fingerprint of a guest's disk; with *sync*, after all of it is on the device.

    Size, identity and time of modification (regular files only; a block device has none that
    means anything) and a digest of the first 64 KiB. Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if sync:
            os.fsync(fd)
        seen = os.fstat(fd)
        head = digest(os.pread(fd, HEAD_BYTES, 0)).hex()
        if stat.S_ISREG(seen.st_mode):
            return {
                "size": seen.st_size,
                "mtime_ns": seen.st_mtime_ns,
                "inode": seen.st_ino,
                "head": head,
            }
        return {"size": os.lseek(fd, 0, os.SEEK_END), "head": head}
    finally:
        os.close(fd)


_WORDS = {
    "size": "its size",
    "mtime_ns": "its time of modification",
    "inode": "the file itself (it was replaced)",
    "head": "its first 64 KiB",
}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words what of a disk's fingerprint differs; empty when nothing does."""
    return [
        word for name, word in _WORDS.items() if name in before and before[name] != now.get(name)
    ]
