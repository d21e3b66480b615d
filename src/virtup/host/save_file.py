"""The file of a saved guest: read with its checks, and marked when its guest runs again."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from virtup.host import disk as durable
from virtup.host import save_bytes
from virtup.host.disk import FileDisk
from virtup.host.save_bytes import read_into, write_all
from virtup.model import save_image
from virtup.model.save_image import (
    CONSUMED_BYTES,
    HEADER_BYTES,
    Damage,
    Head,
    ImageDamaged,
    Trailer,
    digest,
)


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
        raise unreadable(path, error) from error
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
    read_into(fd, data, trailer.stream_offset + at)
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


def settle(path: str) -> None:
    """Give an image its name again that a save or an edit did not replace for good; or remove it.

    For one that was cut short. What replaced it is taken back when it says that it is incomplete.
    """
    kept = save_bytes.temporary_of(path, save_bytes.OLD)
    if _is_unfinished(path):
        with contextlib.suppress(FileNotFoundError):
            durable.rename_durably(FileDisk(), kept, path)
    else:
        durable.remove_durably(FileDisk(), kept)


def is_there(path: str) -> bool:
    """Tell whether something has that name."""
    return os.path.lexists(path)


def _is_unfinished(path: str) -> bool:
    try:
        inspect(path)
    except ImageDamaged as damage:
        return damage.kind is Damage.INCOMPLETE or not is_there(path)
    return False


def mark_consumed(image: Image, now_ns: int) -> None:
    """Note durably in *image* that its guest runs again; before its first instruction.

    An image of libvirt's has no place for the note: it is renamed, if it has a name for that,
    and has its own again when that raises OSError.
    """
    if image.trailer is not None:
        _mark(image, save_image.consumed_mark(now_ns))
    elif image.retired:
        try:
            durable.rename_durably(FileDisk(), image.path, image.retired)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                mark_unused(image)
            raise


def mark_unused(image: Image) -> None:
    """Take the note of `mark_consumed` back: the guest is gone and executed no instruction."""
    if image.trailer is not None:
        _mark(image, bytes(CONSUMED_BYTES))
    elif image.retired:
        durable.rename_durably(FileDisk(), image.retired, image.path)


def _mark(image: Image, sector: bytes) -> None:
    fd = os.open(image.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        write_all(fd, sector, image.size - CONSUMED_BYTES)
        os.fdatasync(fd)
    finally:
        os.close(fd)


def unreadable(path: str, error: OSError) -> ImageDamaged:
    """Return what is to be said of an image that cannot be read."""
    return ImageDamaged(
        Damage.UNREADABLE, f"the saved state '{path}' cannot be read: {error.strerror or error}"
    )
