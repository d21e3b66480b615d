"""Evidence from text of another host: its messages, a guest's log, a definition, notes.

A guest's log holds every start since it was begun, each with the command line; only the last one
is the failure, and its command line tells what its words concern.
"""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from virtup.causes.catalogue import UNKNOWN_CODE, diagnose
from virtup.causes.finding import Certainty, Finding
from virtup.causes.strangers import is_of_another
from virtup.model.evidence import Evidence

READ_MAX = 256 * 1024
_START = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+[+-]\d{4}: starting up\b", re.MULTILINE)
_END = re.compile(
    r"^(?P<moment>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+\d{4}): shutting down, reason=(?P<reason>\w+)",
    re.MULTILINE,
)
_DAEMON_LINE = re.compile(
    r"(?P<moment>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+[+-]\d\d:?\d\d):? "
    r"(?:\d+: (?P<level>\w+) : (?:\w+:\d+ : )?|\S+ [\w-]+\[\d+\]: )(?P<message>.*)"
)
"""A line of a daemon's own log, or of the journal, where only errors were asked for."""
BURST = timedelta(seconds=0.1)
_CONTINUED = re.compile(r"(?:^[^\n]*[ \t]\\\r?\n)+[^\n]*", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=")
_NAME = re.compile(r"<name>\s*([^<\s][^<]*?)\s*</name>")
_MARKED = re.compile(
    r"&(?:lt|gt|amp|quot|apos|nbsp|#x?[\da-fA-F]+);|</?(?:code|pre|p|br|div|span)\b"
)
_TAG = re.compile(r"</?(?:code|pre|p|br|div|span|b|i|em|strong)\b[^<>\n]*>", re.IGNORECASE)
_CODE = re.compile(r"\\u([\da-fA-F]{4})")
ESCAPED_MAX = 2
"""A page that quotes a page marks its marks."""
_UNSEEN = {0xA0: " ", 0x202F: " "} | dict.fromkeys((0, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
"""Characters that a page or an editor put in, and nobody sees."""
_QUOTES = re.compile("‘([^‘’\n]*)’")
_DOUBLE_QUOTES = re.compile("“([^“”\n]*)”")
"""Quotes as word processors make them of those in a message."""
_IN_PYTHON = re.compile(r"(?<!')\\'")
"""A quote in a string as Python prints it; a shell's own has another quote before it."""
_COLOUR = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
_AROUND = re.compile(
    r"^(?:[ \t]*(?:>|[│|╷╵]|```\w*$|`(?![\w./:-]+')(?=[^`\n]*`?$)))+[ \t]?"  # quoted, boxed, marked as code
    r"|(?<=[^`\s])`+$"
    r"|^(?:\w{3}\.? [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) [\w.-]+"
    r" (?:(?P<helper>dnsmasq|swtpm|virtiofsd|passt|qemu-bridge-helper)|[\w.-]+)(?:\[\d+\])?: "
    r"|^\d{4}-\d\d-\d\d [\d:.]+[+-]\d{4}: \d+: \w+ : (?:\w+:\d+ : )?",  # a system log's head, libvirtd's
    re.MULTILINE,
)
_STRING = r"(?:[^\"\\\n]|\\.)*"
_WRAPPED = re.compile(
    r"\b\w*Error\(Code=\d+, Domain=\d+, Message=(?P<go>'{1,2})(?P<binding>[^\0]{0,4000}?)(?P=go)\)"
    rf"|^\{{.*?\"msg\":\"(?P<json>{_STRING})\"(?:.*?\"reason\":\"(?P<reason>{_STRING})\")?.*\}}$"
    rf"|^.*?\blevel=\w+ .*?\bmsg=\"(?P<fmt>{_STRING})\"(?: error=\"(?P<why>{_STRING})\")?.*$",
    re.MULTILINE,
)
"""A message as libvirt's binding for Go, a log in JSON and one in logfmt print it."""
WIDTHS = (60, 120)
"""So wide are the windows and pages that break lines."""
_BREAK = re.compile(
    r"[ \t]*\n[ \t]*(?=\S)(?!\d{4}-\d\d-\d\d|\S*(?:qemu|kvm)[\w.-]*: |(?:error|warning|fatal)\b)",
    re.IGNORECASE,
)
"""A line's end that no message follows."""
_BARE = re.compile(r"^-\w[\w-]*(?: |$)")


def evidence(
    error: str = "", *, log: str = "", xml: str = "", notes: str = "", guest: str = ""
) -> Evidence:
    """Return the evidence that texts hold: the manager's *error*, QEMU's *log*, and more.

    *log* is a guest's log with all its starts, or any words of QEMU or a helper; *xml* is the
    definition or a part of it; *notes* are lines of the host's own logs and listings.
    """
    words = plain(_ends(last_start(log)))
    named = _NAME.search(xml)
    return Evidence(
        error=plain(_ends(error)),
        stderr=words,
        definition=xml,
        notes=plain(_ends(notes)),
        argv=command_line(words),
        guest=guest or (named[1] if named else ""),
    )


def _ends(text: str) -> str:
    """The first and the last half of what is read of a text: more than all that is judged."""
    half = READ_MAX // 2
    return text if len(text) <= READ_MAX else f"{text[:half]}\n{text[-half:]}"


def judged(ev: Evidence) -> list[Finding]:
    """Return the findings on the texts of another host, best first; none of them is proven.

    Where no cause knows the words as they stand, they are tried as if a mail program, a forum or
    a narrow window had broken the lines.
    """
    found = diagnose(ev)
    broken = is_broken(ev.error) or is_broken(ev.stderr)
    if found[0].code == UNKNOWN_CODE or broken:
        again = diagnose(replace(ev, error=unbroken(ev.error), stderr=unbroken(ev.stderr)))
        known = found[0].code != UNKNOWN_CODE
        better = _is_sure(again[0]) and not _is_sure(found[0]) if known else True
        found = again if better else found
    return doubted(found, sure=not is_of_another(ev))


def _is_sure(finding: Finding) -> bool:
    return finding.certainty is not Certainty.POSSIBLE


def plain(text: str) -> str:
    """Return *text* without what pages, mails, terminals and the system log put around a message."""
    text = text.replace("\r\n", "\n").translate(_UNSEEN)
    for _ in range(ESCAPED_MAX):
        if _MARKED.search(text):
            text = html.unescape(_TAG.sub("", text)).translate(_UNSEEN)
    text = _QUOTES.sub(r"'\1'", _DOUBLE_QUOTES.sub(r'"\1"', text))
    text = _WRAPPED.sub(_message, text)
    if '\\"' in text or "\\u" in text:  # a string within JSON
        text = _CODE.sub(lambda code: chr(int(code[1], 16)), text).replace('\\"', '"')
    text = _IN_PYTHON.sub("'", text)
    return _AROUND.sub(_of_helper, _COLOUR.sub("", text))


def _of_helper(around: re.Match[str]) -> str:
    """What stays of the head of a line: whose words they are, of a helper."""
    return f"{around['helper']}: " if around["helper"] else ""


def _message(wrapped: re.Match[str]) -> str:
    """What a binding or a structured log was given to say."""
    if wrapped["binding"] is not None:
        return (
            wrapped["binding"].replace("''", "'") if wrapped["go"] == "''" else wrapped["binding"]
        )
    return ": ".join(filter(None, (wrapped[one] for one in ("json", "reason", "fmt", "why"))))


def is_broken(text: str) -> bool:
    """Were lines of *text* broken for want of room: would each next word have been too many?"""
    lines = [line.rstrip() for line in text.splitlines()]
    width = max(map(len, lines), default=0)
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        return False
    return any(
        len(line) + 1 + len(after.split(" ", 1)[0]) > width >= len(line) > width * 0.6
        and _BREAK.match(f"\n{after}") is not None
        for line, after in pairwise(lines)
    )


def unbroken(text: str) -> str:
    """Return *text* with the lines of each paragraph joined."""
    return _BREAK.sub(" ", text)


def last_start(log: str) -> str:
    """Return what *log* holds of the last start, all of it when it is no guest's log.

    A start that fails before there is a QEMU leaves only its end.
    """
    begins = [match.start() for match in _START.finditer(log)]
    last = log[begins[-1] :] if begins else log
    ends = [match.end() for match in _END.finditer(last)]
    return last[ends[-2] :] if len(ends) > 1 else last


@dataclass(frozen=True, slots=True)
class Ending:
    """How the last start in a guest's log came to its end.

    ``moment`` and that of the end ``before`` it ("" for none) are in the log's own writing.
    """

    moment: str
    reason: str
    before: str = ""

    @property
    def is_good(self) -> bool:
        """Did the guest run, and was it ended by somebody who wanted that?"""
        return self.reason not in {"failed", "crashed", "daemon", "unknown"}


def ending(log: str) -> Ending | None:
    """Return how the last start in *log* ended, None when it tells of no end."""
    found = list(_END.finditer(log))
    began = [match.start() for match in _START.finditer(log)]
    if not found or (began and began[-1] > found[-1].start()):
        return None
    return Ending(
        found[-1]["moment"], found[-1]["reason"], found[-2]["moment"] if len(found) > 1 else ""
    )


def complaints(daemon_log: str, after: str = "") -> str:
    """Return the last errors in a log or journal of a libvirt daemon, those later than *after*.

    One failure is told in several lines, all within a moment: what was wrong before it is not
    its reason.
    """
    begin = _time(after) if after else None
    kept: list[str] = []
    last = None
    for line in daemon_log.splitlines():
        stamped = _DAEMON_LINE.match(line)
        if stamped is None:
            kept += [line] if last else []
            continue
        moment = _time(stamped["moment"])
        if stamped["level"] not in {"error", None} or (begin is not None and moment <= begin):
            continue
        if last is not None and moment - last > BURST:
            kept = []
        kept.append(stamped["message"])
        last = moment
    return "\n".join(dict.fromkeys(kept))


def _time(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


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


def doubted(findings: list[Finding], *, sure: bool = True) -> list[Finding]:
    """Return *findings* without a proof: nobody looked at the host that the text is of.

    Where it is not *sure* that the text is about a guest at all, they are no more than possible.
    """
    best = Certainty.LIKELY if sure else Certainty.POSSIBLE
    return [
        replace(one, certainty=best) if one.certainty is Certainty.PROVEN or not sure else one
        for one in findings
    ]
