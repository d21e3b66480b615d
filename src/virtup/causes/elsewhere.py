"""Evidence from text of another host: its messages, a guest's log, a definition, notes.

A guest's log holds every start since it was begun, each with the command line; only the last one
is the failure, and its command line tells what its words concern.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from virtup.causes.finding import Certainty, Finding
from virtup.model.evidence import Evidence

_START = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+[+-]\d{4}: starting up\b", re.MULTILINE)
_CONTINUED = re.compile(r"(?:^[^\n]*[ \t]\\\r?\n)+[^\n]*", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=")
_NAME = re.compile(r"<name>\s*([^<\s][^<]*?)\s*</name>")
_BARE = re.compile(r"^-\w[\w-]*(?: |$)")


def evidence(
    error: str = "", *, log: str = "", xml: str = "", notes: str = "", guest: str = ""
) -> Evidence:
    """Return the evidence that texts hold: the manager's *error*, QEMU's *log*, and more.

    *log* is a guest's log with all its starts, or any words of QEMU or a helper; *xml* is the
    definition or a part of it; *notes* are lines of the host's own logs and listings.
    """
    words = last_start(log)
    named = _NAME.search(xml)
    return Evidence(
        error=error,
        stderr=words,
        definition=xml,
        notes=notes,
        argv=command_line(words),
        guest=guest or (named[1] if named else ""),
    )


def last_start(log: str) -> str:
    """Return what *log* holds of the last start, all of it when it is no guest's log."""
    begins = [match.start() for match in _START.finditer(log)]
    return log[begins[-1] :] if begins else log


def command_line(log: str) -> tuple[str, ...]:
    """Return QEMU's command line as a guest's log has it, ``()`` when there is none whole.

    The lines end in a backslash each but the last; what stands before the program is its
    environment.
    """
    for block in _CONTINUED.finditer(log):
        try:
            words = shlex.split(block[0].replace("\\\r\n", " ").replace("\\\n", " "))
        except ValueError:
            continue
        while words and _ASSIGNMENT.match(words[0]):
            del words[0]
        if any(_BARE.match(word) for word in words):
            return tuple(words)
    return ()


def doubted(findings: list[Finding]) -> list[Finding]:
    """Return *findings* without a proof: nobody looked at the host that the text is of."""
    return [
        replace(one, certainty=Certainty.LIKELY) if one.certainty is Certainty.PROVEN else one
        for one in findings
    ]
