"""Every cause that virtup knows, the order of their findings, and their pages.

A cause is a module below this package's families, and found there: ``CODE``, ``SLUG``,
``POSITIVE`` and ``NEGATIVE`` evidence, ``probes`` and ``find``, and its docstring as its page.
``OVER`` names the causes that it is the better word for when both rest on the same evidence;
``LAST`` says that any other finding is a better word.
``changes`` works out, for a finding, what its first fix "in the definition" changes there.
Codes are never used for another cause again.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

import virtup.causes as package
from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety, mend
from virtup.causes.symptom import Symptom, is_symptom, symptoms
from virtup.causes.words import TEXT_MAX, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe
from virtup.model.repair import Change, EditDefinition

UNKNOWN_CODE = "VU000"
UNKNOWN_SLUG = "unknown"
HEADINGS = (
    "## What it means",
    "## How to confirm",
    "## What to do",
    "## Strings it goes by",
)


@dataclass(frozen=True)
class Cause:
    """One cause of the catalogue; ``over`` holds the slugs that it replaces.

    ``last``: it is told only where nothing else is.
    """

    code: str
    slug: str
    title: str
    page: str
    probes: Callable[[Evidence], Iterable[Probe[Any]]]
    find: Callable[[Evidence], Iterable[Finding]]
    positive: tuple[Evidence, ...]
    negative: tuple[Evidence, ...]
    over: tuple[str, ...]
    last: bool
    module: str


@cache
def causes() -> tuple[Cause, ...]:
    """Return every cause, by code."""
    return tuple(sorted((_cause(module) for module in _modules()), key=lambda cause: cause.code))


def probes(ev: Evidence) -> set[Probe[Any]]:
    """Return what the causes want to know of the host and *ev* does not hold yet."""
    wanted = {probe for cause in causes() for probe in cause.probes(ev)}
    return wanted - set(ev.host)


def diagnose(ev: Evidence) -> list[Finding]:
    """Return what *ev* shows, best first; never empty when there is anything to show.

    First stand the causes that QEMU's words or the host prove, in the order of the words, then
    the likely ones, then the possible. When no cause answers, the one finding is ``unknown``
    with the words in order.
    """
    found = [finding for cause in causes() for finding in cause.find(ev)]
    last = {known.slug for known in causes() if known.last}
    better = [finding for finding in found if finding.slug not in last]
    kept = _merged(sorted(_best(better or found), key=_order))
    return kept or [unknown(ev)]


def cause(key: str) -> Cause | None:
    """Return the cause with the code or slug *key*, or None."""
    wanted = key.strip()
    for known in causes():
        if wanted.upper() == known.code or wanted.lower().replace("_", "-") == known.slug:
            return known
    return None


def page(key: str) -> str:
    """Return the page of a code, of a slug, or of what a message means; ``""`` for none.

    A message that several causes answer gives their pages, best first.
    """
    known = cause(key)
    if known is not None:
        return known.page
    answers = [finding.code for finding in diagnose(Evidence(error=key))]
    by_words = [one.code for one in causes() if _names(one, key)]
    pages = []
    if answers == [UNKNOWN_CODE]:
        pages = [_symptom_page(symptom) for symptom in symptoms([key])]
    for code in dict.fromkeys([*answers, *by_words]):
        known = cause(code)
        if known is not None:
            pages.append(known.page)
    return "\n\n".join(pages)


def _symptom_page(symptom: Symptom) -> str:
    """What a message means that names no cause, and the causes that mostly bring it."""
    lines = [f"# {symptom.messages[0]}", "", symptom.meaning, ""]
    lines += [f"{symptom.look.text[0].upper()}{symptom.look.text[1:]}:", ""]
    lines += [f"    {command}" for command in symptom.look.commands]
    known = {one.slug: one for one in causes()}
    usual = [known[slug] for slug in symptom.usual]
    if usual:
        lines += ["", "What it mostly comes from:", ""]
        lines += [f"- {one.code} {one.slug}: {one.title}" for one in usual]
    return "\n".join(lines) + "\n"


def _names(known: Cause, message: str) -> bool:
    words = message.strip().strip(".").lower()
    return len(words) >= 6 and words in known.page.lower()


def _modules() -> Iterator[ModuleType]:
    for family in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not family.ispkg:
            continue
        inside = importlib.import_module(family.name)
        for found in pkgutil.iter_modules(inside.__path__, inside.__name__ + "."):
            yield importlib.import_module(found.name)


def _cause(module: ModuleType) -> Cause:
    text = inspect.cleandoc(module.__doc__ or "")
    title, _, body = text.partition("\n")
    return Cause(
        code=module.CODE,
        slug=module.SLUG,
        title=title.strip(),
        page=f"# {module.CODE} {module.SLUG}\n\n{title.strip()}\n{body}".rstrip() + "\n",
        probes=module.probes,
        find=_with_changes(module),
        positive=tuple(module.POSITIVE),
        negative=tuple(module.NEGATIVE),
        over=tuple(getattr(module, "OVER", ())),
        last=bool(getattr(module, "LAST", False)),
        module=module.__name__,
    )


def _with_changes(module: ModuleType) -> Callable[[Evidence], Iterable[Finding]]:
    """Return the cause's ``find``, with what its ``changes`` make of the definition in a fix."""
    changes: Callable[[Evidence, Finding], tuple[Change, ...]] | None
    changes = getattr(module, "changes", None)
    if changes is None:
        plain: Callable[[Evidence], Iterable[Finding]] = module.find
        return plain

    def find(ev: Evidence) -> Iterator[Finding]:
        for finding in module.find(ev):
            yield _changing(finding, changes(ev, finding))

    return find


def _changing(finding: Finding, changes: tuple[Change, ...]) -> Finding:
    """Return *finding* with *changes* in its first fix that a person would have to make."""
    for at, fix in enumerate(finding.fixes):
        if changes and fix.safety is Safety.CONFIRM and not fix.commands and not fix.repair:
            made = mend(fix.text, EditDefinition(changes), safety=fix.safety)
            return replace(finding, fixes=(*finding.fixes[:at], made, *finding.fixes[at + 1 :]))
    return finding


def _best(found: Sequence[Finding]) -> Iterator[Finding]:
    """Drop what a better finding replaces, and a second finding of one cause and subject."""
    over = {known.slug: known.over for known in causes()}
    taken: set[tuple[str, str]] = set()
    for finding in sorted(found, key=_order):
        key = (finding.code, finding.subject)
        if key in taken or any(_replaces(other, finding, over) for other in found):
            continue
        taken.add(key)
        yield finding


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """Make one finding of those that one repair mends: one closed directory, three files."""
    kept: list[Finding] = []
    places: dict[tuple[str, ...], int] = {}
    for finding in found:
        commands = finding.fixes[0].commands if finding.fixes else ()
        place = places.get(commands)
        if finding.certainty is not Certainty.PROVEN or not commands or place is None:
            if finding.certainty is Certainty.PROVEN:
                places[commands] = len(kept)
            kept.append(finding)
            continue
        first = kept[place]
        more = f"the same holds for '{finding.subject}'"
        kept[place] = replace(first, evidence=(*first.evidence, more))
    return kept


_RANKS = {Certainty.PROVEN: 0, Certainty.LIKELY: 1, Certainty.POSSIBLE: 2}


def _replaces(other: Finding, finding: Finding, over: dict[str, tuple[str, ...]]) -> bool:
    if finding.slug not in over[other.slug] or _RANKS[other.certainty] > _RANKS[finding.certainty]:
        return False
    shared = set(other.evidence) & set(finding.evidence)
    return bool(shared) or other.subject == finding.subject


def _order(finding: Finding) -> tuple[bool, bool, int, int, str]:
    possible = finding.certainty is Certainty.POSSIBLE
    silent = finding.at >= NOWHERE
    return (possible, silent, finding.at, _RANKS[finding.certainty], finding.code)


_TELLING = re.compile(
    r"\b(?:error|fail|cannot|could not|unable|denied|invalid|refus|assert)", re.IGNORECASE
)


def unknown(ev: Evidence) -> Finding:
    """Return the finding that lays out what *ev* has, in order."""
    lines = said(ev).lines or tuple(_noise(ev))
    telling = [line for line in lines if _TELLING.search(line)] or list(lines)
    sentence = "No known cause fits; the messages in order, the first one first:"
    look = Fix(
        "read the guest's log and what changed since it last ran",
        (f"virtup attempts {ev.guest or 'NAME'}",),
    )
    elsewhere = ev.uid is None  # nobody could look at the host: the words have to say more
    if elsewhere:
        look = Fix(
            "add what there is of it: QEMU's log, the definition, the kernel's log", (_MORE,)
        )
    shown = list(symptoms(telling))
    if shown and all(is_symptom(line) for line in telling):
        sentence = shown[0].meaning
        look = shown[0].look if elsewhere else look
    return Finding(
        code=UNKNOWN_CODE,
        slug=UNKNOWN_SLUG,
        sentence=sentence,
        subject=ev.guest,
        certainty=Certainty.POSSIBLE,
        evidence=tuple(telling[:5]) or (_silence(ev),),
        fixes=(look,),
    )


_MORE = "virtup diagnose --error FILE --log FILE --xml FILE --host-evidence FILE"


def _noise(ev: Evidence) -> Iterator[str]:
    """What was said, when all of it is noise."""
    for source in (ev.stderr, ev.error, ev.qmp_error):
        yield from (line.strip() for line in source[:TEXT_MAX].splitlines() if line.strip())


def _silence(ev: Evidence) -> str:
    where = f" in the step '{ev.phase}'" if ev.phase else ""
    if ev.exit_status is not None:
        return f"QEMU exited with status {ev.exit_status}{where} and said nothing"
    if ev.signal is not None:
        return f"QEMU was ended by signal {ev.signal}{where} and said nothing"
    return f"the start failed{where} and nothing was said"
