"""The file of a new saved guest: whole and durable under its name, or not there.

QEMU writes its stream to the file itself. Beside it a thread reads back what was written, from the
page cache, digests it block by block and lets the disk begin; so the end waits for little. The
memory that it takes does not grow with the guest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading

from virtup.host import disk as durable
from virtup.host.disk import Disk
from virtup.host.save_bytes import (
    OLD,
    create,
    let_go,
    read_exactly,
    read_into,
    temporary_of,
    write_all,
)
from virtup.model import save_image
from virtup.model.save_image import BLOCK_BYTES, Facts, Head, Trailer, digest

SYNC_BYTES = 64 * BLOCK_BYTES
"""How much is written before the disk is made to take it, while QEMU goes on."""

PAUSE_S = 0.005
"""How long the reader waits when it has caught up with QEMU."""


class Writer:
    """An image that is being written under a temporary name.

    `begin`, then QEMU writes to ``fd`` (its offset is where the stream goes), then `finish`, or
    `discard` at any time. After `finish` the image is durable under its own name. With
    *past_cache* the page cache lets go of what the disk has.
    """

    def __init__(self, path: str, temporary: str, disk: Disk, *, past_cache: bool = False) -> None:
        self.path = path
        self.temporary = temporary
        self.fd = -1
        self._past_cache = past_cache
        self._disk = disk
        self._head: Head | None = None
        self._follower: Follower | None = None

    def begin(self, head: Head) -> None:
        """Make the file with its head, not yet whole; raises OSError."""
        _require_file(self.path)
        self.fd = create(self.temporary)
        self._head = head
        write_all(self.fd, head.pack(), 0)
        os.lseek(self.fd, head.header.stream_offset, os.SEEK_SET)
        self._follower = Follower(self.fd, head.header.stream_offset, past_cache=self._past_cache)
        self._follower.start()

    def finish(self, facts: Facts) -> None:
        """Add the trailer, make everything durable, and give the image its name.

        Blocks for as long as the disk takes. Raises OSError; nothing has its name then but what
        had it before.
        """
        assert self._head is not None
        assert self._follower is not None
        head, fd = self._head, self.fd
        digests = self._follower.finish()
        raw = read_exactly(fd, head.header.stream_offset, 0)
        stream_bytes = self._follower.stream_bytes
        trailer = Trailer(
            stream_offset=head.header.stream_offset,
            stream_bytes=stream_bytes,
            head_digest=save_image.head_digest(raw),
            digests=digests,
            facts=facts,
        )
        write_all(fd, trailer.pack(head.header.format), head.header.stream_offset + stream_bytes)
        os.fdatasync(fd)
        write_all(fd, save_image.MAGIC_WHOLE, 0)
        os.fsync(fd)
        if self._past_cache:
            let_go(fd)
        try:
            kept = temporary_of(self.path, OLD)
            durable.replace_durably(self._disk, self.temporary, self.path, kept)
        except OSError:
            self._take_back()
            raise
        self._close()

    def _take_back(self) -> None:
        """Have an image be none that may have its name after a crash: its guest runs on."""
        with contextlib.suppress(OSError):
            write_all(self.fd, save_image.MAGIC_PARTIAL, 0)
            os.fdatasync(self.fd)
        with contextlib.suppress(OSError):
            if os.path.samestat(os.lstat(self.path), os.fstat(self.fd)):
                os.unlink(self.path)

    def discard(self) -> None:
        """Give up: nothing stays of it. Harmless after `finish`."""
        if self.fd < 0:
            return
        if self._follower is not None:
            self._follower.cancel()
        self._close()
        durable.remove_durably(self._disk, self.temporary)

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def _require_file(path: str) -> None:
    """Refuse to put an image in the place of a device, a directory or a link."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise OSError(errno.EEXIST, "it is there and is not a regular file")


class Follower(threading.Thread):
    """Digests a stream block by block while somebody else writes it."""

    def __init__(self, fd: int, offset: int, *, past_cache: bool = False) -> None:
        super().__init__(name="save-digest", daemon=True)
        self.stream_bytes = 0
        self._fd = os.dup(fd)
        self._offset = offset
        self._digests = bytearray()
        self._block = memoryview(bytearray(BLOCK_BYTES))
        self._done = 0
        self._syncer = Syncer(self._fd, past_cache=past_cache)
        self._last = threading.Event()
        self._cancelled = False
        self._error: OSError | None = None

    def run(self) -> None:
        """Follow the file until `finish` or `cancel`."""
        self._syncer.start()
        try:
            while not self._cancelled:
                ended = self._last.is_set()
                if self._follow():
                    continue
                if ended:
                    return
                self._last.wait(PAUSE_S)
        except OSError as error:
            self._error = error
        finally:
            self._syncer.end()
            self._error = self._error or self._syncer.error

    def finish(self) -> bytes:
        """Wait for the rest and return the digests, 16 bytes a block; raises OSError."""
        self.stream_bytes = os.fstat(self._fd).st_size - self._offset
        self._end()
        if self._error is not None:
            raise self._error
        if self._done < self.stream_bytes:
            raise OSError(errno.EIO, "the file of the saved guest grew shorter")
        return bytes(self._digests)

    def cancel(self) -> None:
        """Stop; what was digested is of no use."""
        self._cancelled = True
        self._end()

    def _end(self) -> None:
        """Let the thread end, and close its descriptor: not before, for it may have failed."""
        self._last.set()
        if self.is_alive():
            self.join()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _follow(self) -> bool:
        """Digest the next block, if it is there in full (or is the last); tell whether it was."""
        ended = self._last.is_set()
        there = os.fstat(self._fd).st_size - self._offset
        left = (self.stream_bytes if ended else there) - self._done
        if left <= 0 or (left < BLOCK_BYTES and not ended):
            return False
        block = self._block[: min(left, BLOCK_BYTES)]
        read_into(self._fd, block, self._offset + self._done)
        self._digests += digest(block)
        self._done += len(block)
        self._syncer.tell(self._offset + self._done)
        return True


class Syncer(threading.Thread):
    """Makes the disk take what is in a file while it grows, so that the end waits for little.

    With *past_cache* the page cache lets go of it then.
    """

    def __init__(self, fd: int, *, past_cache: bool) -> None:
        super().__init__(name="save-sync", daemon=True)
        self.error: OSError | None = None
        self._fd = fd
        self._past_cache = past_cache
        self._wanted = 0
        self._synced = 0
        self._ended = False
        self._changed = threading.Condition()

    def run(self) -> None:
        """Sync whenever there is enough to do, until `end`."""
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._ended:
                    return
                wanted = self._wanted
            try:
                os.fdatasync(self._fd)
                if self._past_cache:
                    let_go(self._fd, wanted)
            except OSError as error:
                self.error = error
                return
            self._synced = wanted

    def _has_work(self) -> bool:
        return self._ended or self._wanted - self._synced >= SYNC_BYTES

    def tell(self, written: int) -> None:
        """Note up to where the file is written, and read back; returns at once.

        Raises the error of a sync.
        """
        if self.error is not None:
            raise self.error
        with self._changed:
            self._wanted = written
            self._changed.notify()

    def end(self) -> None:
        """Stop, after a sync that is under way."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self.join()
