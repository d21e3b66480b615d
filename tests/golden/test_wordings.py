"""The causes against failures in words of our own: old and new versions, languages, noise."""

import pytest

from tests.golden.scoring import NOBODY, Score, figures
from tests.golden.wordings import wordings
from virtup.causes.catalogue import causes

FIRST_MIN = 0.97
AMONG_MIN = 0.99


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return [Score.of(one.name, one.answers, one.findings()) for one in wordings()]


def test_the_figures(scores: list[Score], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print()
        print(figures("in other words", scores))
    assert len(scores) > 250


def test_the_right_cause_is_told(scores: list[Score]) -> None:
    missed = [str(one) for one in scores if not one.is_first]
    assert sum(one.is_first for one in scores) >= FIRST_MIN * len(scores), missed
    assert sum(one.is_among for one in scores) >= AMONG_MIN * len(scores), missed


def test_no_cause_is_wrong_with_confidence(scores: list[Score]) -> None:
    assert [str(one) for one in scores if one.is_wrong] == []


def test_every_label_is_a_cause() -> None:
    known = {one.slug for one in causes()} | {NOBODY}
    labels = {part for one in wordings() for label in one.answers for part in label.split("+")}
    assert labels <= known
