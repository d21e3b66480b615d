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
from collections.abc import Iterable
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
    """What :meth:`Ledger.hand_over` did."""

    USABLE = "usable"
    """Nothing: the user can use the file as it is."""
    HANDED = "handed"
    """The user owns the file until every guest gave it back."""
    BLOCKED = "blocked"
    """Nothing: owning it would not help. :func:`virtup.host.access.obstacle` says what is in
    the way: a directory above it, the owner's own mode bits, a read-only file system."""


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

    def may(self, path: str, account: Account, *, write: bool) -> bool:
        """Tell whether *account* can use the file."""

    def would(self, path: str, account: Account, *, write: bool) -> bool:
        """Tell whether *account* could use the file if it owned it."""

    def chown(self, path: str, seen: Seen, uid: int, mode: int) -> bool:
        """Set owner and mode of the file that was seen; False when another is there now."""

    def sync(self, path: str) -> None:
        """Make owner and mode durable."""


class HostInodes:
    """The host's own files. Regular files and block devices can be lent."""

    def resolve(self, path: str) -> str:
        """Follow links."""
        return os.path.realpath(path, strict=True)

    def look(self, path: str) -> Seen:
        """Look at a file."""
        return _seen(os.lstat(path))

    def may(self, path: str, account: Account, *, write: bool) -> bool:
        """Ask the kernel as *account*."""
        return access.may(path, account, write=write)

    def would(self, path: str, account: Account, *, write: bool) -> bool:
        """Tell whether only the file's owner is in the way."""
        barrier = access.obstacle(path, account, write=write)
        if barrier is None:
            return True
        needed = stat.S_IRUSR | (stat.S_IWUSR if write else 0)
        at_file = barrier.wants != "search" and not barrier.read_only
        return at_file and barrier.mode & needed == needed

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
        """Let *account* read (and *write*) a file for a guest; again for the same is harmless.

        Waits for the file system, and for one durable write when the file changes hands. Raises
        OSError: FileNotFoundError for a missing file, else what kept us from looking or from
        writing the record; then nothing was changed.
        """
        real = self._inodes.resolve(path)
        for _ in range(_LOOKS_MAX):
            seen = self._inodes.look(real)  # outside the lock: a file system may let us wait
            usable = self._inodes.may(real, account, write=write)
            helps = not usable and seen.lendable
            helps = helps and self._inodes.would(real, account, write=write)
            with self._lock:
                if self._inodes.look(real) == seen:
                    return self._decide(guest, real, account, seen, usable=usable, helps=helps)
        raise OSError(errno.EBUSY, "its owner or mode keeps changing", path)

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

    def _decide(
        self, guest: str, real: str, account: Account, seen: Seen, *, usable: bool, helps: bool
    ) -> HandOver:
        known = self._records.get(real)
        if known is not None and known.is_lent(seen):
            if known.lent_to != account.uid:
                return HandOver.USABLE if usable else HandOver.BLOCKED
            if guest not in known.guests:
                self._keep(replace(known, guests=(*known.guests, guest)))
            return HandOver.HANDED if usable else HandOver.BLOCKED
        if usable or not helps:
            return HandOver.USABLE if usable else HandOver.BLOCKED
        others = () if known is None else tuple(each for each in known.guests if each != guest)
        guests = (*others, guest)
        self._keep(Record(real, seen.ino, seen.uid, seen.gid, seen.mode, account.uid, guests))
        self._returned.pop(real, None)
        return self._lend(self._records[real], seen)

    def _lend(self, record: Record, seen: Seen) -> HandOver:
        """Change the owner, now that the record is on disk."""
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

    def _keep(self, record: Record) -> None:
        """Put a record on disk; on an error nothing has changed."""
        before = self._records.get(record.path)
        self._records[record.path] = record
        try:
            self._save()
        except OSError:
            if before is None:
                del self._records[record.path]
            else:
                self._records[record.path] = before
            raise

    def _save(self) -> None:
        kept = [*self._records.values(), *self._returned.values()]
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
    lendable = stat.S_ISREG(found.st_mode) or stat.S_ISBLK(found.st_mode)
    mode = stat.S_IMODE(found.st_mode)
    return Seen(found.st_ino, found.st_uid, found.st_gid, mode, lendable)


def _lent_mode(mode: int) -> int:
    """Return what the kernel makes of a mode when the owner changes (chown(2))."""
    mode &= ~stat.S_ISUID
    return mode & ~stat.S_ISGID if mode & stat.S_IXGRP else mode
