"""A disk that fails below a save or a restore: the kernel gives EIO to the daemon and to QEMU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.e2e.test_save_faults import Scene
from tests.faulty import Faulty

pytestmark = [pytest.mark.e2e, pytest.mark.root]

PART = ".file.virtup-part"
FAR = 256 << 10
"""Behind the head of an image, which the daemon writes: QEMU wrote there."""


class Failing(Scene):
    """A guest that is saved to, and restored from, a file on a disk that may fail."""

    def __init__(self, daemon: lab.Daemon, guest: Path, place: Path, faulty: Faulty) -> None:
        super().__init__(daemon, guest, big=False)
        self.place, self.faulty = place, faulty
        self.file = place / "file"

    def files(self) -> list[str]:
        return sorted(entry.name for entry in self.place.iterdir())


@pytest.fixture
def failing(make_daemon: Callable[..., lab.Daemon], guest_dir: Path) -> Iterator[Failing]:
    if not Path("/dev/fuse").exists():
        pytest.skip("no FUSE in this kernel: no disk can be made to fail")
    daemon = make_daemon()
    place = daemon.root / "place"
    place.mkdir()
    with Faulty.mounted(place) as faulty:
        yield Failing(daemon, guest_dir, place, faulty)


FAILURES = {
    "making the file": ("create", PART, 0),
    "the daemon's first write": ("write", PART, 0),
    "a write of QEMU's": ("write", PART, FAR),
    "reading back": ("read", PART, FAR),
    "a sync": ("fsync", PART, 0),
    "the rename": ("rename", PART, 0),
    "a sync of the directory": ("fsyncdir", "", 0),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_leaves_the_guest_and_the_old_image(failing: Failing, failure: str) -> None:
    failing.start()
    failing.virsh("save", "g", failing.file)
    before = failing.file.read_bytes()
    failing.start()
    failing.faulty.fail(*FAILURES[failure])
    done = failing.virsh("save", "g", failing.file, check=False)
    assert failing.faulty.fail(None), "nothing was asked of the disk that failed"
    assert done.returncode == 1
    assert f"'{failing.file}'" in done.stderr
    assert "Input/output error" in done.stderr
    assert "the guest runs on" in done.stderr
    assert "dmesg" in done.stderr
    assert failing.state() == "running (save canceled)"
    assert failing.files() == ["file"]
    assert failing.file.read_bytes() == before
    failing.virsh("save", "g", failing.file)
    failing.virsh("restore", failing.file)
    assert failing.state() == "running (restored)"


def test_a_directory_that_is_not_synced_keeps_no_state_of_a_running_guest(
    failing: Failing,
) -> None:
    failing.start()
    failing.faulty.fail("fsyncdir")
    done = failing.virsh("save", "g", failing.file, check=False)
    assert "Input/output error; the guest runs on" in done.stderr
    assert failing.faulty.fail(None)
    assert failing.state() == "running (save canceled)"
    assert failing.files() == []


@pytest.mark.parametrize("call", ["read", "write", "fsync"])
def test_a_restore_that_fails_has_run_nothing_and_is_tried_again(
    failing: Failing, call: str
) -> None:
    failing.start()
    failing.virsh("save", "g", failing.file)
    failing.faulty.fail(call, "file", FAR if call == "read" else 0)
    done = failing.virsh("restore", failing.file, check=False)
    assert failing.faulty.fail(None)
    assert done.returncode == 1
    assert "Input/output error" in done.stderr
    assert str(failing.file) in done.stderr
    assert failing.state().startswith("shut off")
    if call != "fsync":  # the mark is there, and whether for good nobody knows
        failing.virsh("restore", failing.file)
        assert failing.state() == "running (restored)"


def test_a_state_that_cannot_be_removed_stays_and_is_not_run_again(failing: Failing) -> None:
    failing.daemon.stop()
    with Faulty.mounted(failing.folder) as faulty:
        failing.daemon.start()
        failing.start()
        failing.virsh("managedsave", "g")
        faulty.fail("unlink")
        failing.start()
        assert faulty.fail(None)
        assert failing.state() == "running (restored)"
        failing.virsh("destroy", "g")
        failing.daemon.stop()
        failing.daemon.start()
        failing.start()
        assert failing.state() == "running (booted)"
        assert "was restored before" in failing.notes()
