"""Findings as a few aligned lines for a terminal, and as a whole record.

The first line of an error is the caller's; `lines` gives what follows it: cause, evidence and fix
of the best findings, in at most eight lines of eighty columns. A command is never broken in a way
that keeps it from being pasted.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from virtup.causes.finding import Certainty, Finding, Fix

LABEL = {
    Certainty.PROVEN: "cause",
    Certainty.LIKELY: "likely",
    Certainty.POSSIBLE: "maybe",
}
INDENT = 10
LINES_MAX = 8


def lines(
    findings: Sequence[Finding], width: int = 80, limit: int = LINES_MAX, *, name: str = "NAME"
) -> list[str]:
    """Return at most *limit* lines of *width* columns for *findings*, best first.

    *name* is the guest's, for the command that shows what there was no room for.

    One finding is shown with its evidence and fix; of several, each gets its cause and fix as
    long as there is room, and the last line counts what is left out. A single word or command
    piece longer than the width stands on a line of its own, whole.
    """
    if not findings:
        return []
    best: list[str] = []
    for count in range(min(len(findings), 3), 0, -1):
        for evidence, fixes in ((2, 9), (1, 9), (1, 1), (0, 1)):
            shown = _several(findings, count, width, evidence=evidence, fixes=fixes)
            shown += _more(len(findings) - count, name)
            if len(shown) <= limit:
                return shown
        best = shown
    return _cut(best, limit, width)


def record(finding: Finding, width: int = 80) -> list[str]:
    """Return the whole of *finding*, with every piece of evidence, fix and undo."""
    shown = [f"{finding.code} {finding.slug} ({finding.certainty.value})"]
    shown += _wrap("cause", finding.sentence, width)
    for piece in finding.evidence:
        shown += _wrap("evidence", piece, width)
    for fix in finding.fixes:
        shown += _wrap("fix", fix.text, width)
        for command in fix.commands:
            shown += _command("", command, width)
        for command in fix.undo:
            shown += _command("undo", command, width)
    return shown


def _several(
    findings: Sequence[Finding],
    count: int,
    width: int,
    *,
    evidence: int,
    fixes: int,
) -> list[str]:
    """Show *count* findings: *evidence* pieces of the first, a fix of the first *fixes*."""
    shown: list[str] = []
    for at, finding in enumerate(findings[:count]):
        shown += _cause(finding, width)
        for place, piece in enumerate(finding.evidence[: evidence if at == 0 else 0]):
            shown += _wrap("evidence" if not place else "", piece, width)
        if at < fixes and finding.fixes:
            shown += _fix(finding.fixes[0], width)
    return shown


def _more(left: int, name: str) -> list[str]:
    noun = "finding" if left == 1 else "findings"
    return [_label("more") + f"{left} other {noun}: virtup why {name}"] if left else []


def _cause(finding: Finding, width: int) -> list[str]:
    return _wrap(LABEL[finding.certainty], f"{finding.sentence} [{finding.code}]", width)


def _fix(fix: Fix, width: int) -> list[str]:
    if not fix.commands:
        return _wrap("fix", fix.text, width)
    shown: list[str] = []
    for command in fix.commands:
        shown += _command("fix" if not shown else "", command, width)
    return shown


def _command(label: str, command: str, width: int) -> list[str]:
    wrapped = textwrap.wrap(
        command,
        width - INDENT - 2,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    safe = " ".join(wrapped) == command and "'" not in command and '"' not in command
    if not safe or len(command) <= width - INDENT:
        wrapped = [command]
    broken = [piece + " \\" for piece in wrapped[:-1]] + wrapped[-1:]
    return [_label(label if not at else "") + piece for at, piece in enumerate(broken)]


def _wrap(label: str, text: str, width: int) -> list[str]:
    clean = " ".join(text.split())
    wrapped = textwrap.wrap(clean, width - INDENT, break_long_words=False, break_on_hyphens=False)
    return [_label(label if not at else "") + piece for at, piece in enumerate(wrapped or [""])]


def _cut(shown: list[str], limit: int, width: int) -> list[str]:
    if len(shown) <= limit:
        return shown
    kept = shown[:limit]
    kept[-1] = kept[-1][: width - 2] + " …"
    return kept


def _label(label: str) -> str:
    return f"{label + ':' if label else '':<{INDENT}}"
