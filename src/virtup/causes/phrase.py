"""Causes that words tell by themselves: the phrases of a cause, and the finding they make.

A phrase is a pattern for one message, as one version or one program puts it; its group
``subject`` is the thing concerned. What the sentence and the fixes say of the subject stands in
them as ``{subject}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.proof import Proof
from virtup.causes.words import Said, Seen, noted, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe

SUBJECTS_MAX = 3
"""So many things with one trouble are told apart; more are the same trouble again."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a start would use, and what shows before it that this cannot go well.

    ``subjects`` are asked of a start that is only thought through. Where ``proof`` holds against
    one, that start is bound to fail: it is stricter than a proof that has QEMU's words before it.
    """

    subjects: Callable[[Evidence], Iterable[str]]
    proof: Proof


@dataclass(frozen=True, slots=True)
class Told:
    """A cause that its phrases tell.

    ``phrases`` make it likely, ``doubtful`` ones, which other causes have as well, possible;
    ``noted`` ones are looked for in what the host's own logs and listings say and make it likely
    where a phrase of the other two is found as well, possible alone. ``unless`` are words that
    make it another cause's. ``backed`` has to be found in the definition, the command line or
    the host's notes for a doubtful phrase to become likely. ``otherwise`` is the sentence, and
    ``subject`` the thing, when the phrase names none. ``proof`` decides by the host, by the
    definition and by the command line what the words leave open; ``ahead`` tells it without any.
    ``proven`` is the sentence of what is decided, where that of the words is in doubt.
    """

    code: str
    slug: str
    sentence: str
    phrases: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    unless: str = ""
    backed: str = ""
    otherwise: str = ""
    subject: str = ""
    fixes: tuple[Fix, ...] = ()
    proof: Proof | None = None
    ahead: Ahead | None = None
    proven: str = ""

    def probes(self, ev: Evidence) -> Iterable[Probe[Any]]:
        """Ask for what decides about each thing that the words complain of."""
        if ev.ahead and self.ahead is not None:
            return self.ahead.proof.probes(ev, self.ahead.subjects(ev))
        if self.proof is None:
            return ()
        return self.proof.probes(ev, [subject for subject, _ in self._told(ev)])

    def find(self, ev: Evidence) -> Iterator[Finding]:
        """Yield a finding for each thing that the words complain of."""
        if ev.ahead and self.ahead is not None:
            yield from self._foreseen(ev, self.ahead)
        for subject, finding in self._told(ev):
            settled = self.proof.settle(ev, finding, subject) if self.proof else finding
            if settled is not None:
                yield self._said_plainly(settled)

    def _foreseen(self, ev: Evidence, ahead: Ahead) -> Iterator[Finding]:
        """Yield a finding for each thing that a start would fail of."""
        for subject in ahead.subjects(ev):
            shown = ahead.proof.judges(ev, subject)
            if shown is None or not shown.holds:
                continue
            yield Finding(
                self.code,
                self.slug,
                shown.sentence or self.sentence.replace("{subject}", subject),
                subject,
                Certainty.PROVEN,
                shown.facts,
                shown.fixes or tuple(_filled(fix, subject) for fix in self.fixes),
            )

    def _said_plainly(self, found: Finding) -> Finding:
        if not self.proven or found.certainty is not Certainty.PROVEN:
            return found
        return replace(found, sentence=self.proven.replace("{subject}", found.subject))

    def _told(self, ev: Evidence) -> Iterator[tuple[str, Finding]]:
        """Yield what the words complain of and what they tell of it.

        Words that name nothing (``""``) say nothing more where others name the thing.
        """
        words = said(ev)
        if self.unless and next(_seen(words, (self.unless,)), None) is not None:
            return
        notes = list(_seen(noted(ev), self.noted))
        found = [(seen, Certainty.LIKELY) for seen in _seen(words, self.phrases)]
        doubtful = list(_seen(words, self.doubtful))
        if doubtful:
            sure = bool(notes) or (bool(self.backed) and self._is_backed(ev))
            certainty = Certainty.LIKELY if sure else Certainty.POSSIBLE
            found += [(seen, certainty) for seen in doubtful]
        named = any(self._subject(seen) for seen, _ in found)
        told: set[str] = set()
        for seen, how in sorted(found, key=lambda one: (one[0].at, one[1].value)):
            subject = self._subject(seen)
            if subject in told or len(told) == SUBJECTS_MAX or (named and not subject):
                continue
            told.add(subject)
            yield subject, self._finding(seen, how, tuple(note.quote for note in notes[:1]))
        if not told and notes:
            alone = self._finding(notes[0], Certainty.POSSIBLE, ())
            yield self._subject(notes[0]), replace(alone, at=NOWHERE)

    def _is_backed(self, ev: Evidence) -> bool:
        pattern = _compiled(self.backed)
        texts = (ev.definition, "\n".join(ev.argv), noted(ev).text)
        return any(pattern.search(text) for text in texts)

    def _subject(self, seen: Seen) -> str:
        return (seen.match.groupdict().get("subject") or "").strip().rstrip(":")

    def _finding(self, seen: Seen, certainty: Certainty, more: tuple[str, ...]) -> Finding:
        named = self._subject(seen)
        sentence = self.sentence if named or not self.otherwise else self.otherwise
        subject = named or self.subject
        return Finding(
            code=self.code,
            slug=self.slug,
            sentence=sentence.replace("{subject}", subject),
            subject=subject,
            certainty=certainty,
            evidence=tuple(dict.fromkeys((seen.quote, *more))),
            fixes=tuple(_filled(fix, subject if named else "NAME") for fix in self.fixes),
            at=seen.at,
        )


def _filled(fix: Fix, subject: str) -> Fix:
    return replace(
        fix,
        text=fix.text.replace("{subject}", subject),
        commands=tuple(one.replace("{subject}", subject) for one in fix.commands),
        undo=tuple(one.replace("{subject}", subject) for one in fix.undo),
    )


_FLAGS = re.IGNORECASE | re.MULTILINE


def _seen(words: Said, phrases: Iterable[str]) -> Iterator[Seen]:
    """Every match of the phrases; one whose words do not stand there is not even compiled."""
    for phrase in phrases:
        if words.may_hold(phrase, _FLAGS):
            yield from words.find_all(_compiled(phrase))


@cache
def _compiled(phrase: str) -> re.Pattern[str]:
    return re.compile(phrase, _FLAGS)
