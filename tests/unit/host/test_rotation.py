"""A log that never grows beyond its bound, and bounded words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtup.host import words
from virtup.host.rotation import Rotated
from virtup.host.words import Words


def rotated(folder: Path, *, max_bytes: int = 10, backups: int = 2) -> Rotated:
    made = Rotated(f"{folder}/l", max_bytes=max_bytes, backups=backups)
    made.open()
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_log_moves_on_and_the_oldest_goes(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    for letter in b"abcde":
        log.append(bytes([letter]) * 10)
    log.close()
    assert contents(tmp_path) == {"l": b"e" * 10, "l.0": b"d" * 10, "l.1": b"c" * 10}


def test_what_is_longer_than_a_file_is_cut_up(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    log.append(b"0123456789abcdefghijKLM")
    log.close()
    assert contents(tmp_path) == {"l": b"KLM", "l.0": b"abcdefghij", "l.1": b"0123456789"}


def test_without_backups_the_log_begins_anew(tmp_path: Path) -> None:
    log = rotated(tmp_path, backups=0)
    log.append(b"0123456789abc")
    log.close()
    assert contents(tmp_path) == {"l": b"abc"}


def test_the_bound_holds_over_restarts(tmp_path: Path) -> None:
    for letter in b"abc":
        log = rotated(tmp_path)
        log.append(bytes([letter]) * 6)
        log.close()
    assert contents(tmp_path) == {"l": b"bbcccccc"[:8], "l.0": b"aaaaaabbbb"}


@pytest.mark.parametrize("act", ["rename", "remove"])
def test_a_log_that_another_took_away_is_begun_anew(tmp_path: Path, act: str) -> None:
    log = rotated(tmp_path, max_bytes=1000)
    log.append(b"one")
    if act == "rename":
        os.rename(tmp_path / "l", tmp_path / "l.1.gz")
    else:
        os.unlink(tmp_path / "l")
    log.append(b"two")
    log.close()
    assert (tmp_path / "l").read_bytes() == b"two"


def test_a_log_that_another_cut_goes_on_at_its_end(tmp_path: Path) -> None:
    log = rotated(tmp_path, max_bytes=1000)
    log.append(b"one")
    os.truncate(tmp_path / "l", 0)
    log.append(b"two")
    log.close()
    assert contents(tmp_path) == {"l": b"two"}


def test_the_end_spans_the_file_before(tmp_path: Path) -> None:
    log = rotated(tmp_path)
    log.append(b"0123456789abc")
    assert log.tail(100) == "0123456789abc"
    assert log.tail(5) == "89abc"
    assert log.tail(3) == "abc"
    log.close()


def test_a_full_disk_is_reported_once_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    log = rotated(tmp_path, max_bytes=1000)
    os.dup2(os.open("/dev/full", os.O_WRONLY), log._fd)
    log._is_ours = lambda: True  # type: ignore[method-assign]
    for _ in range(3):
        log.append(b"x")
    assert caplog.text.count("No space left") == 1
    log.close()


@given(st.lists(st.binary(max_size=9000), max_size=60))
def test_bounded_words_are_the_beginning_and_the_end(parts: list[bytes]) -> None:
    bounded, everything = Words(), b"".join(parts)
    for part in parts:
        bounded.add(part)
    text = bounded.text()
    if len(everything) <= words.HEAD_BYTES + words.TAIL_BYTES:
        assert text == everything.decode("utf-8", "replace")
    else:
        left_out = len(everything) - words.HEAD_BYTES - words.TAIL_BYTES
        assert f"\n[{left_out} bytes left out]\n" in text
        assert text.startswith(everything[:1000].decode("utf-8", "replace")[:300])
