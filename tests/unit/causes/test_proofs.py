"""What makes a told cause proven, and what speaks against it: one row a cause, by its own words.

`test_every_proof_has_a_row` keeps the table (`tests.proofs`) whole.
"""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.proofs import around, guest, host
from tests.proofs.row import APT, QEMU, SAVE, UID, Facts, Row
from virtup.causes.catalogue import causes
from virtup.causes.finding import Certainty, Finding
from virtup.model.evidence import Evidence
from virtup.model.probe import (
    Probe,
)

ROWS = (*host.ROWS, *guest.ROWS, *around.ROWS)
SLUGS = {row.slug for row in ROWS}
KNOWN = {one.slug: one for one in causes()}
ELSEWHERE = {"fw-rom-missing", "host-cpu-not-online", "host-numa-node-missing"}
"""Causes whose own examples hold the facts that decide them."""


def evidence(row: Row, seen: Facts) -> Evidence:
    ev = KNOWN[row.slug].positive[row.at]
    if row.words:
        ev = Evidence(error=row.words)
    return replace(
        ev,
        uid=UID,
        emulator=QEMU,
        guest=row.guest,
        phase="load" if row.slug.startswith("restore-") else ev.phase,
        path=SAVE if row.slug.startswith("restore-") else ev.path,
        definition=row.definition or ev.definition,
        argv=row.argv or ev.argv,
        host={**ev.host, **seen},
    )


def found(row: Row, seen: Facts) -> list[Finding]:
    return list(KNOWN[row.slug].find(evidence(row, seen)))


def asked_on(row: Row, seen: Facts) -> set[Probe[Any]]:
    """What the cause asks for, and goes on to ask once it knows what was *seen*."""
    known = KNOWN[row.slug]
    bare = evidence(row, {})
    first = set(known.probes(bare))
    return first | set(known.probes(replace(bare, host=dict(seen))))


@pytest.mark.parametrize("row", [row for row in ROWS if row.fact], ids=lambda row: row.slug)
def test_what_is_seen_proves_it(row: Row) -> None:
    proven = [one for one in found(row, row.host) if one.certainty is Certainty.PROVEN]
    assert proven, found(row, row.host)
    lines = [piece for piece in proven[0].evidence if row.fact in piece]
    assert lines, proven[0].evidence
    assert lines[0].startswith(("this host: ", "the definition: ", "the command line: "))


@pytest.mark.parametrize("row", [row for row in ROWS if row.fact], ids=lambda row: row.slug)
def test_what_is_proven_is_said_without_doubt(row: Row) -> None:
    sure = [one for one in found(row, row.host) if one.certainty is Certainty.PROVEN]
    doubts = re.compile(r"\bmay (?!not )|perhaps|might|most often|believes")
    assert not [one.sentence for one in sure if doubts.search(one.sentence)]


@pytest.mark.parametrize("row", [row for row in ROWS if row.host], ids=lambda row: row.slug)
def test_it_asks_for_what_proves_it(row: Row) -> None:
    assert asked_on(row, row.host) >= set(row.host) - set(APT), asked_on(row, row.host)


@pytest.mark.parametrize("row", [row for row in ROWS if row.host], ids=lambda row: row.slug)
def test_nothing_is_asked_of_another_host(row: Row) -> None:
    assert set(KNOWN[row.slug].probes(replace(evidence(row, {}), uid=None))) == set()


@pytest.mark.parametrize("row", [row for row in ROWS if row.against], ids=lambda row: row.slug)
def test_the_opposite_speaks_against_it(row: Row) -> None:
    left = found(row, row.against)
    assert all(one.certainty is Certainty.POSSIBLE for one in left), left


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.slug)
def test_words_alone_prove_nothing(row: Row) -> None:
    bare = replace(evidence(row, {}), definition="", argv=())
    if (
        "its memory is lost" in bare.error
    ):  # virtup read the image itself, unless that was elsewhere
        bare = replace(bare, uid=None, phase="")
    assert all(one.certainty is not Certainty.PROVEN for one in KNOWN[row.slug].find(bare))


def test_every_proof_has_a_row() -> None:
    sources = {one.slug: inspect.getsource(importlib.import_module(one.module)) for one in causes()}
    proofs = {slug for slug, text in sources.items() if "proof=" in text or ".settled(" in text}
    assert proofs - SLUGS - ELSEWHERE == set()
