"""What a text must contain for a pattern to match it: a look that is cheaper than the search.

A pattern that begins with a wildcard costs a search of every line; that none of its fixed words
stands in the text costs one look. The words come from the pattern itself, as Python's own parser
reads it, so that a pattern and its needles cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from re import _casefix as casefix  # type: ignore[attr-defined]
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

ALTERNATIVES_MAX = 40
"""A pattern with more alternatives than this is searched for at once: looking costs as much."""
SHORT = 2
"""Fewer bytes than this stand in every text; one letter beyond ASCII is rare in English."""
NEWLINE = ord("\n")

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_ODD = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s"})
"""Letters that a search without regard to case takes for an i or an s, and `str.lower` does not."""


def folded(text: str) -> str:
    """Return *text* as needles are looked for in it."""
    return text.translate(_ODD).lower()


@dataclass(frozen=True, slots=True)
class Mark:
    """How to tell at a look where a pattern can match.

    ``needles`` are folded words of which what matches contains one at least; none: the pattern
    has to be searched for everywhere. ``in_line``: it neither takes in nor asks for what stands
    beyond its line.
    """

    needles: tuple[str, ...]
    in_line: bool

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the parts of the folded *text*, in order, that a match can stand in."""
        if self.needles and self.in_line:
            yield from sorted({place for one in self.needles for place in _lines_with(one, text)})
        elif not self.needles or any(one in text for one in self.needles):
            yield 0, len(text)


@cache
def mark(pattern: str, flags: int = 0) -> Mark:
    """Return the mark of *pattern*."""
    parsed = parser.parse(pattern, flags & ~re.DEBUG)
    found = _of_sequence(parsed)
    return Mark(
        tuple(sorted(found)) if len(found) <= ALTERNATIVES_MAX else (),
        not _leaves_line(parsed, parsed.state.flags),
    )


def _lines_with(needle: str, text: str) -> Iterator[tuple[int, int]]:
    at = text.find(needle)
    while at >= 0:
        end = text.find("\n", at + len(needle))
        end = end if end >= 0 else len(text)
        yield text.rfind("\n", 0, at) + 1, end
        at = text.find(needle, end)


def _leaves_line(items: Iterable[tuple[Any, Any]], flags: int) -> bool:
    """Can a part of the pattern match a line's end, or ask for the text's?"""
    return any(_is_beyond(kind, value, flags) for kind, value in items)


def _is_beyond(kind: object, value: Any, flags: int) -> bool:
    if kind is op.BRANCH:
        return any(_leaves_line(branch, flags) for branch in value[1])
    if kind is op.SUBPATTERN:
        return _leaves_line(value[-1], flags | value[1])
    if kind in _REPEATS:
        return _leaves_line(value[2], flags)
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return _leaves_line(value[1], flags)
    if kind is op.AT:
        in_line = {op.AT_BOUNDARY, op.AT_NON_BOUNDARY}
        if flags & re.MULTILINE:
            in_line |= {op.AT_BEGINNING, op.AT_END}
        return value not in in_line
    if kind is op.IN:
        negated = value[0][0] is op.NEGATE
        return negated is not any(_takes_newline(*one) for one in value)
    if kind is op.NOT_LITERAL:
        return bool(value != NEWLINE)
    if kind is op.ANY:
        return bool(flags & re.DOTALL)
    return kind is not op.GROUPREF and _takes_newline(kind, value)


def _takes_newline(kind: object, value: Any) -> bool:
    if kind is op.LITERAL:
        return bool(value == NEWLINE)
    if kind is op.RANGE:
        return bool(value[0] <= NEWLINE <= value[1])
    if kind is op.CATEGORY:
        return value in (op.CATEGORY_SPACE, op.CATEGORY_NOT_WORD, op.CATEGORY_NOT_DIGIT)
    return kind is not op.NEGATE


def _of_sequence(items: Iterable[tuple[Any, Any]]) -> frozenset[str]:
    """The best choice among what each part of a sequence demands: all of them must be there."""
    choices = [choice for choice in _demands(items) if choice]
    return max(choices, key=_worth, default=frozenset())


def _worth(choice: frozenset[str]) -> tuple[int, int]:
    """How rare a text with one of the needles is; a letter beyond ASCII tells more than one."""
    return min(len(needle.encode()) for needle in choice), -len(choice)


def _demands(items: Iterable[tuple[Any, Any]]) -> Iterator[frozenset[str]]:
    run = ""
    for kind, value in items:
        if kind is op.LITERAL and _folds_alone(chr(value)):
            run += chr(value)
            continue
        yield _of_run(run)
        run = ""
        if kind is op.SUBPATTERN:
            yield _of_sequence(value[-1])
        elif kind is op.BRANCH:
            yield _of_branches(value[1])
        elif kind in _REPEATS and value[0] > 0:
            yield _of_sequence(value[2])
    yield _of_run(run)


def _of_run(run: str) -> frozenset[str]:
    return frozenset({folded(run)}) if len(run.encode()) >= SHORT else frozenset()


def _of_branches(branches: Iterable[Iterable[tuple[Any, Any]]]) -> frozenset[str]:
    each = [_of_sequence(branch) for branch in branches]
    return frozenset().union(*each) if all(each) else frozenset()


def _folds_alone(letter: str) -> bool:
    """Has *letter* one small form, which `folded` gives for each of its others?"""
    return letter.isascii() or not any(ord(one) in casefix._EXTRA_CASES for one in letter.lower())
