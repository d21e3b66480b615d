"""Another definition, or other fingerprints of disks, for a saved guest; its memory stays as it is."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import replace
from typing import Any

from virtup.host import disk as durable
from virtup.host.disk import Disk
from virtup.host.save_bytes import EDITED, OLD, create, read_exactly, temporary_of, write_all
from virtup.host.save_file import Image
from virtup.model import save_image
from virtup.model.save_image import (
    CONSUMED_BYTES,
    Damage,
    Facts,
    Head,
    ImageDamaged,
    Trailer,
)


def replace_xml(image: Image, head: Head, disk: Disk) -> None:
    """Write *image* anew with another *head* of the same length, durably, in place of itself.

    Raises OSError, and ImageDamaged for an image that is restored meanwhile; it is as it was then.
    """
    facts = None
    if image.trailer is not None:
        facts = replace(image.trailer.facts, xml=save_image.without_secrets(head.xml))
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
        target = create(temporary)
        seen = os.fstat(source)
        os.fchmod(target, stat.S_IMODE(seen.st_mode))
        os.fchown(target, seen.st_uid, seen.st_gid)
        _copy(source, target, image.size)
        write_all(target, head.pack(), 0)
        if image.trailer is not None and facts is not None:
            _renew_trailer(target, image, image.trailer, facts)
        os.fsync(target)
        _require_unused(source, image)
        durable.replace_durably(disk, temporary, image.path, temporary_of(image.path, OLD))
    except BaseException:
        if target >= 0:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                os.unlink(temporary)
        raise
    finally:
        os.close(source)
        if target >= 0:
            os.close(target)


def _renew_trailer(fd: int, image: Image, old: Trailer, facts: Facts) -> None:
    raw = read_exactly(fd, image.head.header.stream_offset, 0)
    new = replace(old, head_digest=save_image.head_digest(raw), facts=facts)
    mark = read_exactly(fd, CONSUMED_BYTES, image.size - CONSUMED_BYTES)
    packed = new.pack(image.head.header.format)[:-CONSUMED_BYTES] + mark
    at = old.stream_offset + old.stream_bytes
    os.ftruncate(fd, at + len(packed))
    write_all(fd, packed, at)


def _require_unused(fd: int, image: Image) -> None:
    """Refuse to give a copy the name of an image that was restored while it was copied."""
    if image.trailer is None:
        return
    sector = read_exactly(fd, CONSUMED_BYTES, image.size - CONSUMED_BYTES)
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
