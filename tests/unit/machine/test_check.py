"""A verdict: what stands against a start, what only may, and what a refusal leaves of it."""

from __future__ import annotations

import json

from virtup.causes.finding import Certainty, Finding
from virtup.errors import ConfigUnsupported
from virtup.machine import check
from virtup.machine.check import Outlook, Verdict
from virtup.model.evidence import CHECK, Evidence
from virtup.model.probe import Emulator, EmulatorFact, PathAccess, PathFact, Unanswered

QEMU = "/usr/bin/qemu-system-x86_64"
GONE = PathFact(missing="/img/a")
LATE = Unanswered("no answer within 5 s", late=True)


def planned(**facts: PathFact | Unanswered) -> Evidence:
    """A start with two disks, of which *facts* by name are known."""
    argv = [word for name in "ab" for word in ("-drive", f"file=/img/{name},format=raw")]
    return Evidence(
        phase=CHECK,
        argv=(QEMU, *argv),
        emulator=QEMU,
        guest="vm1",
        uuid="u",
        uid=991,
        host={
            Emulator(QEMU, 991): EmulatorFact(exists=True, executable=True, kind="elf"),
            **{PathAccess(f"/img/{name}", "write", 991): fact for name, fact in facts.items()},
        },
    )


async def test_what_is_proven_stands_against_it_and_the_rest_only_warns(tmp_path):
    found = await check.judge(planned(a=GONE, b=LATE))
    assert found.outlook is Outlook.NO
    assert [one.code for one in found.findings] == ["VU004"]
    assert [one.code for one in found.warnings] == ["VU015"]
    found = await check.judge(planned(a=PathFact(exists=True, allowed=True), b=LATE))
    assert found.outlook is Outlook.YES
    assert [one.code for one in found.warnings] == ["VU015"]


def test_a_refusal_is_a_verdict_by_itself():
    error = ConfigUnsupported("first line\ncause: more")
    finding = Finding("VU001", "s", "It is so.", "x", Certainty.LIKELY, ("seen",))
    error.findings = (finding.to_dict(),)
    found = check.refused("vm1", "u", error)
    assert (found.outlook, found.sentence) == (Outlook.NO, "unsupported configuration: first line")
    assert found.findings == (finding,)


def test_a_verdict_travels_as_json():
    running = Verdict("vm1", "u", Outlook.RUNS)
    assert json.loads(json.dumps(running.to_dict())) == {
        "domain": "vm1",
        "uuid": "u",
        "outlook": "is running",
        "ok": True,
        "sentence": "",
        "findings": [],
        "warnings": [],
        "notes": [],
    }
    assert not Verdict("vm1", "u", Outlook.NO).to_dict()["ok"]
