"""The proof of the catalogue: every cause has its page, its examples hold, and nobody else's do."""

import importlib
import re
from itertools import pairwise

import pytest

from virtup.causes import catalogue
from virtup.causes.catalogue import HEADINGS, UNKNOWN_SLUG, Cause, causes, diagnose
from virtup.causes.finding import Certainty, Finding, Safety
from virtup.causes.render import lines, record
from virtup.model.evidence import Evidence

ALL = causes()
POSITIVES = [(one, at) for one in ALL for at in range(len(one.positive))]
NEGATIVES = [(one, at) for one in ALL for at in range(len(one.negative))]


def also(known: Cause) -> tuple[str, ...]:
    """The slugs that may answer a positive of *known* as well; the cause itself says so."""
    return tuple(getattr(importlib.import_module(known.module), "ALSO", ()))


def name(case: object) -> str:
    return case.slug if isinstance(case, Cause) else str(case)


def squeezed(text: str) -> str:
    return " ".join(text.replace("\\n", "\n").split())


def is_quoted(finding: Finding, ev: Evidence) -> bool:
    """Does a piece of evidence stand word for word in the words, what was left out aside?"""
    words = squeezed(f"{ev.stderr}\n{ev.error}\n{ev.qmp_error}\n{ev.notes}")
    return any(
        all(part.strip() in words for part in re.split(r"…|\{…\}", squeezed(piece)))
        for piece in finding.evidence
    )


def test_codes_and_slugs_are_unique_and_well_formed() -> None:
    codes = [one.code for one in ALL]
    slugs = [one.slug for one in ALL]
    assert len(set(codes)) == len(codes)
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"VU\d{3}", code) and code != "VU000" for code in codes)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in slugs)
    assert UNKNOWN_SLUG not in slugs


@pytest.mark.parametrize("known", ALL, ids=name)
def test_a_cause_is_whole(known: Cause) -> None:
    assert known.module.rpartition(".")[2] == known.slug.replace("-", "_"), "file and slug differ"
    assert known.title.endswith("."), known.title
    assert len(known.title) <= 100
    places = [known.page.find(heading + "\n") for heading in HEADINGS]
    assert -1 not in places, f"{known.slug} lacks a heading of {HEADINGS}"
    assert all(left < right for left, right in pairwise(places)), "headings out of order"
    for section in re.split(r"^## .*$", known.page, flags=re.MULTILINE)[1:]:
        assert section.strip(), f"{known.slug} has an empty section"
    assert known.positive, f"{known.slug} has no positive"
    assert known.negative, f"{known.slug} has no negative"
    others = {one.slug for one in ALL} - {known.slug}
    assert set(known.over) <= others
    assert set(also(known)) <= others


@pytest.mark.parametrize(("known", "at"), POSITIVES, ids=name)
def test_a_positive_fires_and_quotes(known: Cause, at: int) -> None:
    ev = known.positive[at]
    found = list(known.find(ev))
    assert found, f"{known.slug} does not answer its positive {at}"
    for finding in found:
        assert finding.code == known.code
        assert finding.slug == known.slug
        assert finding.evidence
        assert all(piece.strip() for piece in finding.evidence)
        assert finding.sentence.endswith((".", "?"))
        assert finding.fixes, f"{known.slug} leaves the reader without a way out"
        for fix in finding.fixes:
            assert fix.text
            assert fix.safety is not Safety.AUTO or fix.commands
            assert fix.safety is not Safety.AUTO or fix.undo, f"{known.slug}: no undo"
    words = ev.stderr or ev.error or ev.qmp_error
    if words and not ev.definition:
        assert any(is_quoted(finding, ev) for finding in found), [f.evidence for f in found]


@pytest.mark.parametrize(("known", "at"), POSITIVES, ids=name)
def test_nobody_else_answers_a_positive(known: Cause, at: int) -> None:
    slugs = {finding.slug for finding in diagnose(known.positive[at])}
    assert known.slug in slugs
    assert slugs - {known.slug} <= set(also(known)), slugs


@pytest.mark.parametrize(("known", "at"), NEGATIVES, ids=name)
def test_a_negative_does_not_fire(known: Cause, at: int) -> None:
    assert list(known.find(known.negative[at])) == []


@pytest.mark.parametrize(("known", "at"), POSITIVES, ids=name)
def test_proven_rests_on_more_than_words(known: Cause, at: int) -> None:
    ev = known.positive[at]
    own = ev.host or ev.running or ev.signal is not None or ev.exit_status is not None
    for finding in known.find(ev):
        if finding.certainty is Certainty.PROVEN:
            by_line = ev.argv and any(
                one.startswith("the command line") for one in finding.evidence
            )
            shown = own or ev.silence or ev.definition or by_line
            assert shown or "bytes" in "".join(finding.evidence), (
                f"{known.slug} is proven by words alone"
            )


@pytest.mark.parametrize(("known", "at"), POSITIVES, ids=name)
def test_a_finding_fits_a_terminal(known: Cause, at: int) -> None:
    shown = lines(diagnose(known.positive[at]))
    assert 2 <= len(shown) <= 8
    for line in shown:
        unbreakable = max(len(word) for word in line.split())
        command = line[10:].startswith(tuple("abcdefghijklmnopqrstuvwxyz/")) and "fix" in line[:4]
        assert len(line) <= 80 or unbreakable > 60 or command, line
    assert any(line.startswith("fix:") for line in shown)


@pytest.mark.parametrize(("known", "at"), POSITIVES, ids=name)
def test_a_finding_survives_json(known: Cause, at: int) -> None:
    for finding in known.find(known.positive[at]):
        assert Finding.from_dict(finding.to_dict()) == finding
        assert any(finding.code in line for line in record(finding))


@pytest.mark.parametrize("known", ALL, ids=name)
def test_a_page_is_found_by_code_slug_and_old_words(known: Cause) -> None:
    assert catalogue.page(known.code) == known.page
    assert catalogue.page(known.code.lower()) == known.page
    assert catalogue.page(known.slug) == known.page
    strings = known.page.partition(HEADINGS[-1])[2]
    for quoted in re.findall(r"^- `([^`\n]{6,})`", strings, re.MULTILINE):
        assert known.page in catalogue.page(quoted), quoted


def test_an_unknown_key_has_no_page() -> None:
    assert catalogue.page("VU999") == ""
    assert catalogue.page("no such thing has ever been said") == ""


def test_the_historic_message_leads_to_causes() -> None:
    pages = catalogue.page("monitor socket did not show up")
    assert "kernel-file-unreadable" in pages
    assert "qemu-hangs" in pages
