"""Files that are lent to QEMU's user: handed over for a guest, given back as they were.

Only the owner is changed, and only where that user cannot use the file as it is and would as its
owner. Before any file changes hands, a record of what it was is on disk, synced; it is removed
after the file was given back and that was synced too. So whatever moment the daemon or the power
dies at, a file that QEMU's user owns has its record, and :meth:`Ledger.recover` gives it back.

A file is told by its path (links followed) and inode number. One that somebody else has changed
hands of, or replaced, meanwhile is left as they made it, and that is logged. Limits: one ledger
does not know another's, so two daemons must not lend the same file; a file system that makes up
inode numbers (some FUSE) gets its files back only while it remembers them.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Protocol

from virtup.host import access
from virtup.host.accounts import Account
from virtup.host.disk import Disk, set_aside, write_durably

log = logging.getLogger(__name__)

_LOOKS_MAX = 10


class HandOver(Enum):
    """What :meth:`Ledger.hand_over` did with one file."""

    MISSING = "missing"
    """Nothing: there is no such file."""

    USABLE = "usable"
    """Nothing: the user can use the file as it is."""
    HANDED = "handed"
    """The user owns the file until every guest gave it back."""
    BLOCKED = "blocked"
    """Nothing: owning it would not help. :func:`virtup.host.access.obstacle` says what is in
    the way: a directory above it, the owner's own mode bits, a read-only file system."""


class Reach(Enum):
    """Whether a user can use a file."""

    USABLE = "usable"
    AS_OWNER = "as owner"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it is: inode number, owner, group, mode bits, and whether it can be lent."""

    ino: int
    uid: int
    gid: int
    mode: int
    lendable: bool


class Inodes(Protocol):
    """The port to owners of files. All raise OSError."""

    def resolve(self, path: str) -> str:
        """Follow links; FileNotFoundError when there is nothing."""

    def look(self, path: str) -> Seen:
        """Look at a file; a link that took its place is not followed."""

    def reach(self, wants: Sequence[tuple[str, bool]], account: Account) -> list[Reach]:
        """Tell for each (path, write) whether *account* can use it, or could as its owner."""

    def chown(self, path: str, seen: Seen, uid: int, mode: int) -> bool:
        """Set owner and mode of the file that was seen; False when another is there now."""

    def sync(self, path: str) -> None:
        """Make owner and mode durable."""


class HostInodes:
    """The host's own files. Anything but a directory can be lent: files, devices, FIFOs, sockets."""

    def resolve(self, path: str) -> str:
        """Follow links."""
        return os.path.realpath(path, strict=True)

    def look(self, path: str) -> Seen:
        """Look at a file."""
        return _seen(os.lstat(path))

    def reach(self, wants: Sequence[tuple[str, bool]], account: Account) -> list[Reach]:
        """Ask the kernel as *account*; an owner is helped by his own mode bits alone."""
        found = access.obstacles(wants, account)
        return [_reach(each, write) for each, (_, write) in zip(found, wants, strict=True)]

    def chown(self, path: str, seen: Seen, uid: int, mode: int) -> bool:
        """Change the very file that was seen, however its name is moved about meanwhile."""
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if _seen(os.fstat(fd)) != seen:
                return False
            itself = f"/proc/self/fd/{fd}"
            os.chown(itself, uid, -1)
            if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
                os.chmod(itself, mode)
        finally:
            os.close(fd)
        return True

    def sync(self, path: str) -> None:
        """Flush a regular file; devices' owners do not outlive a boot anyway."""
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Record:
    """One lent file: what it was, whom it was lent to, and for which guests."""

    path: str
    ino: int
    uid: int
    gid: int
    mode: int
    lent_to: int
    guests: tuple[str, ...]

    def is_lent(self, seen: Seen) -> bool:
        """Tell whether the file is still as it was lent."""
        return seen.ino == self.ino and seen.uid == self.lent_to


class Ledger:
    """The records of one daemon, in the file *path*; any thread may call.

    Giving back changes the owner at once; syncing that and removing the record follow in a
    thread of the ledger's own, as a sync may take as long as the guest left data to write.
    """

    def __init__(self, path: str, disk: Disk, inodes: Inodes | None = None) -> None:
        self._path = path
        self._disk = disk
        self._inodes: Inodes = HostInodes() if inodes is None else inodes
        self._lock = threading.RLock()
        self._records = self._load()
        self._returned: dict[str, Record] = {}
        self._worker: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None

    def records(self) -> tuple[Record, ...]:
        """Return the files that are lent now."""
        with self._lock:
            return tuple(self._records.values())

    def hand_over(self, guest: str, path: str, account: Account, *, write: bool) -> HandOver:
        """Do :meth:`hand_over_all` for one file; raises FileNotFoundError when it is missing."""
        (result,) = self.hand_over_all(guest, [(path, write)], account).values()
        if result is HandOver.MISSING:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return result

    def hand_over_all(
        self, guest: str, wants: Iterable[tuple[str, bool]], account: Account
    ) -> dict[str, HandOver]:
        """Let *account* use files for a guest, each as (path, whether to write to it).

        Returns what became of each path; again for the same guest is harmless. Waits for the
        file systems, and for one durable write when any file changes hands. Raises OSError when
        we cannot look, or cannot write the records; then nothing was changed.
        """
        names: dict[str, str] = {}
        reals: dict[str, bool] = {}
        for path, write in wants:
            real = names[path] = self._resolve(path)
            if real:
                reals[real] = write or reals.get(real, False)
        for _ in range(_LOOKS_MAX):
            seen = {real: self._inodes.look(real) for real in reals}
            # outside the lock: a file system may let us wait
            reach = self._inodes.reach(tuple(reals.items()), account)
            with self._lock:
                if {real: self._inodes.look(real) for real in reals} == seen:
                    judged = dict(zip(reals, reach, strict=True))
                    done = self._decide(guest, account, seen, judged)
                    return {
                        p: done[real] if real else HandOver.MISSING for p, real in names.items()
                    }
        raise OSError(errno.EBUSY, "owners or modes keep changing", " ".join(names))

    def give_back(self, guest: str) -> list[str]:
        """Give back what no other guest needs; return the paths that changed hands.

        Quick, and never raises: what cannot be given back now keeps its record for the next
        :meth:`recover`, and is logged.
        """
        with self._lock:
            mine = [each for each in self._records.values() if guest in each.guests]
            for record in mine:
                others = tuple(each for each in record.guests if each != guest)
                self._records[record.path] = replace(record, guests=others)
            given = [record.path for record in mine if self._return(self._records[record.path])]
        if mine:
            self._settle_soon()
        return given

    def recover(self, running: Iterable[str]) -> list[str]:
        """Give back what was lent to guests that run no longer; return those paths.

        For the start of a daemon, once it knows which guests run.
        """
        alive = frozenset(running)
        with self._lock:
            before = tuple(self._records.values())
            for record in before:
                left = tuple(each for each in record.guests if each in alive)
                self._records[record.path] = replace(record, guests=left)
            given = [record.path for record in before if self._return(self._records[record.path])]
        if before:
            self._settle_soon()
        return given

    def settle(self) -> None:
        """Wait until all that was given back is durable and its records are gone."""
        pending = self._pending
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Settle, and end the ledger's thread."""
        self.settle()
        if self._worker is not None:
            self._worker.shutdown()
            self._worker = None

    def _resolve(self, path: str) -> str:
        """Return where a path leads, "" for nowhere."""
        try:
            return self._inodes.resolve(path)
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def _decide(
        self, guest: str, account: Account, seen: Mapping[str, Seen], reach: Mapping[str, Reach]
    ) -> dict[str, HandOver]:
        results: dict[str, HandOver] = {}
        kept: dict[str, Record] = {}
        lent: list[str] = []
        for real, judged in reach.items():
            known = self._records.get(real)
            usable = judged is Reach.USABLE
            results[real] = HandOver.USABLE if usable else HandOver.BLOCKED
            if known is not None and known.is_lent(seen[real]):
                if known.lent_to == account.uid:
                    results[real] = HandOver.HANDED if usable else HandOver.BLOCKED
                    if guest not in known.guests:
                        kept[real] = replace(known, guests=(*known.guests, guest))
            elif judged is Reach.AS_OWNER and seen[real].lendable:
                others = () if known is None else known.guests
                kept[real] = _record(real, seen[real], account.uid, (*others, guest))
                lent.append(real)
        if kept:
            self._keep(kept)
        return results | {real: self._lend(self._records[real], seen[real]) for real in lent}

    def _lend(self, record: Record, seen: Seen) -> HandOver:
        """Change the owner, now that the record is on disk."""
        self._returned.pop(record.path, None)
        try:
            if self._inodes.chown(record.path, seen, record.lent_to, _lent_mode(seen.mode)):
                return HandOver.HANDED
            log.warning("'%s' was replaced while it was handed over", record.path)
        except OSError as exc:  # as NFS with root squashed, or an immutable file
            log.warning("'%s' cannot be handed to user %d: %s", record.path, record.lent_to, exc)
        del self._records[record.path]
        self._settle_soon()
        return HandOver.BLOCKED

    def _return(self, record: Record) -> bool:
        """Give one file back if no guest needs it; tell whether it changed hands."""
        if record.guests:
            return False
        try:
            seen = self._inodes.look(record.path)
            if seen.ino != record.ino or seen.uid not in (record.lent_to, record.uid):
                log.warning("'%s' is no longer as it was lent; left as it is", record.path)
                del self._records[record.path]
                return False
            lent = seen.mode == _lent_mode(record.mode)  # else somebody changed it since
            mode = record.mode if lent else seen.mode
            changes = (seen.uid, seen.mode) != (record.uid, mode)
            if changes and not self._inodes.chown(record.path, seen, record.uid, mode):
                return False
        except FileNotFoundError:
            log.warning("'%s' was removed while it was lent", record.path)
            del self._records[record.path]
            return False
        except OSError as exc:
            log.error("'%s' could not be given back to user %d: %s", record.path, record.uid, exc)
            return False
        self._returned[record.path] = self._records.pop(record.path)
        return changes

    def _settle_soon(self) -> None:
        with self._lock:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="ownership")
            self._pending = self._worker.submit(self._settle)

    def _settle(self) -> None:
        """Sync what was given back, then forget it on disk."""
        with self._lock:
            returned = tuple(self._returned.values())
        synced = [record for record in returned if self._synced(record)]
        with self._lock:
            for record in synced:
                if self._returned.get(record.path) is record:
                    del self._returned[record.path]
            try:
                self._save()
            except OSError as exc:
                log.error("the ledger '%s' could not be written: %s", self._path, exc)

    def _synced(self, record: Record) -> bool:
        try:
            self._inodes.sync(record.path)
        except FileNotFoundError:
            return True
        except OSError as exc:
            log.error("'%s' was given back, and could not be synced: %s", record.path, exc)
            return False
        return True

    def _keep(self, records: dict[str, Record]) -> None:
        """Put records on disk; on an error nothing has changed."""
        before = self._records
        self._records = before | records
        try:
            self._save()
        except OSError:
            self._records = before
            raise

    def _save(self) -> None:
        kept = (self._returned | self._records).values()
        body = {"format": 1, "records": [asdict(record) for record in kept]}
        write_durably(self._disk, self._path, json.dumps(body).encode())

    def _load(self) -> dict[str, Record]:
        try:
            body = json.loads(self._disk.read(self._path))
            records = [
                Record(**{**each, "guests": tuple(each["guests"])}) for each in body["records"]
            ]
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError) as exc:
            kept = set_aside(self._disk, self._path, "unreadable")
            log.error("the ledger of lent files is unreadable (%s); it is kept as '%s'", exc, kept)
            return {}
        return {record.path: record for record in records}


def _seen(found: os.stat_result) -> Seen:
    lendable = not stat.S_ISDIR(found.st_mode) and not stat.S_ISLNK(found.st_mode)
    mode = stat.S_IMODE(found.st_mode)
    return Seen(found.st_ino, found.st_uid, found.st_gid, mode, lendable)


def _record(real: str, seen: Seen, lent_to: int, guests: tuple[str, ...]) -> Record:
    unique = tuple(dict.fromkeys(guests))
    return Record(real, seen.ino, seen.uid, seen.gid, seen.mode, lent_to, unique)


def _reach(barrier: access.Obstacle | None, write: bool) -> Reach:
    if barrier is None:
        return Reach.USABLE
    needed = stat.S_IRUSR | (stat.S_IWUSR if write else 0)
    at_file = barrier.wants != "search" and not barrier.read_only
    return Reach.AS_OWNER if at_file and barrier.mode & needed == needed else Reach.BLOCKED


def _lent_mode(mode: int) -> int:
    """Return what the kernel makes of a mode when the owner changes (chown(2))."""
    mode &= ~stat.S_ISUID
    return mode & ~stat.S_ISGID if mode & stat.S_IXGRP else mode
