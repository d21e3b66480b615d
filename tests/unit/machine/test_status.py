"""Status records, and the numbers that guests get."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from virtup.host.disk import FileDisk
from virtup.machine.status import LAST_ID, Status, Statuses

KEPT = Status(
    name="g",
    uuid="6dbd80e5-37ed-4a4f-b7a0-f36e68c15d28",
    id=7,
    pid=4242,
    start_ticks=99,
    boot="b",
    monitor="/run/m.sock",
    state=1,
    reason=1,
    persistent=True,
    xml="<domain/>",
    directories=["/lib/domain-7-g"],
    tainted=["custom-argv"],
    ending=2,
    autodestroy=True,
)


def statuses(folder: Path) -> Statuses:
    return Statuses(str(folder), FileDisk())


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    statuses(tmp_path).write(KEPT)
    assert list(statuses(tmp_path).read_all()) == [KEPT]
    statuses(tmp_path).remove("g")
    statuses(tmp_path).remove("g")
    assert list(statuses(tmp_path).read_all()) == []


def test_a_record_of_an_older_virtup_is_read(tmp_path: Path) -> None:
    statuses(tmp_path).write(KEPT)
    path = tmp_path / "g.status.json"
    record = json.loads(path.read_text())
    for late in ("starting", "ending", "autodestroy"):
        del record[late]
    path.write_text(json.dumps(record))
    (kept,) = statuses(tmp_path).read_all()
    assert (kept.starting, kept.ending, kept.autodestroy) == (False, None, False)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}', "\0"])
def test_a_record_that_cannot_be_read_is_left_and_told(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.status.json").write_text(text)
    statuses(tmp_path).write(KEPT)
    with caplog.at_level(logging.ERROR):
        assert list(statuses(tmp_path).read_all()) == [KEPT]
    assert "bad.status.json" in caplog.text
    assert (tmp_path / "bad.status.json").exists()


def test_what_a_cut_short_write_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".virtup-0123456789abcdef.new").write_text("{")
    assert list(statuses(tmp_path).read_all()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_number_is_given_once_also_by_the_next_daemon(tmp_path: Path) -> None:
    first = statuses(tmp_path)
    assert [first.take_id(1), first.take_id(2)] == [1, 2]
    assert statuses(tmp_path).take_id(1) == 3
    assert statuses(tmp_path).take_id(9) == 9
    assert statuses(tmp_path).take_id(1) == 10


def test_a_damaged_last_number_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / LAST_ID).write_text("many")
    assert statuses(tmp_path).take_id(5) == 5
    assert "holds no number" in caplog.text
