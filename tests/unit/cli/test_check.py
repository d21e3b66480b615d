"""check: how a verdict is printed, and what is asked of the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import FakeDaemon, MemoryConnection
from tests.fakes.history import FINDING
from tests.unit.cli.conftest import Virtup
from virtup.cli.grammar import Failure
from virtup.cli.run import Run, Settings
from virtup.cli.verbs.check import check
from virtup.errors import RpcError


def verdict(name: str, outlook: str, **more: Any) -> dict[str, Any]:
    """A verdict as the daemon sends it."""
    empty: dict[str, Any] = {"sentence": "", "findings": [], "warnings": [], "notes": []}
    ok = outlook != "would not start"
    return {"domain": name, "uuid": "u", "outlook": outlook, "ok": ok, **empty, **more}


@pytest.fixture
def said(fake: FakeDaemon) -> dict[str, Any]:
    """What the daemon says, to be filled by the test."""
    answer: dict[str, Any] = {}
    fake.handlers["CHECK"] = lambda _: {"reply": json.dumps(answer)}
    return answer


def test_a_guest_that_would_start(virtup: Virtup, fake: FakeDaemon, said: dict[str, Any]) -> None:
    said |= verdict("db", "would start", notes=["it would go on from its saved state '/s/db.save'"])
    done = virtup("check", "db")
    assert (done.status, done.out) == (
        0,
        "db: would start\nnote:     it would go on from its saved state '/s/db.save'\n\n",
    )
    assert fake.asked("CHECK") == [{"request": '{"domain": "db"}'}]


def test_causes_stand_below_a_refusal_and_warnings_below_them(
    virtup: Virtup, said: dict[str, Any]
) -> None:
    possible = {**FINDING, "code": "VU999", "certainty": "possible", "evidence": ["seen"]}
    said |= verdict("db", "would not start", sentence="refused: " + "so " * 30, findings=[FINDING])
    said["warnings"] = [possible]
    done = virtup("check", "db")
    lines = done.out.splitlines()
    assert done.status == 1
    assert lines[0] == "db: would not start"
    assert [line.split(":")[0] for line in lines if line[:1] not in {" ", ""}][1:] == [
        "error",
        *("cause", "evidence", "fix"),
        *("maybe", "evidence", "fix"),
    ]
    assert max(map(len, lines)) <= 80


def test_warnings_alone_are_no_failure(virtup: Virtup, said: dict[str, Any]) -> None:
    said |= verdict("db", "would start", warnings=[{**FINDING, "certainty": "likely"}])
    done = virtup("check", "db")
    assert done.status == 0
    assert "likely:   The kernel '/k' does not exist. [VU001]" in done.out


def test_all_in_a_table_and_in_json(virtup: Virtup, fake: FakeDaemon, said: dict[str, Any]) -> None:
    said["verdicts"] = every = [
        verdict("db", "would not start", findings=[FINDING, FINDING]),
        verdict("mail", "is running"),
        verdict("odd", "would not start", sentence="refused " * 20),
        verdict("web", "would start", warnings=[FINDING]),
    ]
    done = virtup("check", "--all")
    assert done.status == 1
    assert done.out.splitlines()[2:6] == [
        " db     no       VU001 kernel-file-missing and 1 more",
        " mail   runs     -",
        f" odd    no       {('refused ' * 20)[:54]} …",
        " web    yes      may fail: VU001 kernel-file-missing",
    ]
    assert json.loads(virtup("--json", "check", "--all").out) == every
    assert fake.asked("CHECK")[0] == {"request": '{"all": true}'}
    said["verdicts"] = []
    assert virtup("check", "--all").status == 0


def test_a_file_is_sent_as_it_is_and_named_in_the_refusal(
    virtup: Virtup, fake: FakeDaemon, said: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "vm.xml"
    path.write_text("<domain/>")
    said |= verdict("", "would not start", sentence="bad (<xml>, line 1)")
    done = virtup("check", str(path))
    assert done.status == 1
    shown = " ".join(done.out.split())
    assert shown == f"{path}: would not start error: bad ({path}, line 1)"
    assert fake.asked("CHECK") == [{"request": json.dumps({"xml": "<domain/>"})}]


def test_a_file_that_cannot_be_read(virtup: Virtup, tmp_path: Path) -> None:
    done = virtup("check", str(tmp_path / "no.xml"))
    assert done.status == 1
    assert f"Failed to open file '{tmp_path}/no.xml': No such file or directory" in done.err


def test_a_daemon_that_is_not_virtupd_is_told_as_such(fake: FakeDaemon) -> None:
    def unknown(_: object) -> None:
        raise RpcError("Cannot find program 1 version 1")

    fake.handlers["CHECK"] = unknown
    run = Run(Settings())
    run._conn = MemoryConnection(fake)
    with pytest.raises(Failure, match="it is not virtupd"):
        check(run, domain="db", all=False, boot=False, shutdown=False)
