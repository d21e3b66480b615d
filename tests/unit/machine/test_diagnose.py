"""The diagnosis asks the causes, looks, asks again, and is bounded by its deadline."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from virtup.causes import catalogue
from virtup.causes.catalogue import UNKNOWN_SLUG
from virtup.causes.catalogue import diagnose as judge
from virtup.causes.finding import Certainty, Finding
from virtup.host import evidence
from virtup.machine.diagnose import diagnose, warm
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, PathAccess, PathFact, Probe

SAID = "qemu: could not open kernel file '/no/kernel': Permission denied\n"


async def test_unknown_quotes_what_tells_first() -> None:
    words = "hello\nqemu: frobnication failed: no luck\nbye\n"
    (finding,) = await diagnose(Evidence(phase="monitor", stderr=words, uid=1))
    assert finding.slug == UNKNOWN_SLUG
    assert finding.certainty is Certainty.POSSIBLE
    assert finding.evidence == ("qemu: frobnication failed: no luck",)


@pytest.mark.parametrize(
    ("ev", "words"),
    [
        (Evidence(phase="load"), "the start failed in the step 'load' and nothing was said"),
        (Evidence(), "the start failed and nothing was said"),
        (Evidence(exit_status=2), "QEMU exited with status 2 and said nothing"),
    ],
)
async def test_unknown_without_words_says_what_is_known(ev: Evidence, words: str) -> None:
    (finding,) = await diagnose(ev)
    assert finding.slug == UNKNOWN_SLUG
    assert finding.evidence == (words,)


async def test_a_mistake_in_a_cause_is_logged_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Evidence) -> list[Finding]:
        raise IndexError("no such group")

    monkeypatch.setattr(catalogue, "diagnose", broken)
    (finding,) = await diagnose(Evidence(stderr=SAID, guest="vm1"))
    assert finding.slug == UNKNOWN_SLUG
    assert finding.evidence == (SAID.strip(),)
    (record,) = caplog.records
    assert "'vm1'" in record.message
    assert record.exc_info is not None
    assert "no such group" in str(record.exc_info[1])


async def test_facts_that_are_there_already_are_not_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Probe[Any]] = []

    def answer_all(probes: Collection[Probe[Any]], deadline_s: float) -> dict[Probe[Any], Fact]:
        asked.extend(probes)
        return {}

    monkeypatch.setattr(evidence, "answer_all", answer_all)
    probe = PathAccess("/no/kernel", "read", 991)
    fact = PathFact(exists=True, blocked="/no", lacks="search", mode="0700")
    ev = Evidence(stderr=SAID, uid=991, host={probe: fact})
    (finding,) = await diagnose(ev)
    assert finding.certainty is Certainty.PROVEN
    assert probe not in asked


async def test_a_host_that_never_answers_costs_the_deadline_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck = threading.Event()

    def never(_probe: object) -> Fact:
        stuck.wait()
        return PathFact()

    monkeypatch.setitem(evidence._ANSWERS, PathAccess, never)
    try:
        found = await diagnose(Evidence(stderr=SAID, uid=991), deadline_s=0.2)
    finally:
        stuck.set()
    assert "file-not-answering" in [one.slug for one in found]
    assert all(one.certainty is not Certainty.PROVEN for one in found)


async def test_text_from_elsewhere_is_not_tried_on_this_host() -> None:
    (finding,) = await diagnose(Evidence(stderr=SAID))
    assert finding.certainty is Certainty.LIKELY


async def test_words_beat_what_only_the_host_shows(scratch: Path) -> None:
    """The cause that QEMU names comes first; the second fault is a second finding."""
    argv = (lab.QEMU, "-drive", f"file={scratch}/gone.img,format=raw,if=ide")
    words = "qemu-system-x86_64: -frob: invalid option\n"
    definition = "<qemu:commandline><qemu:arg value='-frob'/></qemu:commandline>"
    ev = Evidence(phase="monitor", argv=argv, stderr=words, uid=1, definition=definition)
    found = await diagnose(ev)
    assert [one.slug for one in found] == ["qemu-arg-typo", "disk-file-missing"]


def test_a_file_lent_to_qemu_is_not_closed_to_it() -> None:
    """After the files were given back their modes tell nothing of the run."""
    words = "qemu-system-x86_64: -drive file=/i: Could not open '/i': Permission denied\n"
    shut = PathFact(
        exists=True, blocked="/i", lacks="read", mode="0600", owner="root", group="root"
    )
    ev = Evidence(stderr=words, uid=991, host={PathAccess("/i", "read", 991): shut})
    assert [one.slug for one in judge(ev)] == ["disk-dac-file-mode"]
    lent = Evidence(stderr=words, uid=991, host=ev.host, handed_over=("/i",))
    assert [one.slug for one in judge(lent)] == ["disk-apparmor-denied"]


def test_a_closed_file_that_nobody_spoke_of_is_no_finding() -> None:
    argv = (lab.QEMU, "-kernel", "/k")
    shut = PathFact(
        exists=True, blocked="/k", lacks="read", mode="0600", owner="root", group="root"
    )
    facts = {PathAccess("/k", "read", 991): shut}
    after = Evidence(phase="monitor", argv=argv, stderr="qemu: ouch\n", uid=991, host=facts)
    assert [one.slug for one in judge(after)] == [UNKNOWN_SLUG]
    before = Evidence(phase="check", argv=argv, uid=991, host=facts)
    assert [one.slug for one in judge(before)] == ["kernel-file-unreadable"]


async def test_the_catalogue_can_be_loaded_ahead() -> None:
    await warm()
