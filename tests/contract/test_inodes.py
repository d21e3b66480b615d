"""The port Inodes and the ledger on it: one suite for the host's files and for the model."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.disk import ModelDisk
from virtup.host.accounts import Account
from virtup.host.disk import Disk, FileDisk
from virtup.host.ownership import HandOver, HostInodes, Inodes, Ledger

QEMU = Account("nobody", 65534, 65534, (65534,))
OTHER = Account("other", 61234, 61234, (61234,))
ME = 1234


@dataclass
class Place:
    """A ledger's place: how to make a file, and to look at its owner and mode."""

    disk: Disk
    inodes: Inodes
    folder: str
    make: Callable[[str, tuple[int, int, int]], None]
    owner: Callable[[str], tuple[int, int, int]]

    def ledger(self) -> Ledger:
        return Ledger(f"{self.folder}/ledger.json", self.disk, self.inodes)


def _real(tmp_path: Path) -> Place:
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)

    def make(path: str, owner: tuple[int, int, int]) -> None:
        new = Path(f"{path}.making")
        new.write_bytes(b"x")
        os.chown(new, owner[0], owner[1])
        new.chmod(owner[2])
        new.rename(path)

    def owner(path: str) -> tuple[int, int, int]:
        seen = os.stat(path)
        return seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)

    return Place(FileDisk(), HostInodes(), str(tmp_path), make, owner)


def _model() -> Place:
    model = ModelDisk()
    model.make_dir("/d", 0o711)
    return Place(
        model,
        model,
        "/d",
        lambda path, owner: model.put(path, b"x", owner),
        lambda path: model._file(path).owner,
    )


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.root), "model"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return _real(tmp_path) if request.param == "real" else _model()


def test_a_file_is_handed_over_and_given_back_as_it_was(place: Place) -> None:
    image = f"{place.folder}/image"
    place.make(image, (ME, 77, 0o4640))
    ledger = place.ledger()
    assert ledger.hand_over("g", image, QEMU, write=True) is HandOver.HANDED
    assert place.owner(image) == (QEMU.uid, 77, 0o640)
    assert ledger.hand_over("g", image, QEMU, write=True) is HandOver.HANDED
    assert ledger.give_back("g") == [image]
    assert place.owner(image) == (ME, 77, 0o4640)
    ledger.close()
    assert place.ledger().records() == ()


@pytest.mark.parametrize(
    ("mode", "write", "result"),
    [
        (0o644, False, HandOver.USABLE),
        (0o644, True, HandOver.HANDED),
        (0o666, True, HandOver.USABLE),
        (0o600, False, HandOver.HANDED),
        (0o400, True, HandOver.BLOCKED),
        (0o000, False, HandOver.BLOCKED),
        (0o200, False, HandOver.BLOCKED),
    ],
)
def test_only_what_helps_is_done(place: Place, mode: int, write: bool, result: HandOver) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, mode))
    ledger = place.ledger()
    assert ledger.hand_over("g", path, QEMU, write=write) is result
    assert place.owner(path)[0] == (QEMU.uid if result is HandOver.HANDED else ME)
    assert len(ledger.records()) == (result is HandOver.HANDED)
    ledger.give_back("g")
    ledger.close()
    assert place.owner(path) == (ME, 77, mode)


def test_what_is_its_own_already_is_never_recorded(place: Place) -> None:
    path = f"{place.folder}/f"
    place.make(path, (QEMU.uid, QEMU.gid, 0o600))
    ledger = place.ledger()
    assert ledger.hand_over("g", path, QEMU, write=True) is HandOver.USABLE
    assert ledger.give_back("g") == []
    assert place.owner(path) == (QEMU.uid, QEMU.gid, 0o600)


def test_a_shared_file_goes_back_after_the_last_guest(place: Place) -> None:
    iso = f"{place.folder}/iso"
    place.make(iso, (ME, 77, 0o600))
    ledger = place.ledger()
    for guest in ("g", "h"):
        assert ledger.hand_over(guest, iso, QEMU, write=False) is HandOver.HANDED
    assert ledger.give_back("g") == []
    assert place.owner(iso)[0] == QEMU.uid
    assert ledger.give_back("h") == [iso]
    assert place.owner(iso) == (ME, 77, 0o600)
    ledger.close()


def test_a_missing_file_is_told(place: Place) -> None:
    with pytest.raises(FileNotFoundError):
        place.ledger().hand_over("g", f"{place.folder}/none", QEMU, write=False)


def test_many_files_take_one_record_to_be_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c, none = (f"{place.folder}/{name}" for name in ("a", "b", "c", "none"))
    for path, mode in ((a, 0o600), (b, 0o644), (c, 0o600)):
        place.make(path, (ME, 77, mode))
    ledger = place.ledger()
    writes: list[object] = []
    monkeypatch.setattr(ledger, "_save", lambda save=ledger._save: (writes.append(1), save()))
    wants = [(a, True), (b, False), (c, False), (none, True), (a, False)]
    results = ledger.hand_over_all("g", wants, QEMU)
    handed = HandOver.HANDED
    assert results == {a: handed, b: HandOver.USABLE, c: handed, none: HandOver.MISSING}
    assert len(writes) == 1
    assert ledger.hand_over_all("g", wants, QEMU)[a] is HandOver.HANDED
    assert len(writes) == 1
    assert sorted(ledger.give_back("g")) == [a, c]
    ledger.close()
    assert place.ledger().records() == ()


def test_when_the_record_cannot_be_written_nothing_changes_hands(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, 0o600))
    ledger = place.ledger()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.disk, "create", full)
    with pytest.raises(OSError, match="No space left"):
        ledger.hand_over("g", path, QEMU, write=True)
    assert place.owner(path) == (ME, 77, 0o600)
    assert ledger.records() == ()


def test_a_file_that_refuses_a_new_owner_blocks_and_is_forgotten(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, 0o600))
    ledger = place.ledger()

    def refuse(*_: object) -> bool:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(place.inodes, "chown", refuse)
    assert ledger.hand_over("g", path, QEMU, write=True) is HandOver.BLOCKED
    ledger.close()
    assert "Operation not permitted" in caplog.text
    assert place.ledger().records() == ()


def test_after_a_crash_only_the_files_of_ended_guests_go_back(place: Place) -> None:
    a, b = f"{place.folder}/a", f"{place.folder}/b"
    for path in (a, b):
        place.make(path, (ME, 77, 0o600))
    dead = place.ledger()
    dead.hand_over("ended", a, QEMU, write=True)
    dead.hand_over("running", b, QEMU, write=True)
    next_one = place.ledger()
    assert next_one.recover(["running"]) == [a]
    next_one.settle()
    assert place.owner(a)[0] == ME
    assert place.owner(b)[0] == QEMU.uid
    assert [record.guests for record in next_one.records()] == [("running",)]
    assert next_one.give_back("running") == [b]
    next_one.close()


def test_a_file_that_somebody_replaced_is_left(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, 0o600))
    ledger = place.ledger()
    ledger.hand_over("g", path, QEMU, write=True)
    place.make(path, (QEMU.uid, 5, 0o640))
    assert ledger.give_back("g") == []
    ledger.close()
    assert place.owner(path) == (QEMU.uid, 5, 0o640)
    assert "no longer as it was lent" in caplog.text
    assert place.ledger().records() == ()


def test_a_file_with_a_third_owner_is_left(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, 0o600))
    ledger = place.ledger()
    ledger.hand_over("g", path, QEMU, write=True)
    place.inodes.chown(path, place.inodes.look(path), OTHER.uid, 0o600)
    assert ledger.give_back("g") == []
    ledger.close()
    assert place.owner(path)[0] == OTHER.uid
    assert "no longer as it was lent" in caplog.text


def test_a_mode_that_somebody_changed_stays_and_the_owner_goes_back(place: Place) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, 0o600))
    ledger = place.ledger()
    ledger.hand_over("g", path, QEMU, write=True)
    place.inodes.chown(path, place.inodes.look(path), QEMU.uid, 0o664)
    assert ledger.give_back("g") == [path]
    ledger.close()
    assert place.owner(path) == (ME, 77, 0o664)


def test_a_file_lent_to_one_user_is_not_lent_on_to_another(place: Place) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, 0o600))
    ledger = place.ledger()
    ledger.hand_over("g", path, QEMU, write=True)
    assert ledger.hand_over("h", path, OTHER, write=True) is HandOver.BLOCKED
    assert ledger.give_back("h") == []
    assert ledger.give_back("g") == [path]
    ledger.close()
    assert place.owner(path) == (ME, 77, 0o600)


def test_a_file_that_is_gone_has_no_record(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    path = f"{place.folder}/f"
    place.make(path, (ME, 77, 0o600))
    ledger = place.ledger()
    ledger.hand_over("g", path, QEMU, write=True)
    place.disk.unlink(path)
    assert ledger.give_back("g") == []
    ledger.close()
    assert place.ledger().records() == ()
    assert "removed while it was lent" in caplog.text


def test_an_unreadable_ledger_is_kept_aside_and_told(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.make(f"{place.folder}/ledger.json", (0, 0, 0o600))
    assert place.ledger().records() == ()
    assert place.disk.read(f"{place.folder}/ledger.json.unreadable") == b"x"
    assert "unreadable" in caplog.text


# -- what only real files show


@pytest.mark.root
def test_a_file_is_the_same_by_whatever_link_it_is_named(tmp_path: Path) -> None:
    place = _real(tmp_path)
    place.make(f"{tmp_path}/f", (ME, 77, 0o600))
    (tmp_path / "link").symlink_to("f")
    ledger = place.ledger()
    assert ledger.hand_over("g", f"{tmp_path}/link", QEMU, write=True) is HandOver.HANDED
    assert place.owner(f"{tmp_path}/f")[0] == QEMU.uid
    ledger.hand_over("h", f"{tmp_path}/f", QEMU, write=True)
    assert [record.guests for record in ledger.records()] == [("g", "h")]
    ledger.give_back("g")
    ledger.give_back("h")
    ledger.close()
    assert place.owner(f"{tmp_path}/f") == (ME, 77, 0o600)


@pytest.mark.root
def test_a_closed_directory_above_blocks_and_the_file_keeps_its_owner(tmp_path: Path) -> None:
    place = _real(tmp_path)
    (tmp_path / "closed").mkdir(mode=0o700)
    place.make(f"{tmp_path}/closed/f", (ME, 77, 0o600))
    ledger = place.ledger()
    result = ledger.hand_over("g", f"{tmp_path}/closed/f", QEMU, write=True)
    assert result is HandOver.BLOCKED
    assert place.owner(f"{tmp_path}/closed/f")[0] == ME


@pytest.mark.root
def test_a_directory_is_never_lent(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir(mode=0o700)
    ledger = _real(tmp_path).ledger()
    assert ledger.hand_over("g", f"{tmp_path}/dir", QEMU, write=False) is HandOver.BLOCKED
    assert os.stat(tmp_path / "dir").st_uid == 0


@pytest.mark.root
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_device_a_pipe_and_a_socket_are_lent_and_given_back(tmp_path: Path, kind: int) -> None:
    ledger = _real(tmp_path).ledger()
    path = f"{tmp_path}/node"
    os.mknod(path, kind | 0o600, os.makedev(1, 3))
    assert ledger.hand_over("g", path, QEMU, write=True) is HandOver.HANDED
    assert os.stat(path).st_uid == QEMU.uid
    assert ledger.give_back("g") == [path]
    ledger.close()
    assert (os.stat(path).st_uid, stat.S_IMODE(os.stat(path).st_mode)) == (0, 0o600)


@pytest.mark.root
def test_a_file_swapped_for_a_link_is_never_changed(tmp_path: Path) -> None:
    place = _real(tmp_path)
    place.make(f"{tmp_path}/victim", (0, 0, 0o600))
    place.make(f"{tmp_path}/f", (ME, 77, 0o600))
    seen = place.inodes.look(f"{tmp_path}/f")
    (tmp_path / "f").unlink()
    (tmp_path / "f").symlink_to("victim")
    assert place.inodes.chown(f"{tmp_path}/f", seen, QEMU.uid, 0o600) is False
    assert place.owner(f"{tmp_path}/victim") == (0, 0, 0o600)
