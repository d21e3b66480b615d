"""What keeps an account from a file: each component of the path, by mode bits and access lists.

The walk is the kernel's (symbolic links resolved, acl(5)'s order of entries), done for an account
that need not be ours. It sees no security module and no file server's own rules.
"""

from __future__ import annotations

import difflib
import errno
import fcntl
import grp
import itertools
import os
import pwd
import stat
import struct
from dataclasses import dataclass, replace

from virtup.model.probe import PathAccess, PathFact

LINKS_MAX = 40
ENTRIES_MAX = 4096
READ, WRITE, EXECUTE = 4, 2, 1
_ACL = "system.posix_acl_access"
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_GET_FLAGS = 0x80086601 if struct.calcsize("l") == 8 else 0x80046601
"""FS_IOC_GETFLAGS of ioctl_iflags(2)."""
_FROZEN = ((0x10, "immutable"), (0x20, "append-only"))
_OURS = frozenset([errno.EMFILE, errno.ENFILE, errno.ENOMEM])
"""Errors that tell of the process that looks."""
_PROTECTED_LINKS = "/proc/sys/fs/protected_symlinks"
_BITS = {"search": EXECUTE, "read": READ, "write": READ | WRITE, "execute": READ | EXECUTE}


@dataclass(frozen=True, slots=True)
class Who:
    """An account as permission checks see it."""

    uid: int
    gids: tuple[int, ...]


class _Stop(Exception):
    """The walk ended early; ``fact`` says where."""

    def __init__(self, fact: PathFact) -> None:
        super().__init__(fact)
        self.fact = fact


def path_access(probe: PathAccess) -> PathFact:
    """Walk to ``probe.path`` as its account and return what was found."""
    uid = os.getuid() if probe.uid is None else probe.uid
    who = Who(uid, probe.gids or ((os.getgid(),) if probe.uid is None else ()))
    path = os.path.join(probe.base, probe.path)
    try:
        if probe.need == "create":
            return _creatable(path, who)
        return _final(_walk(path, who), who, probe.need)
    except _Stop as stop:
        return stop.fact
    except OSError as error:
        if error.errno in _OURS:
            raise  # nothing was seen of the path
        closed = _private_mount(path, who) if error.errno == errno.EACCES else None
        return closed or PathFact(error=os.strerror(error.errno or errno.EIO))


def may(path: str, who: Who, bits: int) -> bool:
    """May *who* use *path* with *bits* (read 4, write 2, execute or search 1) by modes and lists?"""
    return _missing(path, who, bits) == 0


def granted(path: str, who: Who) -> int:
    """Return all the bits that *who* has on *path*, whichever of the entries gives them."""
    found = 0
    for bits in _grants(path, os.stat(path), who):
        found |= bits
    return found


def _walk(path: str, who: Who) -> str:
    """Return *path* without symbolic links; raise _Stop where *who* cannot go on."""
    pending = _pieces(path)[::-1]
    here = "/"
    links = 0
    link = ""
    while pending:
        piece = pending.pop()
        if piece == "..":
            here = os.path.dirname(here)
            continue
        _search(here, who, path)
        step = os.path.join(here, piece)
        try:
            info = os.lstat(step)
        except FileNotFoundError:
            near = _nearby(here, piece, pending)
            absent = PathFact(missing=step, nearby=near, link=link, unmounted=_unmounted(step))
            raise _Stop(absent) from None
        except PermissionError:
            raise _Stop(_blocked(here, "search")) from None
        if stat.S_ISLNK(info.st_mode):
            links += 1
            if links > LINKS_MAX:
                raise _Stop(PathFact(loop=step))
            if not _may_follow(here, info, who):
                guarded = replace(_described(here), blocked=step, lacks="search")
                raise _Stop(replace(guarded, guarded="sticky link"))
            target, link = os.readlink(step), step
            here = "/" if target.startswith("/") else here
            pending.extend(_pieces(target)[::-1])
            continue
        if pending and not stat.S_ISDIR(info.st_mode):
            raise _Stop(PathFact(not_directory=step))
        here = step
    return here


def _unmounted(path: str) -> str:
    """Return the mount point of fstab(5) that *path* lies on, if nothing is mounted there."""
    try:
        with open("/etc/fstab", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return ""
    points = [words[1] for words in lines if len(words) > 1 and words[0][:1] != "#"]
    around = [one for one in points if f"{path}/".startswith(f"{one.rstrip('/')}/")]
    nearest = max(around, key=len, default="/")
    return "" if nearest in {point for point, _, _ in mounts()} else nearest


def _pieces(path: str) -> list[str]:
    return [piece for piece in path.split("/") if piece not in {"", "."}]


def _search(directory: str, who: Who, _path: str) -> None:
    if not may(directory, who, EXECUTE):
        masked = _is_masked(directory, who, EXECUTE)
        raise _Stop(replace(_blocked(directory, "search"), masked=masked))


def _blocked(path: str, lacks: str) -> PathFact:
    return replace(_described(path), blocked=path, lacks=lacks)


def _may_follow(directory: str, link: os.stat_result, who: Who) -> bool:
    """May *who* follow a link in *directory*?  (``fs.protected_symlinks`` of proc_sys_fs(5))"""
    try:
        with open(_PROTECTED_LINKS, encoding="ascii") as file:
            protected = file.read().strip() != "0"
    except OSError:
        return True
    around = os.stat(directory)
    shared = around.st_mode & (stat.S_ISVTX | stat.S_IWOTH) == stat.S_ISVTX | stat.S_IWOTH
    return not (protected and shared) or link.st_uid in {who.uid, around.st_uid}


def _private_mount(path: str, who: Who) -> PathFact | None:
    """Return what closes a FUSE mount to all but the user who made it (mount.fuse(8))."""
    at, kind = mount_of(path)
    options = next((words for point, _, words in reversed(mounts()) if point == at), "").split(",")
    mine = f"user_id={who.uid}" in options
    if not kind.startswith("fuse") or "allow_other" in options or mine:
        return None
    owner = next((one.partition("=")[2] for one in options if one.startswith("user_id=")), "0")
    return PathFact(
        exists=True,
        blocked=at,
        lacks="search",
        owner=user_name(int(owner)),
        filesystem=kind,
        guarded="private mount",
    )


def _frozen(path: str) -> str:
    """Return the attribute that keeps everybody from changing a file or directory (chattr(1))."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(number, _GET_FLAGS, bytes(struct.calcsize("l"))))
    except OSError:
        return ""  # its file system has no such attributes
    finally:
        os.close(number)
    return next((name for bit, name in _FROZEN if flags & bit), "")


def _described(path: str) -> PathFact:
    info = os.stat(path)
    fact = PathFact(
        exists=True,
        kind=kind_of(info.st_mode),
        owner=user_name(info.st_uid),
        group=group_name(info.st_gid),
        mode=f"{stat.S_IMODE(info.st_mode):04o}",
        acl=bool(access_list(path)),
        size=info.st_size,
        target=path,
    )
    return _mounted(path, fact)


def _mounted(path: str, fact: PathFact) -> PathFact:
    numbers = os.statvfs(path)
    point, kind = mount_of(path)
    return replace(
        fact,
        filesystem=kind,
        readonly=point if numbers.f_flag & os.ST_RDONLY else "",
        noexec=point if numbers.f_flag & os.ST_NOEXEC else "",
        nodev=point if numbers.f_flag & os.ST_NODEV else "",
        free_bytes=numbers.f_bavail * numbers.f_frsize if numbers.f_blocks else -1,
        free_inodes=numbers.f_favail if numbers.f_files else -1,
    )


def _final(path: str, who: Who, need: str) -> PathFact:
    fact = _described(path)
    closed = _private_mount(path, who) if fact.filesystem.startswith("fuse") else None
    if closed is not None:
        return closed
    if need == "write" and fact.kind in {"file", "directory"}:
        fact = replace(fact, frozen=_frozen(path))
    if fact.nodev and fact.kind in {"block", "char"}:
        return fact
    lacks = _lacking(path, who, need)
    if lacks:
        masked = _is_masked(path, who, _BITS[need])
        return replace(fact, blocked=path, lacks=lacks, masked=masked)
    if fact.frozen:
        return fact
    if need == "write" and fact.readonly and fact.kind in {"file", "directory"}:
        return fact
    if need == "execute" and fact.noexec:
        return fact
    return replace(fact, allowed=True)


def _lacking(path: str, who: Who, need: str) -> str:
    missing = _missing(path, who, _BITS[need])
    if not missing:
        return ""
    if need == "write" and missing == WRITE:
        return "write"
    return "write" if need == "write" else need


def _creatable(path: str, who: Who) -> PathFact:
    parent = os.path.dirname(os.path.abspath(path))
    directory = _walk(parent, who)
    fact = _described(directory)
    if fact.kind != "directory":
        return PathFact(not_directory=directory)
    missing = _missing(directory, who, WRITE | EXECUTE)
    if missing:
        return replace(fact, blocked=directory, lacks="search" if missing == EXECUTE else "write")
    there = os.path.lexists(path)
    frozen = _frozen(directory)
    if frozen == "immutable" and not there:
        return replace(fact, frozen=frozen, exists=False)
    return replace(fact, allowed=not fact.readonly, exists=there)


def _missing(path: str, who: Who, bits: int) -> int:
    """Return those of *bits* that *who* lacks on *path*.

    All of them have to be granted at once: of several group entries one must have them all.
    """
    lacking = [bits & ~granted for granted in _grants(path, os.stat(path), who)]
    return min(lacking, key=int.bit_count)


def _grants(path: str, info: os.stat_result, who: Who) -> list[int]:
    """Return the sets of bits that *who* has on *path*; never empty."""
    if who.uid == 0:
        runnable = stat.S_ISDIR(info.st_mode) or info.st_mode & 0o111
        return [READ | WRITE | (EXECUTE if runnable else 0)]
    if info.st_uid == who.uid:
        return [(info.st_mode >> 6) & 7]
    entries = access_list(path)
    if entries:
        return _by_list(entries, info, who)
    if info.st_gid in who.gids:
        return [(info.st_mode >> 3) & 7]
    return [info.st_mode & 7]


def _is_masked(path: str, who: Who, bits: int) -> bool:
    """Would the access list give *who* all of *bits* if it were not for its mask?"""
    entries, info = access_list(path), os.stat(path)
    if not entries or who.uid in {0, info.st_uid}:
        return False
    bare = tuple(one for one in entries if one[0] != _MASK)
    return any(not bits & ~given for given in _by_list(bare, info, who))


def _by_list(
    entries: tuple[tuple[int, int, int], ...], info: os.stat_result, who: Who
) -> list[int]:
    mask = next((bits for tag, bits, _ in entries if tag == _MASK), 7)
    for tag, bits, number in entries:
        if tag == _USER and number == who.uid:
            return [bits & mask]
    groups = [
        bits & mask
        for tag, bits, number in entries
        if (tag == _GROUP_OBJ and info.st_gid in who.gids) or (tag == _GROUP and number in who.gids)
    ]
    return groups or [next((bits for tag, bits, _ in entries if tag == _OTHER), 0)]


def access_list(path: str) -> tuple[tuple[int, int, int], ...]:
    """Return the access list as (tag, bits, id), empty when the file has none beyond its mode."""
    try:
        raw = os.getxattr(path, _ACL)
    except OSError:
        return ()
    if len(raw) < 4 or struct.unpack_from("<I", raw)[0] != 2:
        return ()
    return tuple(struct.iter_unpack("<HHI", raw[4 : 4 + (len(raw) - 4) // 8 * 8]))


def _nearby(directory: str, name: str, pending: list[str]) -> tuple[str, ...]:
    """Return files like *name* in *directory* that lead on to all of *pending*.

    What is alike but for the ending of its name is another file, and no slip of the pen.
    """
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in itertools.islice(entries, ENTRIES_MAX)]
    except OSError:
        return ()
    rest = pending[::-1]
    stem = os.path.splitext(name)[0]
    like = [
        one
        for one in difflib.get_close_matches(name, names, 6, 0.6)
        if difflib.get_close_matches(stem, [os.path.splitext(one)[0]], 1, 0.6)
    ]
    full = [os.path.join(directory, one, *rest) for one in like]
    return tuple(one for one in full if os.path.exists(one) and not os.path.isdir(one))[:3]


def kind_of(mode: int) -> str:
    """Return what a file is, in the words of `PathFact`; "" for what has no word."""
    tests = (
        (stat.S_ISREG, "file"),
        (stat.S_ISDIR, "directory"),
        (stat.S_ISBLK, "block"),
        (stat.S_ISCHR, "char"),
        (stat.S_ISFIFO, "fifo"),
        (stat.S_ISSOCK, "socket"),
    )
    return next((name for test, name in tests if test(mode)), "")


def user_name(uid: int) -> str:
    """Return the name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group, or the number of one that has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def mount_of(path: str) -> tuple[str, str]:
    """Return the mount point that *path* lies under and its file system's kind."""
    best = ("/", "")
    for point, kind, _ in mounts():
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best


def mounts() -> list[tuple[str, str, str]]:
    """Return (mount point, file system kind, super options) of every mount that we see."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            left, _, right = line.partition(" - ")
            fields, after = left.split(), right.split()
            if len(fields) < 6 or len(after) < 2:
                continue
            point = (
                fields[4].encode("latin-1", "replace").decode("unicode_escape", "replace")
                if "\\" in fields[4]
                else fields[4]
            )
            found.append((point, after[0], " ".join(after[2:])))
    return found
