"""What makes a cause that words tell proven: what to ask of the host, and what the answer shows.

A cause is told by words first. Its `Proof` names the probes that decide it, and judges their
facts: it holds (the finding is proven and says what was seen), it does not (the finding is doubted,
or dropped when its words were doubtful already), or nothing was seen and the words stand alone.
What the definition and the command line show by themselves is a proof that asks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe


@dataclass(frozen=True, slots=True)
class Shown:
    """What was seen of a suspicion; ``facts`` are whole lines of evidence.

    ``sentence`` and ``fixes`` replace those of the words where they are given.
    """

    holds: bool
    facts: tuple[str, ...] = ()
    sentence: str = ""
    fixes: tuple[Fix, ...] = ()


Judge = Callable[[Evidence, str], Shown | None]
Asker = Callable[[Evidence, str], Iterable[Probe[Any]]]


def _nothing(_ev: Evidence, _subject: str) -> tuple[Probe[Any], ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Proof:
    """How a suspicion against a subject (``""`` when the words name none) is decided.

    ``judges`` returns None when it cannot tell. ``asks`` is heard only where QEMU's account is
    known: text from elsewhere is of another host.
    """

    judges: Judge
    asks: Asker = _nothing

    def probes(self, ev: Evidence, subjects: Iterable[str]) -> Iterable[Probe[Any]]:
        """Yield what to ask about each of *subjects*."""
        if ev.uid is not None:
            for subject in subjects:
                yield from self.asks(ev, subject)

    def settled(
        self, ev: Evidence, finding: Finding, subject: str | None = None
    ) -> Iterator[Finding]:
        """Yield *finding* as the facts about *subject*, else its own, make it, or nothing."""
        left = self.settle(ev, finding, finding.subject if subject is None else subject)
        if left is not None:
            yield left

    def settle(self, ev: Evidence, finding: Finding, subject: str) -> Finding | None:
        """Return *finding* as the facts make it, None when they leave nothing of it."""
        shown = self.judges(ev, subject)
        if shown is None:
            return finding
        evidence = tuple(dict.fromkeys((*finding.evidence, *shown.facts)))
        if not shown.holds:
            if finding.certainty is Certainty.POSSIBLE:
                return None
            return replace(finding, certainty=Certainty.POSSIBLE, evidence=evidence)
        return replace(
            finding,
            certainty=Certainty.PROVEN,
            sentence=shown.sentence or finding.sentence,
            evidence=evidence,
            fixes=shown.fixes or finding.fixes,
        )


def here(fact: str) -> str:
    """Return the line of evidence for what a probe saw."""
    return f"this host: {fact}"


def holds(*facts: str, sentence: str = "", fixes: tuple[Fix, ...] = ()) -> Shown:
    """Return that this host shows it, by *facts*."""
    return Shown(True, tuple(here(fact) for fact in facts), sentence, fixes)


def refuted(*facts: str) -> Shown:
    """Return that this host shows the opposite."""
    return Shown(False, tuple(here(fact) for fact in facts))


def stands(where: str, fact: str, sentence: str = "") -> Shown:
    """Return that *where* (``the definition``, ``the command line``) itself shows it."""
    return Shown(True, (f"{where}: {fact}",), sentence)


def shows(refutes: bool, yes: str, no: str, **more: Any) -> Shown:
    """Return `holds` by *yes*, or `refuted` by *no* when it *refutes*."""
    return refuted(no) if refutes else holds(yes, **more)


def either(*proofs: Proof) -> Proof:
    """Return the proof that is decided by the first of *proofs* that can tell."""

    def judges(ev: Evidence, subject: str) -> Shown | None:
        seen = [shown for one in proofs if (shown := one.judges(ev, subject)) is not None]
        return next((shown for shown in seen if shown.holds), seen[0] if seen else None)

    def asks(ev: Evidence, subject: str) -> Iterable[Probe[Any]]:
        for one in proofs:
            yield from one.asks(ev, subject)

    return Proof(judges, asks)
