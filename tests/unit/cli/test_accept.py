"""save-verify --accept-disks: what it asks, what it changes, what it leaves as it is."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Said, Virtup
from virtup.cli import accept
from virtup.host import save_file
from virtup.host.disk import FileDisk
from virtup.host.fingerprint import differences, of_disk
from virtup.host.save_writer import Writer
from virtup.model.save_image import HEADER, Facts, make_head

XML = "<domain><name>web</name></domain>"


class Saved:
    """An image with two blocks and a bit of memory, and the disk that belongs to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk.img"
        self.disk.write_bytes(b"before" * 20_000)
        self.image = folder / "web.img"
        writer = Writer(str(self.image), str(folder / ".part"), FileDisk())
        writer.begin(make_head(XML, was_running=True))
        os.write(writer.fd, os.urandom(2_500_000))
        disks = {str(self.disk): of_disk(str(self.disk))}
        writer.finish(Facts(uuid="u", name="web", disks=disks))

    def change_disk(self) -> None:
        """Have the guest's disk be another than it was."""
        self.disk.write_bytes(b"after" * 20_000)

    @property
    def fits(self) -> bool:
        """Whether the image says that its disk is as it was."""
        trailer = save_file.inspect(str(self.image)).trailer
        assert trailer is not None
        known = trailer.facts.disks
        return not any(differences(was, of_disk(path)) for path, was in known.items())


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """A saved guest whose disk was changed since."""
    made = Saved(tmp_path)
    assert made.fits
    made.change_disk()
    assert not made.fits
    return made


@pytest.fixture
def accepting(virtup: Virtup, saved: Saved) -> Virtup:
    """Run save-verify --accept-disks on the image."""
    return lambda *words: virtup("save-verify", str(saved.image), "--accept-disks", *words)


def test_with_a_yes_the_image_fits_its_disk_again(accepting: Virtup, saved: Saved) -> None:
    os.chmod(saved.image, 0o640)
    said = accepting("--yes")
    assert (said.status, said.out) == (
        0,
        f"The disks of '{saved.image}' are accepted as they are now\n\n",
    )
    assert said.err.startswith(f"'{saved.disk}' changed: its size")
    assert saved.fits
    image = save_file.inspect(str(saved.image))
    assert image.trailer is not None
    save_file.check_blocks(image.path, image.trailer)
    assert (image.trailer.facts.name, image.head.xml) == ("web", XML)
    assert saved.image.stat().st_mode & 0o777 == 0o640
    assert sorted(entry.name for entry in saved.folder.iterdir()) == ["disk.img", "web.img"]
    assert accepting("--yes") == Said(
        0, f"The disks of '{saved.image}' are as they were when it was saved\n\n", ""
    )


def test_what_a_killed_run_left_is_no_hindrance(accepting: Virtup, saved: Saved) -> None:
    (saved.folder / ".web.img.virtup-edited").write_bytes(b"part")
    assert accepting("--yes").status == 0
    assert saved.fits
    assert len(list(saved.folder.iterdir())) == 2


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_without_a_terminal_it_takes_a_yes_in_the_words(
    accepting: Virtup, saved: Saved, words: tuple[str, ...]
) -> None:
    before = saved.image.read_bytes()
    said = accepting(*words)
    assert (said.status, said.out.strip()) == (1, "")
    assert "may destroy what is on its disks" in said.err
    assert "--yes accepts that" in said.err
    assert saved.image.read_bytes() == before


class Keyboard(io.StringIO):
    """A terminal on which something was typed."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_a_person_is_asked(
    accepting: Virtup, saved: Saved, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(answer))
    said = accepting()
    assert said.status == status
    assert "Accept the disks as they are? [y/N]" in said.err
    assert saved.fits == (status == 0)


def test_in_json_it_tells_which_disks(accepting: Virtup, saved: Saved) -> None:
    said = accepting("--yes", "--json")
    assert json.loads(said.out)["disks"] == [str(saved.disk)]
    assert json.loads(accepting("--yes", "--json").out)["disks"] == []


def damaged(saved: Saved, at: int) -> None:
    with saved.image.open("r+b") as file:
        file.seek(at)
        file.write(b"XX")


def test_an_image_that_is_damaged_is_not_made_to_fit(accepting: Virtup, saved: Saved) -> None:
    damaged(saved, 2_000_000)
    before = saved.image.read_bytes()
    said = accepting("--yes")
    assert (said.status, said.out) == (1, "\n")
    assert "the memory in the saved state" in said.err
    assert saved.image.read_bytes() == before


def test_an_image_that_was_restored_is_not_made_to_fit(accepting: Virtup, saved: Saved) -> None:
    save_file.mark_consumed(save_file.inspect(str(saved.image)), 1)
    said = accepting("--yes")
    assert said.status == 1
    assert "was restored before" in said.err
    assert not saved.fits


def test_an_image_of_libvirts_has_nothing_to_accept(virtup: Virtup, tmp_path: Path) -> None:
    path = tmp_path / "theirs.img"
    length = 4096 - HEADER.size
    head = HEADER.pack(b"LibvirtQemudSave", 2, length, 1, 0, 0, *[0] * 14)
    path.write_bytes(head + XML.encode().ljust(length, b"\0") + bytes(5000))
    said = virtup("save-verify", str(path), "--accept-disks", "--yes")
    assert said.status == 1
    assert "libvirt's own" in said.err


def test_a_disk_that_is_gone_cannot_be_accepted(accepting: Virtup, saved: Saved) -> None:
    saved.disk.unlink()
    said = accepting("--yes")
    assert said.err == f"error: the disk '{saved.disk}' cannot be read: No such file or directory\n"


def test_an_image_that_is_restored_meanwhile_stays_marked(saved: Saved) -> None:
    examined = accept.examine(str(saved.image))
    save_file.mark_consumed(examined.image, 7)
    with pytest.raises(save_file.ImageDamaged, match="was restored while it was changed"):
        accept.accept(examined)
    assert save_file.inspect(str(saved.image)).consumed_ns == 7
    assert len(list(saved.folder.iterdir())) == 2


def test_an_image_that_cannot_be_written_is_as_it_was(
    accepting: Virtup, saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    before = saved.image.read_bytes()
    monkeypatch.setattr(os, "copy_file_range", full)
    said = accepting("--yes")
    assert said.status == 1
    assert "could not be written anew, and is as it was: No space left on device" in said.err
    assert saved.image.read_bytes() == before
    assert len(list(saved.folder.iterdir())) == 2
