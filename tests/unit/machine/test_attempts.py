"""Records of starts on disk: numbered, bounded, whole whatever became of their files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtup.host.disk import FileDisk
from virtup.machine import attempts as records
from virtup.machine.attempts import Attempt, Attempts, Step
from virtup.model import history

FINDING = {
    "code": "VU001",
    "slug": "kernel-file-missing",
    "sentence": "Gone.",
    "subject": "/k",
    "certainty": "proven",
    "evidence": ["line"],
    "fixes": [],
}


@pytest.fixture
def kept(tmp_path: Path) -> Attempts:
    return Attempts(str(tmp_path), FileDisk(), kept=3)


def attempt(second: int, verdict: str = "failed", **more: Any) -> Attempt:
    began = f"2026-01-02T03:04:{second:02}.000Z"
    return Attempt(guest=more.pop("guest", "vm"), uuid="u1", began=began, verdict=verdict, **more)


def numbers(kept: Attempts, guest: str = "vm") -> list[int]:
    return [one["number"] for one in kept.of(guest)]


def test_what_is_kept_is_read(kept: Attempts, tmp_path: Path) -> None:
    made = attempt(1, steps=[Step("exec", 1.5)], files={"/k": {"use": "file", "mode": "0644"}})
    made.findings = [FINDING]
    kept.keep(made)
    assert kept.of("vm") == [made.to_dict()]
    assert made.number == 1
    (file,) = (tmp_path / "guest-vm").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == (
        "20260102T030401.000Z-000001-failed.json",
        0o600,
    )


def test_the_newest_stay_and_the_last_that_went_well(kept: Attempts) -> None:
    for second in range(1, 9):
        kept.keep(attempt(second, "running" if second in (1, 2) else "failed"))
    assert numbers(kept) == [2, 6, 7, 8]
    kept.keep(attempt(9, "running"))
    kept.keep(attempt(10))
    assert numbers(kept) == [8, 9, 10]


def test_a_clock_that_was_set_back_changes_no_order(kept: Attempts) -> None:
    for second in (30, 20, 10):
        kept.keep(attempt(second))
    assert [one["began"][17:19] for one in kept.of("vm")] == ["30", "20", "10"]


def test_records_of_an_earlier_form_are_numbered_and_filled_up(
    kept: Attempts, tmp_path: Path
) -> None:
    folder = tmp_path / "guest-vm"
    folder.mkdir()
    old = {
        "guest": "vm",
        "uuid": "u1",
        "began": "2025-01-01T00:00:00.000Z",
        "verdict": "running",
        "ms": 12,
        "definition": "<domain/>",
        "files": {"/k": {"size": 1, "mode": "0644"}, "/gone": {"error": "x"}, "/odd": 5},
        "steps": [{"name": "exec", "ms": 1.0, "error": ""}, {"name": 5}, 7],
        "findings": [{"code": "VU001"}, "text", FINDING],
        "unheard": 1,
    }
    for day in (1, 2):
        old["began"] = f"2025-01-0{day}T00:00:00.000Z"
        (folder / f"2025010{day}T000000.000Z.json").write_text(json.dumps(old))
    assert numbers(kept) == [1, 2]
    kept.keep(attempt(1))
    assert numbers(kept) == [1, 2, 3]
    kept.keep(attempt(2))
    assert numbers(kept) == [2, 3, 4]
    record = kept.of("vm")[0]
    assert set(record) == set(attempt(1).to_dict())
    assert record["steps"] == [old["steps"][0]]
    assert record["findings"] == [FINDING]
    assert record["files"] == {"/k": {"size": 1, "mode": "0644"}, "/gone": {"error": "x"}}
    assert (record["host"], record["network"], record["given"]) == ({}, {}, "")


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"5", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"began": 1, "verdict": "x"}'],
)
def test_a_damaged_record_is_left_out_and_said(
    kept: Attempts, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    for second in (1, 2, 3):
        kept.keep(attempt(second))
    second = sorted((tmp_path / "guest-vm").iterdir())[1]
    second.write_bytes(damage)
    assert numbers(kept) == [1, 3]
    assert f"attempt record '{second}' is left out" in caplog.text
    kept.keep(attempt(4))
    assert numbers(kept) == [3, 4]


def test_what_is_no_record_is_not_touched(kept: Attempts, tmp_path: Path) -> None:
    kept.keep(attempt(1))
    folder = tmp_path / "guest-vm"
    (folder / "notes.txt").write_text("mine")
    os.mkfifo(folder / "20260102T030402.000Z.json")
    (tmp_path / "lost+found").mkdir()
    assert numbers(kept) == [1]
    kept.keep(attempt(3))
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("field", "value"),
    [("argv", ["x" * 9] * 40_000), ("definition", "x" * 300_000), ("error", "x" * 300_000)],
)
def test_a_record_has_a_bound(kept: Attempts, tmp_path: Path, field: str, value: Any) -> None:
    kept.keep(attempt(1, given="<domain/>", **{field: value}))
    (record,) = kept.of("vm")
    assert field in record["left_out"]
    assert record[field] in ("", [])
    (file,) = (tmp_path / "guest-vm").iterdir()
    assert file.stat().st_size <= records.RECORD_BYTES_MAX


def test_guests_that_were_not_started_for_longest_make_room(
    kept: Attempts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "GUESTS_MAX", 2)
    kept.keep(attempt(1, guest="old"))
    kept.keep(attempt(2, guest="busy"))
    kept.keep(attempt(3, guest="old"))
    kept.keep(attempt(4, guest="new"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["guest-new", "guest-old"]
    assert numbers(kept, "old") == [1, 2]


def test_a_guest_that_is_gone_is_found_by_its_uuid(kept: Attempts) -> None:
    kept.keep(attempt(1, guest="a"))
    assert kept.name_of("u1") == "a"
    assert kept.name_of("u2") == ""


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 1 << 70)
    | st.text(max_size=5)
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = sorted(attempt(1).to_dict())
PARTS = [
    "limits",
    "memory",
    "security",
    "cpu",
    "kvm",
    "boot_id",
    "huge",
    "apparmor",
    "nofile",
    "/k",
    "image",
    "inode",
    "mode",
    "2048",
]
DEEP = st.recursive(
    JSON, lambda inner: st.dictionaries(st.sampled_from(PARTS), inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(st.sampled_from(NAMES), DEEP), st.dictionaries(st.sampled_from(NAMES), DEEP))
def test_whatever_stands_in_a_record_can_be_compared(
    tmp_path_factory: pytest.TempPathFactory, first: dict[str, Any], second: dict[str, Any]
) -> None:
    root = tmp_path_factory.mktemp("records")
    (root / "guest-vm").mkdir()
    for number, data in enumerate((first, second), 1):
        data |= {"began": f"2026-01-0{number}T00:00:00.000Z", "verdict": "failed"}
        text = json.dumps(data)
        (root / "guest-vm" / f"2026010{number}T000000.000Z-{number:06}-failed.json").write_text(
            text
        )
    before, later = Attempts(str(root), FileDisk(), kept=3).of("vm")
    found = history.changes(before, later, subjects=["/k"])
    assert all(one.was != one.now for one in found)
    history.unified(history.compared(before, later))
