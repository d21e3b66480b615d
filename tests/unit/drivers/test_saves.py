"""What a daemon that comes up makes of the files in its directory of saved guests."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from virtup.drivers.saves import Saves
from virtup.errors import SystemError_
from virtup.host.disk import FileDisk
from virtup.host.layout import find
from virtup.model.save_image import MAGIC_PARTIAL, Damage, ImageDamaged


def opened(
    root: Path, files: dict[str, bytes], running: set[str], disk: FileDisk | None = None
) -> tuple[Saves, dict[str, bytes]]:
    """Saves over a directory with *files*, and what is in it then."""
    layout = find("session", root=str(root), env={}, uid=os.getuid())
    folder = Path(layout.save_dir)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    saves = Saves(layout, disk or FileDisk())
    saves.open(running)
    return saves, {one.name: one.read_bytes() for one in folder.iterdir()}


def test_an_image_that_was_not_replaced_for_good_has_its_name_again(tmp_path):
    files = {"g.save": MAGIC_PARTIAL.ljust(200, b"-"), ".g.save.virtup-old": b"older"}
    saves, left = opened(tmp_path, files, set())
    assert left == {"g.save": b"older"}
    assert saves.has("g")


def test_a_second_name_beside_an_image_goes(tmp_path):
    saves, left = opened(tmp_path, {"g.save": b"newer", ".g.save.virtup-old": b"older"}, set())
    assert left == {"g.save": b"newer"}
    assert saves.has("g")


def test_a_part_is_set_aside_unless_its_guest_runs(tmp_path):
    parts = {f".{name}.save.virtup-part": b"part" for name in ("on", "off")}
    saves, left = opened(tmp_path, parts, {"on"})
    assert left == {"off.save.incomplete": b"part"}
    assert "it is incomplete" in saves.loss("off")
    assert saves.loss("off") == saves.loss("on") == ""


class ReadOnly(FileDisk):
    """A disk that lets nothing be changed."""

    def rename(self, source: str, target: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), source)

    def unlink(self, path: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


def test_what_cannot_be_removed_bars_nobody_and_is_told(tmp_path, caplog):
    files = {
        ".g.save.virtup-part": b"part",
        ".h.save.virtup-edited": b"part",
        "k.save.consumed": b"libvirt's",
        "l.save": b"whole",
    }
    saves, left = opened(tmp_path, files, {"k"}, ReadOnly())
    assert left == files
    assert "incomplete and lies in" in saves.loss("g")
    assert saves.has("l")
    assert caplog.text.count("is left as it is: Read-only file system") == 3
    with pytest.raises(SystemError_, match="cannot be removed: Read-only file system"):
        saves.remove("l")
    assert saves.has("l")


class Full(FileDisk):
    """A disk on which no file has room."""

    def create(self, path: str, mode: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_a_damaged_image_goes_out_of_the_way_on_a_full_disk_too(tmp_path, caplog):
    saves, _ = opened(tmp_path, {"g.save": b"damaged"}, set(), Full())
    kept = saves.set_aside("g", ImageDamaged(Damage.CUT_RAM, "it was cut"))
    assert Path(kept).read_bytes() == b"damaged"
    assert not saves.has("g")
    assert "it was cut; set aside as" in caplog.text


def test_what_was_retired_and_cannot_be_renamed_is_told_of_where_it_lies(tmp_path):
    saves, _ = opened(tmp_path, {"k.save.consumed": b"libvirt's"}, set(), ReadOnly())
    assert "was set aside as" in saves.lost("k")
    assert ".consumed'" in saves.lost("k")
    saves.look_for_retired("nobody")
    assert not saves.lost("nobody")
