"""why, attempts and explain."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Virtup
from virtup.causes.catalogue import causes
from virtup.cli.verbs.reasons import changes

FINDING = {
    "code": "VU001",
    "slug": "kernel-file-missing",
    "sentence": "The kernel '/k' does not exist.",
    "subject": "/k",
    "certainty": "proven",
    "evidence": ["qemu: could not open kernel file '/k'"],
    "fixes": [{"text": "put it back", "commands": ["ls /k"], "safety": "manual", "undo": []}],
}
FILE = {"size": 10, "mtime_ns": 1, "inode": 5, "mode": "0644", "uid": 0, "gid": 0}


def attempt(verdict: str, **facts: Any) -> dict[str, Any]:
    return {
        "guest": "db",
        "began": "2026-01-02T03:04:05.678Z",
        "verdict": verdict,
        "phase": "",
        "error": "",
        "ms": 41.6,
        "definition": "<domain/>",
        "emulator": "/q",
        "qemu_version": "7.2.0",
        "kernel": "6.1",
        "findings": [],
        "files": {"/k": FILE},
        **facts,
    }


FAILED = attempt(
    "failed",
    phase="exec",
    error="internal error: gone\ncause: more",
    findings=[FINDING],
    files={"/k": {"error": "No such file or directory"}},
)


@pytest.fixture
def records(fake: FakeDaemon) -> list[dict[str, Any]]:
    """What the daemon has recorded of the guest; to be filled."""
    kept: list[dict[str, Any]] = []

    def why(_: object) -> dict[str, Any]:
        last = kept[-1] if kept else None
        failed = last is not None and last["verdict"] == "failed"
        reply = {
            "guest": "db",
            "active": False,
            "attempt": last,
            "findings": last["findings"] if last is not None and failed else [],
        }
        return {"reply": json.dumps(reply)}

    fake.handlers["WHY"] = why
    fake.handlers["ATTEMPTS"] = lambda _: {"reply": json.dumps({"attempts": kept})}
    return kept


def test_why_tells_cause_evidence_fix_and_what_changed(
    virtup: Virtup, fake: FakeDaemon, records: list[dict[str, Any]]
) -> None:
    records += [attempt("running"), FAILED]
    assert virtup("why", "db").out.splitlines() == [
        "Domain 'db' did not start, 2026-01-02 03:04:05 UTC (step 'exec'):",
        "internal error: gone",
        "",
        "VU001 kernel-file-missing (proven)",
        "cause:    The kernel '/k' does not exist.",
        "evidence: qemu: could not open kernel file '/k'",
        "fix:      put it back",
        "          ls /k",
        "",
        "Changed since it last started:",
        "  '/k': there -> No such file or directory",
        "",
    ]
    assert fake.asked("WHY") == [{"request": '{"domain": "db"}'}]
    assert json.loads(virtup("--json", "why", "db").out)["findings"] == [FINDING]


def test_why_a_guest_that_started(virtup: Virtup, records: list[dict[str, Any]]) -> None:
    assert virtup("why", "db").out == "No start of domain 'db' is recorded\n\n"
    records.append(attempt("running"))
    assert virtup("why", "db").out == (
        "Domain 'db' is off; its last start, 2026-01-02 03:04:05 UTC, went well\n\n"
    )


def test_an_id_is_turned_into_the_name(
    virtup: Virtup, fake: FakeDaemon, records: list[dict[str, Any]]
) -> None:
    assert records == []
    virtup("why", "1")
    virtup("why", "77")
    assert fake.asked("WHY") == [{"request": '{"domain": "web"}'}, {"request": '{"domain": "77"}'}]


def test_attempts_are_a_table(virtup: Virtup, records: list[dict[str, Any]]) -> None:
    records += [
        attempt("running"),
        FAILED,
        {**FAILED, "findings": [FINDING, FINDING, FINDING]},
        {**FAILED, "findings": []},
    ]
    rows = [line.split("   ")[1:] for line in virtup("attempts", "db").out.splitlines()[2:6]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["running", "42 ms", "-", "-"],
        ["failed", "42 ms", "exec", "VU001 kernel-file-missing"],
        ["failed", "42 ms", "exec", "VU001 kernel-file-missing and 2 more"],
        ["failed", "42 ms", "exec", "internal error: gone"],
    ]
    assert json.loads(virtup("--json", "attempts", "db").out)[1] == FAILED


def test_a_daemon_that_is_not_virtupd_is_told_as_such() -> None:
    from tests.fakes.daemon import MemoryConnection
    from virtup.cli.grammar import Failure
    from virtup.cli.run import Run, Settings
    from virtup.cli.verbs.reasons import why
    from virtup.errors import Code, Origin, RpcError

    fake = FakeDaemon()

    def unknown(_: object) -> None:
        raise RpcError("Cannot find program 1 version 1")

    fake.handlers["WHY"] = unknown
    run = Run(Settings())
    run._conn = MemoryConnection(fake)
    with pytest.raises(Failure, match="it is not virtupd") as caught:
        why(run, domain="db")
    assert caught.value.cause is not None
    assert (caught.value.cause.code, caught.value.cause.origin) == (Code.RPC, Origin.RPC)


def test_what_differs_between_two_starts() -> None:
    good = attempt("running")
    assert changes(FAILED, None) == []
    assert changes(attempt("failed"), good) == []
    later = {**FILE, "mtime_ns": 2, "uid": 1, "gid": 1}
    assert changes(attempt("failed", files={"/k": later}), good) == []
    other = attempt(
        "failed",
        qemu_version="8.2.0",
        kernel="",
        definition="<domain>",
        files={"/k": {**FILE, "size": 9, "inode": 6, "mode": "0600"}, "/new": FILE},
    )
    assert changes(other, good) == [
        "QEMU's version: 7.2.0 -> 8.2.0",
        "the host's kernel: 6.1 -> -",
        "the definition ('virtup --json attempts' has both)",
        "'/k': size 10 -> 9, mode 0644 -> 0600, inode 5 -> 6",
        "'/new' is used now and was not",
    ]
    gone = attempt("running", files={"/k": {"error": "No such file or directory"}})
    assert changes(attempt("failed"), gone) == ["'/k': No such file or directory -> there"]


def test_every_cause_can_be_explained(virtup: Virtup) -> None:
    known = causes()
    rows = virtup("explain").out.splitlines()[2:-1]
    assert [row.split()[:2] for row in rows] == [[one.code, one.slug] for one in known]
    for one in known:
        said = virtup("explain", one.slug)
        assert said == virtup("explain", one.code)
        assert said.out == f"{one.page}\n"
    facts = json.loads(virtup("--json", "explain", known[0].code).out)
    assert (facts["code"], facts["page"]) == (known[0].code, known[0].page)


def test_what_cannot_be_explained(virtup: Virtup) -> None:
    said = virtup("explain", "kernel-file-misssing")
    assert said.status == 1
    assert "the nearest is 'kernel-file-missing'" in said.err
    assert "'virtup explain' lists all" in virtup("explain", "qqqq").err
