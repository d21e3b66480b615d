"""The causes against labelled cases from the wild, by their text alone; prints the figure.

A finding is *confident* when it is likely or proven. A confident finding that stands first and names
another cause than the label is wrong, and none may be. Where a label is a narrower word for the same
thing, `NARROWER` says so: a text alone cannot narrow it down.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests import lab
from virtup.causes import elsewhere
from virtup.causes.catalogue import UNKNOWN_SLUG, causes, diagnose
from virtup.causes.finding import Certainty

CORPUS = lab.SHARED / "corpus" / "corpus-open.jsonl"

NARROWER = {
    "kvm-unavailable": {
        "kvm-module-not-loaded",
        "kvm-nested-off",
        "kvm-disabled-firmware",
        "kvm-device-permission",
    },
}
"""A general cause, and the causes that only a look at the host tells from it."""


FIRST_MIN = 0.95
AMONG_MIN = 0.98
"""What of the cases that a text can tell has to be first, and among the first three."""


@dataclass(frozen=True)
class Score:
    """One case: its label, what was found in order, and how sure the first was."""

    case: str
    label: str
    derivable: bool
    found: tuple[str, ...]
    certainty: Certainty

    @property
    def is_first(self) -> bool:
        return self.found[:1] == (self.label,)

    @property
    def is_among(self) -> bool:
        return self.label in self.found[:3]

    @property
    def is_wrong(self) -> bool:
        first = self.found[0]
        confident = self.certainty is not Certainty.POSSIBLE and first != UNKNOWN_SLUG
        fits = first == self.label or self.label in NARROWER.get(first, set())
        return confident and not fits


def scored(case: dict[str, Any]) -> Score:
    ev = elsewhere.evidence(
        case["error"], log=case["log"], xml=case["xml"], notes=case["host_evidence"]
    )
    findings = elsewhere.doubted(diagnose(ev))
    return Score(
        case=case["id"],
        label=case["cause_id"],
        derivable=case["derivable_from_text"],
        found=tuple(finding.slug for finding in findings),
        certainty=findings[0].certainty,
    )


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    if not CORPUS.exists():
        pytest.skip(f"no corpus at {CORPUS} (set VIRTUP_SHARED)")
    return [scored(json.loads(line)) for line in CORPUS.read_text().splitlines() if line.strip()]


def test_the_figure(scores: list[Score], capsys: pytest.CaptureFixture[str]) -> None:
    known = {one.slug for one in causes()}
    ours = [one for one in scores if one.label in known]
    groups = {
        "all": scores,
        "derivable from text": [one for one in scores if one.derivable],
        "in the catalogue": ours,
        "both": [one for one in ours if one.derivable],
    }
    with capsys.disabled():
        print()
        for name, group in groups.items():
            first = sum(one.is_first for one in group)
            among = sum(one.is_among for one in group)
            print(f"  corpus, {name}: {first} first, {among} in the first three, of {len(group)}")
    assert scores


def test_what_a_text_can_tell_is_told(scores: list[Score]) -> None:
    told = [one for one in scores if one.derivable]
    missed = [f"{one.case}: {one.label}, found {one.found[:3]}" for one in told if not one.is_first]
    assert sum(one.is_first for one in told) >= FIRST_MIN * len(told), missed
    assert sum(one.is_among for one in told) >= AMONG_MIN * len(told), missed


def test_no_cause_is_wrong_with_confidence(scores: list[Score]) -> None:
    wrong = [f"{one.case}: {one.found[0]} for {one.label}" for one in scores if one.is_wrong]
    assert not wrong, wrong
