"""What a stock libvirtd wrote down: which files are read, and what is made of those that are not there."""

from pathlib import Path

import pytest

from virtup.host import libvirtd
from virtup.host.libvirtd import Places


def session(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Places:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return Places.of(session=True)


def test_a_session_writes_into_its_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    where = session(monkeypatch, tmp_path)
    assert where == Places(tmp_path / "libvirt/qemu/log", tmp_path / "libvirt", of_system=False)
    assert where.guest_log("vm1") == ""
    assert where.daemon_log() == ""


def test_the_end_of_each_log_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    where = session(monkeypatch, tmp_path)
    where.guests.mkdir(parents=True)
    (where.guests / "vm1.log").write_text("old" * libvirtd.TAIL_BYTES + "last words\n")
    assert where.guest_log("vm1").endswith("last words\n")
    assert len(where.guest_log("vm1")) == libvirtd.TAIL_BYTES
    (where.daemon / "libvirtd.log").write_bytes(b"one \xff\n")
    (where.daemon / "virtqemud.log").write_text("two")
    assert where.daemon_log() == "one \ufffd\n\ntwo"


def test_a_log_that_may_not_be_read_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where = session(monkeypatch, tmp_path)
    (where.guests / "vm1.log").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        where.guest_log("vm1")


def test_the_system_s_daemon_without_a_log_is_asked_by_its_journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, ...]] = []

    def journal(*words: str, limit_s: float) -> str:
        assert limit_s == libvirtd.JOURNAL_S
        asked.append(words)
        return "from the journal"

    monkeypatch.setattr(libvirtd, "answer_of", journal)
    where = Places(tmp_path, tmp_path, of_system=True)
    assert where.daemon_log() == "from the journal"
    assert asked[0][0] == "journalctl"
    assert "virtqemud" in asked[0]
