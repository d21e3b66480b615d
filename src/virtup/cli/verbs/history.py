"""attempts, diff: the recorded starts of a domain, and what is different between two of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from virtup.cli import history
from virtup.cli.grammar import Failure, guest, text
from virtup.cli.history import Data
from virtup.cli.run import Run
from virtup.cli.table import printable
from virtup.cli.verb import verb


@verb(
    "attempts",
    "list the recorded starts of a domain, or show one",
    guest(history.KNOWN),
    text("attempt", "the number of one start: show all of it, and where its time went"),
)
def attempts(run: Run, *, domain: str, attempt: str | None) -> None:
    """Print every recorded start of a guest, the oldest first; or the whole of one."""
    records = history.ask(run, "ATTEMPTS", domain)["attempts"]
    if attempt is not None:
        _one(run, domain, records, attempt)
        return
    rows = [
        [
            str(one["number"]),
            history.began(one),
            str(one["verdict"]),
            history.duration(one["ms"]),
            str(one["phase"]) or "-",
            history.cause(one),
        ]
        for one in records
    ]
    run.table(["No.", "Began (UTC)", "Verdict", "Took", "Step", "Cause"], rows, records)


def _one(run: Run, domain: str, records: Sequence[Data], number: str) -> None:
    found = [one for one in records if str(one["number"]) == number]
    if not found:
        known = "none is recorded"
        if records:
            known = f"there are {records[0]['number']} to {records[-1]['number']}"
        raise Failure(f"no start '{number}' of domain '{domain}' is recorded: {known}")
    if run.json:
        run.document(found[0])
    else:
        run.out("".join(f"{line}\n" for line in _whole(found[0])))


def _whole(attempt: Data) -> Iterator[str]:
    """Yield a record as lines: how it ended, its steps, what was found, what ran, its words."""
    from virtup.causes.finding import Finding
    from virtup.causes.render import record

    ended = "went well" if attempt["verdict"] != "failed" else "failed"
    where = f" in step '{attempt['phase']}'" if attempt["phase"] else ""
    took = history.duration(attempt["ms"])
    number, when = attempt["number"], history.moment(attempt)
    yield f"Start {number} of domain '{attempt['guest']}', {when}: {ended}{where} after {took}"
    if attempt["error"]:
        yield str(attempt["error"]).partition("\n")[0]
    for one in attempt["findings"]:
        yield ""
        yield from record(Finding.from_dict(one), history.columns())
    yield from _part("Steps:", history.timeline(attempt))
    yield from _part("Notes:", attempt["notes"])
    yield from _part("Used:", _used(attempt))
    yield from _part("Command line:", _words(attempt["argv"]))
    yield from _part("QEMU said:", map(printable, attempt["log"].splitlines()))
    if attempt["left_out"]:
        parts = ", ".join(attempt["left_out"])
        yield from _part("", [f"The record was too long: it has no {parts}."])


def _part(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    shown = list(lines)
    if shown:
        yield ""
        yield from [title] if title else []
        yield from (f"  {line}" for line in shown)


def _used(attempt: Data) -> Iterator[str]:
    version = f"{attempt['qemu_version']} {attempt['qemu_package']}".strip()
    facts = {
        "QEMU": " ".join(filter(None, (attempt["emulator"], version))),
        "kernel": attempt["kernel"],
        "virtup": attempt["virtup"],
        "saved state": attempt["image"],
    }
    for name, value in facts.items():
        if value:
            yield f"{name:<12} {value}"


def _words(argv: Sequence[str]) -> Iterator[str]:
    """Yield a command line, an option and its value a line, ready to paste."""
    lines: list[list[str]] = []
    for word in argv:
        value = lines and not word.startswith("-") and len(lines[-1]) == 1 and len(lines) > 1
        if value:
            lines[-1].append(word)
        else:
            lines.append([word])
    for place, words in enumerate(lines):
        yield shlex.join(words) + (" \\" if place < len(lines) - 1 else "")


@verb(
    "diff",
    "show what changed between two starts of a domain",
    guest(history.KNOWN),
    text("before", "the number of a start, or 'now' for what a start would find now"),
    text("after", "the number of a later start, or 'now'"),
    description=(
        "Without numbers: the last start that failed, or else the last, against the last before "
        "it that went well. With one number: that start against the last good one before it. The "
        "exit status is 1 when there is nothing to compare with."
    ),
)
def diff(run: Run, *, domain: str, before: str | None, after: str | None) -> None:
    """Print what is different between two starts, the most telling first."""
    reply = history.ask(run, "DIFF", domain, before=before, after=after)
    old, new = reply["before"], reply["after"]
    if run.json:
        run.document(reply)
    if old is None:
        number = "a start now" if new["verdict"] == "now" else f"start {new['number']}"
        raise Failure(
            f"no start of domain '{reply['guest']}' before {number} went well: there is nothing to "
            "compare it with"
        )
    if run.json:
        return
    if not reply["changes"]:
        run.line(f"Nothing that virtup looks at differs between {history.named(old)}")
        run.line(f"and {history.named(new)}")
        return
    run.line(f"Domain '{reply['guest']}', from {history.named(old)}")
    run.line(f"to {history.named(new)}:")
    for in_definition, group in groupby(reply["changes"], lambda one: one["area"] == "definition"):
        lines = reply["definition"] if in_definition else None
        _section(run, list(group), lines)
        if in_definition:
            reply["definition"] = []


def _section(run: Run, changes: list[dict[str, Any]], definition: list[str] | None) -> None:
    """Print changes, those of the definition as the lines that differ, once."""
    if definition is None:
        lines = history.change_lines(changes, history.columns() - 2)
    else:
        lines = list(map(printable, definition))
    if lines:
        run.line("")
        run.out("".join(f"  {line}\n" for line in lines))
