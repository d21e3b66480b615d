"""What is kept on disk: the list of those that are to come back, and the report."""

from __future__ import annotations

import json

import pytest

from virtup.errors import VirtError
from virtup.guests.report import COLD_BOOTED, Outcome, Report, Run, iso, lines, shown
from virtup.guests.waiting import Entry, ListDamaged, Waiting
from virtup.host.disk import FileDisk

ENTRIES = [Entry("default", f"u{n}", f"g{n}") for n in range(3)]


@pytest.fixture
def waiting(tmp_path):
    return Waiting(f"{tmp_path}/waiting.json", FileDisk())


def again(waiting):
    other = Waiting(waiting._path, FileDisk())
    other.load()
    return other.entries()


def test_each_change_of_the_list_is_on_disk_when_it_returns(waiting):
    waiting.add(ENTRIES)
    assert again(waiting) == ENTRIES
    waiting.note(("default", "u1"), "shut down", "no space")
    assert again(waiting)[1] == Entry("default", "u1", "g1", "shut down", "no space")
    waiting.remove(("default", "u0"))
    waiting.remove(("default", "never"))
    assert [entry.name for entry in again(waiting)] == ["g1", "g2"]
    waiting.clear()
    assert again(waiting) == []


def test_a_guest_is_listed_once_a_daemon(waiting):
    waiting.add(ENTRIES)
    waiting.add([Entry("default", "u0", "renamed"), Entry("other", "u0", "g0")])
    assert [(e.uri, e.name) for e in again(waiting)] == [
        ("default", "renamed"),
        ("default", "g1"),
        ("default", "g2"),
        ("other", "g0"),
    ]
    assert [entry.name for entry in waiting.of("other")] == ["g0"]


@pytest.mark.parametrize(
    "entry",
    [
        {"uri": 1, "uuid": "u", "name": "n"},
        {"uri": "u", "uuid": "u", "name": "n", "how": "eaten"},
        {"uri": "u"},
        [],
    ],
)
def test_an_entry_that_cannot_be_is_refused(tmp_path, waiting, entry):
    (tmp_path / "waiting.json").write_text(json.dumps({"version": 1, "guests": [entry]}))
    with pytest.raises(ListDamaged, match=r"waiting\.json") as caught:
        waiting.load()
    assert isinstance(caught.value, VirtError)


def test_the_report_comes_back_as_it_was(tmp_path):
    report = Report(f"{tmp_path}/report.json", FileDisk())
    report.load()
    assert (report.stop, report.start, report.problem) == (None, None, "")
    report.stop = Run(began="2026-01-01T00:00:00Z", boot="b", errors=["e"])
    report.stop.add(Outcome("default", "u", "web", "saved", "", 1.5))
    report.bytes_per_s = 1e8
    report.save()
    other = Report(f"{tmp_path}/report.json", FileDisk())
    other.load()
    assert other.stop == report.stop
    assert other.start is None
    assert other.bytes_per_s == 1e8


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stop": 1, "start": 2, "bytes_per_s": 3}'])
def test_a_damaged_report_is_told_and_empty(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    report = Report(f"{tmp_path}/report.json", FileDisk())
    report.load()
    assert (report.stop, report.start) == (None, None)
    assert "cannot be read" in report.problem


def test_a_run_is_told_by_kinds_and_says_why(tmp_path):
    run = Run(began="x")
    for name in ("b", "a"):
        run.add(Outcome("d", name, name, "restored"))
    run.add(Outcome("d", "c", "c", "failed", "first\nsecond"))
    run.add(Outcome("d", "m", "m", "failed", "gone"))
    run.add(Outcome("d", "m", "m", COLD_BOOTED, "its state was damaged"))
    run.errors.append("'x' cannot be reached")
    assert list(lines(run)) == [
        "  restored:     a, b",
        "  cold-booted:  m: its state was damaged",
        "  failed:       c: first",
        "                  second",
        "  error:        'x' cannot be reached",
    ]
    assert run.failed


def test_times_are_told_in_the_hosts_zone(monkeypatch):
    assert iso(1_800_000_000.7) == "2027-01-15T08:00:00Z"
    assert shown("no time") == "no time"
    assert len(shown(iso(0))) == len("1970-01-01 00:00:00")
