"""The causes against labelled cases from the wild, by their text alone; prints the figures."""

import json
from typing import Any

import pytest

from tests import lab
from tests.figures import Tell
from tests.golden.scoring import Score, figures
from virtup.causes import elsewhere

CORPUS = lab.SHARED / "corpus" / "corpus-open.jsonl"
FIRST_MIN = 0.95
AMONG_MIN = 0.98
"""What of the cases that a text can tell has to be first, and among the first three."""


def scored(case: dict[str, Any]) -> Score:
    ev = elsewhere.evidence(
        case["error"], log=case["log"], xml=case["xml"], notes=case["host_evidence"]
    )
    findings = elsewhere.judged(ev)
    return Score.of(case["id"], [case["cause_id"]], findings, derivable=case["derivable_from_text"])


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    if not CORPUS.exists():
        pytest.skip(f"no corpus at {CORPUS} (set VIRTUP_SHARED)")
    return [scored(json.loads(line)) for line in CORPUS.read_text().splitlines() if line.strip()]


def test_the_figures(scores: list[Score], tell: Tell) -> None:
    told = [one for one in scores if one.derivable]
    others = [one for one in scores if not one.derivable]
    tell(figures("from the wild, the text tells it", told))
    tell(figures("from the wild, the text does not", others))
    assert told


def test_what_a_text_can_tell_is_told(scores: list[Score]) -> None:
    told = [one for one in scores if one.derivable]
    missed = [str(one) for one in told if not one.is_first]
    assert sum(one.is_first for one in told) >= FIRST_MIN * len(told), missed
    assert sum(one.is_among for one in told) >= AMONG_MIN * len(told), missed


def test_no_cause_is_wrong_with_confidence(scores: list[Score]) -> None:
    assert [str(one) for one in scores if one.is_wrong] == []
