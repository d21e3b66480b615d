"""What ``save-verify --accept-disks`` does without a daemon: new fingerprints for an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virtup.cli.grammar import Failure
from virtup.host import save_edit, save_file
from virtup.host.disk import FileDisk
from virtup.host.fingerprint import differences, of_disk
from virtup.host.save_file import Image


@dataclass(frozen=True)
class ChangedDisk:
    """A disk that is not what it was when its guest was saved; ``how`` in words."""

    path: str
    how: list[str]
    now: dict[str, Any]


@dataclass(frozen=True)
class Examined:
    """An image without a fault but that its ``disks`` changed, which may be none."""

    image: Image
    disks: list[ChangedDisk]


def examine(path: str) -> Examined:
    """Read the whole image at *path* and compare its disks with what they were.

    Raises ImageDamaged for an image that would not be restored for another reason, Failure for
    one without fingerprints and for a disk that cannot be read.
    """
    image = save_file.inspect(path)
    if image.trailer is None:
        raise Failure(
            f"'{path}' is libvirt's own: it does not tell what its disks were, so there is nothing "
            "to accept"
        )
    if image.consumed_ns is not None:
        raise Failure(f"the saved state '{path}' was restored before; no disk makes it fit again")
    save_file.check_blocks(path, image.trailer)
    disks = []
    for disk, before in image.trailer.facts.disks.items():
        try:
            now = of_disk(disk)
        except OSError as exc:
            raise Failure(f"the disk '{disk}' cannot be read: {exc.strerror}") from exc
        how = differences(before, now)
        if how:
            disks.append(ChangedDisk(disk, how, now))
    return Examined(image, disks)


def accept(examined: Examined) -> None:
    """Put the disks as they were examined into the image; it is as it was when this raises."""
    image = examined.image
    assert image.trailer is not None
    disks = {**image.trailer.facts.disks, **{disk.path: disk.now for disk in examined.disks}}
    try:
        save_edit.accept_disks(image, disks, FileDisk())
    except OSError as exc:
        raise Failure(
            f"'{image.path}' could not be written anew, and is as it was: {exc.strerror}"
        ) from exc
