"""why and explain."""

from __future__ import annotations

import json

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.fakes.history import FINDING, Starts
from tests.unit.cli.conftest import Virtup
from virtup.causes.catalogue import causes
from virtup.machine.attempts import Step

WENT_WELL = "start 1 (2026-01-02 03:04:05 UTC, went well)"
BEGAN = "2026-01-02 03:04:05 UTC"


def test_why_tells_cause_evidence_fix_and_what_changed(
    virtup: Virtup, fake: FakeDaemon, starts: Starts
) -> None:
    starts.start("running")
    starts.fail()
    assert virtup("why", "db").out.splitlines() == [
        f"Domain 'db' did not start, {BEGAN} (step 'exec'):",
        "internal error: gone",
        "",
        "VU001 kernel-file-missing (proven)",
        "cause:    The kernel '/k' does not exist.",
        "evidence: qemu: could not open kernel file '/k'",
        "fix:      put it back",
        "          ls /k",
        "",
        f"Changed since {WENT_WELL}:",
        "  '/k'   there -> missing",
        "",
    ]
    assert fake.asked("WHY") == [{"request": '{"domain": "db"}'}]
    assert json.loads(virtup("--json", "why", "db").out)["findings"] == [FINDING]


def test_why_tells_the_most_telling_changes_and_counts_the_rest(
    virtup: Virtup, starts: Starts
) -> None:
    starts.start("running", settings={str(n): n for n in range(6)})
    starts.fail(settings={str(n): n + 1 for n in range(6)}, findings=[])
    *_, shown, end = virtup("why", "db").out.partition(f"Changed since {WENT_WELL}:\n")
    assert shown
    assert end.splitlines()[0] == "  '/k'                  there -> missing"
    assert end.splitlines()[4:] == [
        "  virtupd's setting 3   3 -> 4",
        "  2 more: virtup diff db",
        "",
    ]


def test_why_says_that_nothing_changed(virtup: Virtup, starts: Starts) -> None:
    starts.start("running")
    starts.start("failed", error="gone")
    assert f"Nothing that virtup looks at changed since {WENT_WELL}\n" in virtup("why", "db").out


def test_why_says_where_the_time_went(virtup: Virtup, starts: Starts) -> None:
    starts.fail(ms=10_100.0, steps=[Step("monitor", 10_000.0)], phase="monitor")
    said = virtup("why", "db").out
    assert "\nIts time went into step 'monitor': 10.0 s of 10.1 s\n" in said
    assert "Changed" not in said


def test_why_a_guest_that_started(virtup: Virtup, starts: Starts) -> None:
    assert virtup("why", "db").out == "No start of domain 'db' is recorded\n\n"
    starts.start("running")
    well = f"nothing failed: its last start, {BEGAN}, went well\n\n"
    assert virtup("why", "db").out == f"Domain 'db' is off; {well}"
    assert starts.guest is not None
    starts.guest.active = True
    assert virtup("why", "db").out == f"Domain 'db' is running since {BEGAN} (start 1, 42 ms)\n\n"
    starts.guest = None
    assert virtup("why", "db").out == f"Domain 'db' is not defined any more; {well}"


def test_why_a_running_guest_names_its_last_failure(virtup: Virtup, starts: Starts) -> None:
    starts.fail()
    starts.start("running", notes=["it booted cold"])
    assert virtup("why", "db").out.splitlines()[1:] == [
        "it booted cold",
        f"Its last failure was start 1, {BEGAN}:",
        "  VU001 kernel-file-missing",
        "  all of it: virtup attempts db 1",
        "",
    ]
    assert starts.guest is not None
    starts.guest.active = True
    starts.fail()
    head = virtup("why", "db").out.splitlines()[0]
    assert head == f"Domain 'db' is running; another start of it failed, {BEGAN} (step 'exec'):"


def test_an_id_is_turned_into_the_name(virtup: Virtup, fake: FakeDaemon, starts: Starts) -> None:
    assert starts.records == []
    virtup("why", "1")
    virtup("why", "77")
    assert fake.asked("WHY") == [{"request": '{"domain": "web"}'}, {"request": '{"domain": "77"}'}]


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
