"""The records of repairs: durable, whole after a crash, and bounded."""

import json
from pathlib import Path

import pytest

from virtup.host.disk import FileDisk
from virtup.machine import recall
from virtup.machine.repairs import KEPT, Repairs, Step, StepState, Transaction
from virtup.model.evidence import Evidence
from virtup.model.repair import LoadModule

ACT = LoadModule("tun")


def step(state: StepState = StepState.BEGUN) -> Step:
    return Step("VU082", "load it", ACT.to_dict(), {"boot": "x"}, state=state)


def work(number: int = 1, *, guest: str = "vm1", state: StepState = StepState.DONE) -> Transaction:
    return Transaction(guest, "u", f"2026-01-01T00:00:{number:02d}.000Z", [step(state)])


@pytest.fixture
def repairs(tmp_path: Path) -> Repairs:
    return Repairs(str(tmp_path / "repairs"), FileDisk())


def test_a_transaction_is_read_back(repairs: Repairs, tmp_path: Path) -> None:
    one = work()
    repairs.write(one)
    assert repairs.of("vm1") == [one]
    assert repairs.of("vm1")[0].steps[0].act() == ACT
    (file,) = (tmp_path / "repairs" / "guest-vm1").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_clients_are_not_told_what_the_host_was_like(repairs: Repairs) -> None:
    told = work().summary()
    assert told["stands"] is True
    assert told["steps"][0]["state"] == "done"
    assert "before" not in told["steps"][0]


@pytest.mark.parametrize(
    ("state", "stands"),
    [
        (StepState.BEGUN, True),
        (StepState.DONE, True),
        (StepState.FAILED, False),
        (StepState.UNDONE, False),
        (StepState.CHANGED, False),
    ],
)
def test_the_last_that_stands_is_the_one_to_take_back(
    repairs: Repairs, state: StepState, *, stands: bool
) -> None:
    old, new = work(1), work(2, state=state)
    repairs.write(old)
    repairs.write(new)
    assert repairs.last("vm1") == (new if stands else old)
    assert repairs.last("vm2") is None


def test_what_stands_is_never_dropped(repairs: Repairs) -> None:
    for number in range(KEPT + 5):
        state = StepState.DONE if number == 0 else StepState.UNDONE
        repairs.write(work(number, state=state))
    repairs.prune("vm1")
    left = repairs.of("vm1")
    assert len(left) == KEPT + 1
    assert left[0].stands


def test_a_broken_record_is_left_and_logged(
    repairs: Repairs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repairs.write(work())
    folder = tmp_path / "repairs" / "guest-vm1"
    (folder / "0.json").write_text("{")
    (folder / "1.json").write_text(json.dumps({"guest": "vm1"}))
    assert repairs.of("vm1") == [work()]
    assert caplog.text.count("cannot be read") == 2
    assert (folder / "0.json").exists()


def test_a_name_may_be_two_dots(repairs: Repairs, tmp_path: Path) -> None:
    repairs.write(work(guest=".."))
    assert (tmp_path / "repairs" / "guest-..").is_dir()
    assert repairs.of("..") == [work(guest="..")]


def test_a_sweep_removes_what_a_crash_left(repairs: Repairs, tmp_path: Path) -> None:
    repairs.write(work())
    left = tmp_path / "repairs" / "guest-vm1" / ".virtup-0011.new"
    left.write_bytes(b"half")
    repairs.sweep()
    assert not left.exists()
    assert repairs.of("vm1") == [work()]


def test_a_start_is_recalled_with_what_its_words_lack() -> None:
    ev = Evidence(
        phase="monitor",
        definition="<domain/>",
        stderr="could not open",
        exit_status=1,
        uid=991,
        gids=(991, 36),
        pid=77,
        handed_over=("/img/a",),
        guest="vm1",
    )
    attempt = {
        "evidence": json.loads(json.dumps(recall.kept(ev))),
        "phase": "monitor",
        "definition": "<domain/>",
        "argv": ["qemu"],
        "log": "could not open",
        "error": "first line\ncause: x",
        "emulator": "/usr/bin/qemu",
        "guest": "vm1",
        "uuid": "u",
    }
    seen = recall.recalled(attempt, ())
    assert (seen.uid, seen.gids, seen.exit_status) == (991, (991, 36), 1)
    assert seen.handed_over == ("/img/a",)
    assert seen.error == "first line"
    assert seen.pid is None, "the number may be another process's by now"
