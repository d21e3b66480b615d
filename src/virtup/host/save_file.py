"""The file of a saved guest on disk: written so that it is whole or not there, read with its checks.

QEMU writes its stream to the file itself. Beside it a thread reads back what was written, from the
page cache, digests it block by block and lets the disk begin; so the end waits for little. The
memory that either direction takes does not grow with the guest.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from virtup.host import disk as durable
from virtup.host.disk import Disk, FileDisk
from virtup.model import save_image
from virtup.model.save_image import (
    BLOCK_BYTES,
    CONSUMED_BYTES,
    DIGEST_BYTES,
    HEADER_BYTES,
    Damage,
    Facts,
    Head,
    ImageDamaged,
    Trailer,
    digest,
)

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

    def begin(self, head: Head, *, uid: int = -1, gid: int = -1) -> None:
        """Make the file with its head, not yet whole; raises OSError."""
        _require_file(self.path)
        self.fd = _create(self.temporary)
        if (uid, gid) != (-1, -1):
            os.fchown(self.fd, uid, gid)
        self._head = head
        _write_all(self.fd, head.pack(), 0)
        os.lseek(self.fd, head.header.stream_offset, os.SEEK_SET)
        self._follower = Follower(self.fd, head.header.stream_offset, past_cache=self._past_cache)
        self._follower.start()

    def written(self) -> int:
        """Return how many bytes of stream are in the file so far."""
        assert self._head is not None
        return max(0, os.fstat(self.fd).st_size - self._head.header.stream_offset)

    def finish(self, facts: Facts) -> None:
        """Add the trailer, make everything durable, and give the image its name.

        Blocks for as long as the disk takes. Raises OSError; nothing has its name then but what
        had it before.
        """
        assert self._head is not None
        assert self._follower is not None
        head, fd = self._head, self.fd
        digests = self._follower.finish()
        raw = _read_exactly(fd, head.header.stream_offset, 0)
        stream_bytes = self._follower.stream_bytes
        trailer = Trailer(
            stream_offset=head.header.stream_offset,
            stream_bytes=stream_bytes,
            head_digest=save_image.head_digest(raw),
            digests=digests,
            facts=facts,
        )
        _write_all(fd, trailer.pack(head.header.format), head.header.stream_offset + stream_bytes)
        os.fdatasync(fd)
        _write_all(fd, save_image.MAGIC_WHOLE, 0)
        os.fsync(fd)
        if self._past_cache:
            let_go(fd)
        try:
            durable.rename_durably(self._disk, self.temporary, self.path)
        except OSError:
            self._take_back()
            raise
        self._close()

    def _take_back(self) -> None:
        """Have an image be none that may have its name and is not durable: its guest runs on."""
        with contextlib.suppress(OSError):
            _write_all(self.fd, save_image.MAGIC_PARTIAL, 0)
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


def _create(temporary: str) -> int:
    """Make a new file for an image, with a lock that says that it is being written."""
    clear(temporary)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(temporary, flags, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def clear(temporary: str) -> bool:
    """Remove what is left of a save that was cut short; tell whether there was something.

    Raises OSError for one that is under way: its writers hold a lock on it, QEMU among them.
    """
    try:
        fd = os.open(temporary, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(temporary)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "another save to it is under way") from None
    finally:
        os.close(fd)
    return True


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
            os.close(self._fd)

    def finish(self) -> bytes:
        """Wait for the rest and return the digests, 16 bytes a block; raises OSError."""
        self.stream_bytes = os.fstat(self._fd).st_size - self._offset
        self._last.set()
        self.join()
        if self._error is not None:
            raise self._error
        if self._done < self.stream_bytes:
            raise OSError(errno.EIO, "the file of the saved guest grew shorter")
        return bytes(self._digests)

    def cancel(self) -> None:
        """Stop; what was digested is of no use."""
        self._cancelled = True
        self._last.set()
        if self.is_alive():
            self.join()

    def _follow(self) -> bool:
        """Digest the next block, if it is there in full (or is the last); tell whether it was."""
        ended = self._last.is_set()
        there = os.fstat(self._fd).st_size - self._offset
        left = (self.stream_bytes if ended else there) - self._done
        if left <= 0 or (left < BLOCK_BYTES and not ended):
            return False
        block = self._block[: min(left, BLOCK_BYTES)]
        _read_into(self._fd, block, self._offset + self._done)
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


@dataclass(frozen=True)
class Image:
    """An image as its head and trailer describe it; ``trailer`` is None for libvirt's own.

    ``consumed_ns`` is when it was restored before (ns since 1970), None when it was not;
    ``retired`` the name that it gets when it is and has no place for the mark, "" for none.
    With ``past_cache`` the page cache is to let go of what was read of it.
    """

    path: str
    size: int
    head: Head
    trailer: Trailer | None = None
    consumed_ns: int | None = None
    retired: str = ""
    past_cache: bool = False

    @property
    def stream_bytes(self) -> int:
        """How long the stream is in the file."""
        if self.trailer is not None:
            return self.trailer.stream_bytes
        return self.size - self.head.header.stream_offset


def inspect(path: str) -> Image:
    """Read head and trailer of the image at *path* and check them; the stream is not read.

    Raises ImageDamaged for everything that keeps it from being restored but a past restore,
    which ``consumed_ns`` tells, and what the stream, the disks or QEMU have against it.
    """
    with _opened(path) as fd:
        return _inspect(fd, path)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open what may be an image for the while; raises ImageDamaged for what cannot be read."""
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ImageDamaged(Damage.FOREIGN, f"'{path}' is not a regular file")
        yield fd
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        if fd >= 0:
            os.close(fd)


def _inspect(fd: int, path: str) -> Image:
    size = os.fstat(fd).st_size
    header = save_image.read_header(os.pread(fd, HEADER_BYTES, 0), size, path)
    raw = os.pread(fd, header.stream_offset, 0)
    tail_bytes = save_image.end_bytes(header.format)
    end = save_image.read_end(os.pread(fd, tail_bytes, max(0, size - tail_bytes)), header.format)
    if not header.marked and end is None:
        head = save_image.read_head(raw, header, size, path)
        if size <= header.stream_offset:
            raise ImageDamaged(Damage.CUT_RAM, f"the saved state '{path}' has no memory in it")
        return Image(path, size, head)
    if len(raw) < header.stream_offset:
        save_image.read_head(raw, header, size, path)
    if end is None:
        raise ImageDamaged(
            Damage.CUT_RAM, f"the end of the saved state '{path}' is missing or damaged"
        )
    begin = size - end.trailer_bytes
    wrapped = os.pread(fd, end.trailer_bytes - tail_bytes, max(0, begin))
    trailer = save_image.read_trailer(wrapped, end, path)
    _check_lengths(trailer, header.stream_offset, begin, path)
    head = save_image.read_head(raw, header, size, path)
    if save_image.head_digest(raw) != trailer.head_digest:
        edits = trailer.facts.edits(head.xml)
        how = f": {edits}" if edits else ""
        raise ImageDamaged(
            Damage.FLIPPED, f"the header or the XML in the saved state '{path}' was changed{how}"
        )
    return Image(path, size, head, trailer, save_image.check_mark(end.mark, path))


def _check_lengths(trailer: Trailer, offset: int, end: int, path: str) -> None:
    if trailer.stream_offset != offset or trailer.stream_offset + trailer.stream_bytes != end:
        raise ImageDamaged(
            Damage.CUT_RAM,
            f"the saved state '{path}' has {end - offset} bytes of memory where "
            f"{trailer.stream_bytes} were saved",
        )


def glimpse(path: str) -> Head | None:
    """Return what seems to be the head of the image at *path*, unchecked; None for none."""
    try:
        with _opened(path) as fd:
            size = os.fstat(fd).st_size
            header = save_image.read_header(os.pread(fd, HEADER_BYTES, 0), size, path)
            return save_image.read_head(os.pread(fd, header.stream_offset, 0), header, size, path)
    except ImageDamaged:
        return None


def is_of(path: str, id: str) -> bool:
    """Tell whether the image at *path* is whole and was written by the save *id*."""
    try:
        image = inspect(path)
    except ImageDamaged:
        return False
    return image.trailer is not None and image.trailer.facts.id == id


def check_blocks(
    path: str, trailer: Trailer, *, go_on: Callable[[int], bool] = lambda _at: True
) -> None:
    """Read the whole stream and compare every block with its digest.

    Raises ImageDamaged naming the first block that differs. *go_on* is told, before each block,
    up to where the file was read, and may end it.
    """
    with _opened(path) as fd:
        os.posix_fadvise(fd, trailer.stream_offset, trailer.stream_bytes, os.POSIX_FADV_SEQUENTIAL)
        buffer = memoryview(bytearray(trailer.block_bytes))
        for block in range(trailer.blocks):
            if not go_on(trailer.stream_offset + block * trailer.block_bytes):
                return
            _check_block(fd, path, trailer, block, buffer)


def _check_block(fd: int, path: str, trailer: Trailer, block: int, buffer: memoryview) -> None:
    at = block * trailer.block_bytes
    size = min(trailer.block_bytes, trailer.stream_bytes - at)
    data = buffer[:size]
    _read_into(fd, data, trailer.stream_offset + at)
    if digest(data) == trailer.digest_of(block):
        return
    kind = Damage.FLIPPED if bytes(data).strip(b"\0") else Damage.ZEROED
    what = "is filled with zeros" if kind is Damage.ZEROED else "was changed"
    first = trailer.stream_offset + at
    raise ImageDamaged(
        kind,
        f"the memory in the saved state '{path}' {what}, between byte {first} and {first + size}",
    )


def open_stream(image: Image) -> int:
    """Open *image* to be read from the beginning of its stream; the descriptor is the caller's."""
    fd = os.open(image.path, os.O_RDONLY | os.O_CLOEXEC)
    os.lseek(fd, image.head.header.stream_offset, os.SEEK_SET)
    return fd


def place_in(fd: int) -> int:
    """Return up to where whoever shares the descriptor *fd* has read the file."""
    return os.lseek(fd, 0, os.SEEK_CUR)


def let_go(fd: int, end: int = 0) -> None:
    """Have the page cache let go of a file up to *end*, 0 for all; what is not synced yet stays."""
    os.posix_fadvise(fd, 0, end, os.POSIX_FADV_DONTNEED)


def mark_consumed(image: Image, now_ns: int) -> None:
    """Note durably in *image* that its guest runs again; before its first instruction.

    An image of libvirt's has no place for the note: it is renamed, if it has a name for that.
    """
    if image.trailer is not None:
        _mark(image, save_image.consumed_mark(now_ns))
    elif image.retired:
        durable.rename_durably(FileDisk(), image.path, image.retired)


def mark_unused(image: Image) -> None:
    """Take the note of `mark_consumed` back: the guest is gone and executed no instruction."""
    if image.trailer is not None:
        _mark(image, bytes(CONSUMED_BYTES))
    elif image.retired:
        durable.rename_durably(FileDisk(), image.retired, image.path)


def _mark(image: Image, sector: bytes) -> None:
    fd = os.open(image.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _write_all(fd, sector, image.size - CONSUMED_BYTES)
        os.fdatasync(fd)
    finally:
        os.close(fd)


PART, EDITED = ".virtup-part", ".virtup-edited"
"""How the temporary names of a new image end, and of one that is written anew."""


def temporary_of(path: str, kind: str) -> str:
    """Return the name under which the image *path* is written; *kind* is `PART` or `EDITED`."""
    folder, name = os.path.split(path)
    return f"{folder}/.{name[:200]}{kind}"


def replace_xml(image: Image, head: Head, disk: Disk) -> None:
    """Write *image* anew with another *head* of the same length, durably, in place of itself.

    Raises OSError, and ImageDamaged for an image that is restored meanwhile; it is as it was then.
    """
    facts = replace(image.trailer.facts, xml=head.xml) if image.trailer is not None else None
    _rewrite(image, head, facts, disk)


def accept_disks(image: Image, disks: dict[str, dict[str, Any]], disk: Disk) -> None:
    """Write *image* anew with other fingerprints of its disks, durably, in place of itself.

    *image* has a trailer. Raises as `replace_xml` does.
    """
    assert image.trailer is not None
    facts = replace(image.trailer.facts, disks=disks)
    _rewrite(image, image.head, facts, disk)


def _rewrite(image: Image, head: Head, facts: Facts | None, disk: Disk) -> None:
    temporary = temporary_of(image.path, EDITED)
    source = os.open(image.path, os.O_RDONLY | os.O_CLOEXEC)
    target = -1
    try:
        target = _create(temporary)
        seen = os.fstat(source)
        os.fchmod(target, stat.S_IMODE(seen.st_mode))
        os.fchown(target, seen.st_uid, seen.st_gid)
        _copy(source, target, image.size)
        _write_all(target, head.pack(), 0)
        if image.trailer is not None and facts is not None:
            _renew_trailer(target, image, image.trailer, facts)
        os.fsync(target)
        _require_unused(source, image)
        durable.rename_durably(disk, temporary, image.path)
    except BaseException:
        if target >= 0:
            os.unlink(temporary)
        raise
    finally:
        os.close(source)
        if target >= 0:
            os.close(target)


def _renew_trailer(fd: int, image: Image, old: Trailer, facts: Facts) -> None:
    raw = _read_exactly(fd, image.head.header.stream_offset, 0)
    new = replace(old, head_digest=save_image.head_digest(raw), facts=facts)
    mark = _read_exactly(fd, CONSUMED_BYTES, image.size - CONSUMED_BYTES)
    packed = new.pack(image.head.header.format)[:-CONSUMED_BYTES] + mark
    at = old.stream_offset + old.stream_bytes
    os.ftruncate(fd, at + len(packed))
    _write_all(fd, packed, at)


def _require_unused(fd: int, image: Image) -> None:
    """Refuse to give a copy the name of an image that was restored while it was copied."""
    if image.trailer is None:
        return
    sector = _read_exactly(fd, CONSUMED_BYTES, image.size - CONSUMED_BYTES)
    if save_image.check_mark(sector, image.path) != image.consumed_ns:
        raise ImageDamaged(
            Damage.CONSUMED, f"the saved state '{image.path}' was restored while it was changed"
        )


def _copy(source: int, target: int, size: int) -> None:
    done = 0
    while done < size:
        copied = os.copy_file_range(source, target, size - done, done, done)
        if copied == 0:
            raise OSError(errno.EIO, "the image grew shorter while it was copied")
        done += copied


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def _read_exactly(fd: int, size: int, offset: int) -> bytes:
    data = os.pread(fd, size, offset)
    while len(data) < size:
        more = os.pread(fd, size - len(data), offset + len(data))
        if not more:
            raise OSError(errno.EIO, "the file of the saved guest is shorter than it was")
        data += more
    return data


def _read_into(fd: int, buffer: memoryview, offset: int) -> None:
    """Fill *buffer*: one that is used again costs less than new memory for every block."""
    while buffer:
        got = os.preadv(fd, [buffer], offset)
        if not got:
            raise OSError(errno.EIO, "the file of the saved guest is shorter than it was")
        buffer, offset = buffer[got:], offset + got


def _unreadable(path: str, error: OSError) -> ImageDamaged:
    return ImageDamaged(
        Damage.UNREADABLE, f"the saved state '{path}' cannot be read: {error.strerror or error}"
    )


__all__ = [
    "DIGEST_BYTES",
    "Follower",
    "Image",
    "Writer",
    "accept_disks",
    "check_blocks",
    "clear",
    "glimpse",
    "inspect",
    "is_of",
    "let_go",
    "mark_consumed",
    "mark_unused",
    "open_stream",
    "place_in",
    "replace_xml",
    "temporary_of",
]
