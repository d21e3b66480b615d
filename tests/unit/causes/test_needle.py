"""A look in place of a search: what is looked for, and that no match is ever lost by it."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from functools import cache

import pytest

import virtup.causes as package
from tests import lab
from virtup.causes.catalogue import causes
from virtup.causes.needle import folded, mark
from virtup.causes.phrase import Told
from virtup.causes.words import Said

TOLD = re.IGNORECASE | re.MULTILINE


def spans(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [match.span() for match in pattern.finditer(text)]


def seen(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [one.match.span() for one in Said(text).find_all(pattern)]


@pytest.mark.parametrize(
    ("pattern", "needles"),
    [
        ("group (?P<n>\\d+) is not viable", (" is not viable",)),
        ("(?:cannot|could not) open", (" open",)),
        ("(?:failed|could not)", ("could not", "failed")),
        ("(?:cannot open)? ?", ()),
        ("(?:busy)+ \\S+", ("busy",)),
        ("Kein Schlüssel", ("kein schlüssel",)),
        ("a|busy", ()),
        ("[xy]z\\d", ()),
    ],
)
def test_the_needle_is_what_has_to_be_there(pattern: str, needles: tuple[str, ...]) -> None:
    assert mark(pattern, TOLD).needles == needles


@pytest.mark.parametrize(
    ("pattern", "in_line"),
    [
        ("busy[^\\n]*$", True),
        ("^busy\\b", True),
        ("busy[^\\s']+", True),
        ("busy(?=[^\\n]*x)(?! y)", True),
        ("(busy)\\1", True),
        ("busy[^:]*", False),
        ("busy\\s+x", False),
        ("busy\\W", False),
        ("busy(?:x|\\n)", False),
        ("busy(?![\\s\\S]*end)", False),
        ("busy(?s:.)", False),
        ("busy[^x]{0,3}?", False),
        ("busy\\Z", False),
    ],
)
def test_a_pattern_stays_in_its_line_or_is_known_to_leave_it(pattern: str, in_line: bool) -> None:
    assert mark(pattern, TOLD).in_line is in_line
    text = "so busy: x\nbusybusy'\nend\n\nnot BUSY\n"
    compiled = re.compile(pattern, TOLD)
    assert seen(compiled, text) == spans(compiled, text)


def test_an_end_is_a_line_s_end_only_in_a_search_by_lines() -> None:
    assert mark("busy$", re.MULTILINE).in_line
    assert not mark("busy$").in_line


def test_every_letter_is_found_whatever_its_case() -> None:
    cased = [one for one in map(chr, range(0x20000)) if one.lower() != one or one.upper() != one]
    text = "".join(cased)
    known = 0
    for letter in cased:
        needles = mark(re.escape(letter) * 2, re.IGNORECASE).needles
        known += bool(needles)
        alike = re.findall(re.escape(letter), text, re.IGNORECASE) if needles else []
        assert [one for one in alike if folded(one) * 2 != needles[0]] == []
    assert known > 0.9 * len(cased)


@cache
def patterns() -> tuple[re.Pattern[str], ...]:
    """Every pattern that a cause searches the words for."""
    found: set[re.Pattern[str]] = set()
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, re.Pattern):
                found.add(value)
            if isinstance(value, Told):
                phrases = (*value.phrases, *value.doubtful, *value.noted, value.unless)
                found |= {re.compile(one, TOLD) for one in phrases if one}
    return tuple(found)


def examples() -> Iterator[str]:
    for known in causes():
        for ev in (*known.positive, *known.negative):
            yield f"{ev.stderr}\n{ev.error}\n{ev.qmp_error}\n{ev.notes}\n"


def corpus() -> Iterator[str]:
    path = lab.SHARED / "corpus" / "corpus-open.jsonl"
    if not path.exists():
        pytest.skip(f"no corpus at {path} (set VIRTUP_SHARED)")
    for line in path.read_text().splitlines():
        case = json.loads(line)
        yield f"{case['error']}\n{case['log']}\n{case['host_evidence']}\n"


def lost(texts: Iterator[str]) -> list[str]:
    """The patterns that find another thing in the texts by a look than by a search."""
    whole = "\n".join("".join(texts).splitlines())
    return [one.pattern for one in patterns() if seen(one, whole) != spans(one, whole)]


def test_no_example_of_a_cause_loses_a_match() -> None:
    assert len(patterns()) > 300
    assert lost(examples()) == []


def test_no_case_from_the_wild_loses_a_match() -> None:
    assert lost(corpus()) == []


def test_most_patterns_can_be_told_at_a_look() -> None:
    marks = [mark(one.pattern, one.flags) for one in patterns()]
    assert sum(bool(one.needles) for one in marks) > 0.9 * len(marks)
