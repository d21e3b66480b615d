"""The port Disk: one suite for the host's file systems and for the model of a disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.disk import ModelDisk
from virtup.host import disk
from virtup.host.disk import Disk, FileDisk


@pytest.fixture(params=["real", "model"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Disk, str]]:
    """A disk and an empty directory on it."""
    if request.param == "real":
        yield FileDisk(), str(tmp_path)
    else:
        model = ModelDisk()
        model.make_dir("/d", 0o700)
        yield model, "/d"


Place = tuple[Disk, str]


def test_what_is_written_is_read(place: Place) -> None:
    port, folder = place
    disk.write_durably(port, f"{folder}/a", b"one")
    disk.write_durably(port, f"{folder}/a", b"two")
    disk.write_at_once(port, f"{folder}/b", b"")
    assert port.read(f"{folder}/a") == b"two"
    assert port.read(f"{folder}/b") == b""
    assert sorted(port.list_dir(folder)) == ["a", "b"]


def test_missing_things_are_told_apart(place: Place) -> None:
    port, folder = place
    with pytest.raises(FileNotFoundError):
        port.read(f"{folder}/none")
    with pytest.raises(FileNotFoundError):
        port.unlink(f"{folder}/none")
    with pytest.raises(FileNotFoundError):
        port.rename(f"{folder}/none", f"{folder}/other")
    with pytest.raises(FileNotFoundError):
        disk.write_durably(port, f"{folder}/none/a", b"")
    assert port.list_dir(f"{folder}/none") == []


def test_a_directory_is_not_read_as_a_file(place: Place) -> None:
    port, folder = place
    port.make_dir(f"{folder}/sub", 0o700)
    with pytest.raises(OSError, match=r"(?i)is a directory|not a regular file"):
        port.read(f"{folder}/sub")


def test_create_never_opens_what_is_there(place: Place) -> None:
    port, folder = place
    port.close(port.create(f"{folder}/a", 0o600))
    port.symlink("nowhere", f"{folder}/l")
    for name in ("a", "l"):
        with pytest.raises(FileExistsError):
            port.create(f"{folder}/{name}", 0o600)
        with pytest.raises(FileExistsError):
            port.symlink("x", f"{folder}/{name}")


def test_making_a_directory_twice_is_harmless_and_over_a_file_is_not(place: Place) -> None:
    port, folder = place
    port.make_dir(f"{folder}/sub", 0o711)
    port.make_dir(f"{folder}/sub", 0o700)
    disk.write_durably(port, f"{folder}/sub/f", b"kept")
    assert port.read(f"{folder}/sub/f") == b"kept"
    with pytest.raises(FileExistsError):
        port.make_dir(f"{folder}/sub/f", 0o700)


def test_only_an_empty_directory_is_removed(place: Place) -> None:
    port, folder = place
    port.make_dir(f"{folder}/sub", 0o700)
    disk.write_at_once(port, f"{folder}/sub/a", b"")
    with pytest.raises(OSError, match=r"(?i)not empty"):
        port.remove_dir(f"{folder}/sub")
    port.unlink(f"{folder}/sub/a")
    port.remove_dir(f"{folder}/sub")
    assert port.list_dir(folder) == []
    with pytest.raises(FileNotFoundError):
        port.remove_dir(f"{folder}/sub")


def test_removal_tells_whether_there_was_something(place: Place) -> None:
    port, folder = place
    disk.write_durably(port, f"{folder}/a", b"")
    assert disk.remove_durably(port, f"{folder}/a") is True
    assert disk.remove_durably(port, f"{folder}/a") is False


def test_renaming_replaces(place: Place) -> None:
    port, folder = place
    disk.write_durably(port, f"{folder}/a", b"a")
    disk.write_durably(port, f"{folder}/b", b"b")
    disk.rename_durably(port, f"{folder}/a", f"{folder}/b")
    assert port.list_dir(folder) == ["b"]
    assert port.read(f"{folder}/b") == b"a"


def test_what_is_replaced_has_its_second_name_no_more(place: Place) -> None:
    port, folder = place
    disk.write_durably(port, f"{folder}/kept", b"left by a crash")
    for content in (b"1", b"2"):
        disk.write_durably(port, f"{folder}/new", content)
        disk.replace_durably(port, f"{folder}/new", f"{folder}/a", f"{folder}/kept")
        assert port.list_dir(folder) == ["a"]
        assert port.read(f"{folder}/a") == content


def test_a_second_name_is_of_the_same_file(place: Place) -> None:
    port, folder = place
    disk.write_durably(port, f"{folder}/a", b"1")
    port.link(f"{folder}/a", f"{folder}/b")
    with pytest.raises(FileExistsError):
        port.link(f"{folder}/a", f"{folder}/b")
    with pytest.raises(FileNotFoundError):
        port.link(f"{folder}/none", f"{folder}/c")
    port.unlink(f"{folder}/a")
    assert port.read(f"{folder}/b") == b"1"


def test_what_is_set_aside_twice_keeps_both(place: Place) -> None:
    port, folder = place
    names = []
    for content in (b"1", b"2", b"3"):
        disk.write_durably(port, f"{folder}/s", content)
        names.append(disk.set_aside(port, f"{folder}/s", "damaged"))
    assert [name.removeprefix(folder) for name in names] == [
        "/s.damaged",
        "/s.damaged.2",
        "/s.damaged.3",
    ]
    assert [port.read(name) for name in names] == [b"1", b"2", b"3"]


def test_a_link_replaces_a_link_or_a_file(place: Place) -> None:
    port, folder = place
    disk.symlink_durably(port, "../one", f"{folder}/l")
    disk.symlink_durably(port, "../two", f"{folder}/l")
    assert port.list_dir(folder) == ["l"]
    disk.write_durably(port, f"{folder}/l", b"now a file")
    assert port.read(f"{folder}/l") == b"now a file"


def test_leftovers_are_swept_and_nothing_else(place: Place) -> None:
    port, folder = place
    for name in (".virtup-0123.new", ".virtup-rc", "x.new", "vm.xml"):
        port.close(port.create(f"{folder}/{name}", 0o600))
    assert disk.sweep(port, folder) == 1
    assert sorted(port.list_dir(folder)) == [".virtup-rc", "vm.xml", "x.new"]


# -- what only a real file system shows


def test_a_directory_that_is_a_link_to_nothing_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "d").symlink_to("/gone/away")
    with pytest.raises(OSError, match="a link to '/gone/away', which is not there"):
        FileDisk().make_dir(f"{tmp_path}/d", 0o700)


def test_the_mode_is_exact_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        disk.write_durably(FileDisk(), f"{tmp_path}/a", b"", mode=0o644)
        FileDisk().make_dir(f"{tmp_path}/d", 0o711)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o644
    assert stat.S_IMODE(os.stat(tmp_path / "d").st_mode) == 0o711


def test_a_reader_is_not_stuck_on_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    with pytest.raises(OSError, match="not a regular file"):
        FileDisk().read(f"{tmp_path}/p")


def test_a_link_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / "l").symlink_to("target")
    disk.write_durably(FileDisk(), f"{tmp_path}/l", b"new")
    assert (tmp_path / "target").read_bytes() == b"mine"
    assert not (tmp_path / "l").is_symlink()


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    name = "n" * 255
    disk.write_durably(FileDisk(), f"{tmp_path}/{name}", b"x")
    assert os.listdir(tmp_path) == [name]


def test_a_target_that_is_a_directory_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(IsADirectoryError):
        disk.write_durably(FileDisk(), f"{tmp_path}/d", b"x")
    with pytest.raises(IsADirectoryError):
        disk.symlink_durably(FileDisk(), "x", f"{tmp_path}/d")
    assert os.listdir(tmp_path) == ["d"]


def test_no_file_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    port = FileDisk()
    for _ in range(3):
        disk.write_durably(port, f"{tmp_path}/a", b"x")
        port.read(f"{tmp_path}/a")
        with pytest.raises(FileNotFoundError):
            disk.write_durably(port, f"{tmp_path}/none/a", b"x")
    assert len(os.listdir("/proc/self/fd")) == before
