"""attempts and diff."""

from __future__ import annotations

import json

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.fakes.history import FINDING, Starts
from tests.unit.cli.conftest import Virtup
from virtup.cli.history import change_lines, duration, timeline
from virtup.machine.attempts import Step

BEGAN = "2026-01-02 03:04:05"


def test_attempts_are_a_table(virtup: Virtup, starts: Starts) -> None:
    starts.start("running")
    starts.fail()
    starts.fail(findings=[FINDING, FINDING, FINDING])
    starts.fail(findings=[], ms=12_345.0)
    lines = virtup("attempts", "db").out.splitlines()
    rows = [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in lines]
    assert rows[0] == ["No.", "Began (UTC)", "Verdict", "Took", "Step", "Cause"]
    assert rows[2:] == [
        ["1", BEGAN, "running", "42 ms", "-", "-"],
        ["2", BEGAN, "failed", "42 ms", "exec", "VU001 kernel-file-missing"],
        ["3", BEGAN, "failed", "42 ms", "exec", "VU001 kernel-file-missing and 2 more"],
        ["4", BEGAN, "failed", "12.3 s", "exec", "internal error: gone"],
        [],
    ]
    assert json.loads(virtup("--json", "attempts", "db").out) == starts.records


@pytest.mark.parametrize("words", [("2",), ("--attempt", "2")])
def test_one_attempt_is_shown_whole(virtup: Virtup, starts: Starts, words: tuple[str, ...]) -> None:
    starts.start("running")
    steps = [Step("prepare", 2.0), Step("monitor", 80.0, "gone"), Step("diagnose", 8.0)]
    argv = ["/q", "-name", "guest=db", "-S", "-append", "a b"]
    starts.fail(
        ms=100.0, steps=steps, argv=argv, log="qemu: gone\n\x1b[31m", qemu_package="Debian 1"
    )
    assert virtup("attempts", "db", *words).out.splitlines() == [
        f"Start 2 of domain 'db', {BEGAN} UTC: failed in step 'exec' after 100 ms",
        "internal error: gone",
        "",
        "VU001 kernel-file-missing (proven)",
        "cause:    The kernel '/k' does not exist.",
        "evidence: qemu: could not open kernel file '/k'",
        "fix:      put it back",
        "          ls /k",
        "",
        "Steps:",
        "  prepare      2.0 ms   #",
        "  monitor       80 ms   ########################",
        "  diagnose     8.0 ms   ##",
        "  between       10 ms   ###",
        "",
        "Used:",
        "  QEMU         /q 7.2.0 Debian 1",
        "  kernel       6.1",
        "",
        "Command line:",
        "  /q \\",
        "  -name guest=db \\",
        "  -S \\",
        "  -append 'a b'",
        "",
        "QEMU said:",
        "  qemu: gone",
        "  \\x1b[31m",
        "",
    ]
    assert json.loads(virtup("--json", "attempts", "db", *words).out) == starts.records[1]


def test_an_attempt_that_went_well_has_its_notes(virtup: Virtup, starts: Starts) -> None:
    starts.start("running", notes=["it booted cold"], left_out=["argv"], steps=[], ms=0.0)
    assert virtup("attempts", "db", "1").out.splitlines() == [
        f"Start 1 of domain 'db', {BEGAN} UTC: went well after 0.0 ms",
        "",
        "Notes:",
        "  it booted cold",
        "",
        "Used:",
        "  QEMU         /q 7.2.0",
        "  kernel       6.1",
        "",
        "  The record was too long: it has no argv.",
        "",
    ]


def test_an_attempt_that_is_not_recorded(virtup: Virtup, starts: Starts) -> None:
    said = virtup("attempts", "db", "1")
    assert (said.status, said.err) == (
        1,
        "error: no start '1' of domain 'db' is recorded: none is recorded\n",
    )
    starts.start("running")
    assert "there are 1 to 1" in virtup("attempts", "db", "x").err


def test_diff_shows_the_definition_and_aligns_the_rest(
    virtup: Virtup, fake: FakeDaemon, starts: Starts
) -> None:
    starts.start("running")
    text = starts.records[0]["definition"].replace(">131072<", ">262144<")
    starts.fail(definition=text, kernel="6.2", findings=[])
    said = virtup("diff", "db")
    assert said.status == 0
    assert said.out.splitlines() == [
        f"Domain 'db', from start 1 ({BEGAN} UTC, went well)",
        f"to start 2 ({BEGAN} UTC, failed):",
        "",
        "  -  <memory unit='KiB'>131072</memory>",
        "  +  <memory unit='KiB'>262144</memory>",
        "",
        "  the host's kernel   6.1 -> 6.2",
        "  '/k'                there -> missing",
        "",
    ]
    asked = json.loads(fake.asked("DIFF")[0]["request"])
    assert asked == {"domain": "db", "before": None, "after": None}


def test_what_the_finding_is_about_comes_first(virtup: Virtup, starts: Starts) -> None:
    starts.start("running")
    text = starts.records[0]["definition"].replace(">131072<", ">262144<")
    starts.fail(definition=text, kernel="6.2")
    assert [line for line in virtup("diff", "db").out.splitlines()[2:] if line] == [
        "  '/k'   there -> missing",
        "  -  <memory unit='KiB'>131072</memory>",
        "  +  <memory unit='KiB'>262144</memory>",
        "  the host's kernel   6.1 -> 6.2",
    ]


def test_two_starts_are_compared_by_number_or_with_now(virtup: Virtup, starts: Starts) -> None:
    starts.start("running")
    starts.start("running")
    said = virtup("diff", "db", "1", "2")
    assert (said.status, said.out.splitlines()[:2]) == (
        0,
        [
            f"Nothing that virtup looks at differs between start 1 ({BEGAN} UTC, went well)",
            f"and start 2 ({BEGAN} UTC, went well)",
        ],
    )
    starts.now = {"kernel": "6.2"}
    assert virtup("diff", "db", "now").out.splitlines()[1:] == [
        "to now:",
        "",
        "  the host's kernel   6.1 -> 6.2",
        "",
    ]
    reply = json.loads(virtup("--json", "diff", "db", "1", "now").out)
    assert [one["is"] for one in reply["changes"]] == ["6.2"]


def test_without_a_good_start_there_is_nothing_to_compare_with(
    virtup: Virtup, starts: Starts
) -> None:
    starts.fail()
    said = virtup("diff", "db")
    assert (said.status, said.out) == (1, "\n")
    assert said.err == (
        "error: no start of domain 'db' before start 1 went well: there is nothing to compare it "
        "with\n"
    )
    assert "before a start now went well" in virtup("diff", "db", "now").err


def test_lines_are_aligned_and_broken_where_they_must_be() -> None:
    path = "/" + "long" * 12
    changes = [
        {"what": "kernel", "was": "a", "is": "b"},
        {"what": f"'{path}' mode", "was": "0644", "is": "0000"},
        {"what": "flags", "was": "x" * 40, "is": "y" * 40},
    ]
    assert change_lines(changes, 78) == [
        f"{'kernel':<39}   a -> b",
        f"'{path}' mode",
        f"{'':<42}0644 -> 0000",
        f"{'flags':<42}{'x' * 40}",
        f"{'':<42}-> {'y' * 40}",
    ]
    assert change_lines([], 80) == []


def test_times_are_as_a_person_reads_them() -> None:
    assert [duration(ms) for ms in (0.25, 9.94, 42.4, 999.4, 1000, 65_432)] == [
        *("0.2 ms", "9.9 ms", "42 ms", "999 ms"),
        *("1.0 s", "65.4 s"),
    ]
    assert list(timeline({"ms": 0, "steps": []})) == []
    assert list(timeline({"ms": 0, "steps": [{"name": "exec", "ms": 0.0}]})) == ["exec     0.0 ms"]
