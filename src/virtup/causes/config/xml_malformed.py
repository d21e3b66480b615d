"""The definition is not well-formed XML.

## What it means
The text cannot be read as XML at all: an element is not closed, a quote or an ampersand stands bare,
there is nothing, or something before the first `<`.

## How to confirm
`xmllint --noout FILE` names line and column.

## What to do
Close the element, write `&amp;` for `&` and `&lt;` for `<`.

## Strings it goes by
- `(domain_definition):2: Opening and ending tag mismatch: name line 2 and domain`
- `Start tag expected, '<' not found`, `Document is empty`, `Premature end of data`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import definition
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.words import said
from virtup.errors import XmlInvalid
from virtup.model import document
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU110"
SLUG = "xml-malformed"

_WORDS = re.compile(
    r"(?:\((?P<a>\w+_(?:definition|xml|options|params|id|description))\):(?P<line>\d+): [^\n]*"
    r"|(?:tag mismatch|premature end of data|start tag expected|document is empty"
    r"|specification mandates? value|construct error|unescaped '<'|EntityRef: expecting|extra content at the end|not well-formed)[^\n]*)",
    re.IGNORECASE,
)
_THEIRS = re.compile(
    r"\(\w+\):\d+: |libvirt|virsh|virt-|qemu|XML error|domain|\.xml\b", re.IGNORECASE
)
"""Whose XML it is: many other programs read some, and say the same of it."""
_PLACE = re.compile(r"line (?P<line>\d+)(?:, column (?P<column>\d+))?")
_BAD = "<domain type='kvm'>\n  <name>vm1\n  <memory>1</memory>\n</domain>\n"
POSITIVE = (
    Evidence(
        error="XML error: (domain_definition):2: Opening and ending tag mismatch: name line 2 and domain"
    ),
    Evidence(phase="parse", definition=_BAD),
    Evidence(
        phase="parse",
        definition=_BAD,
        error="Opening and ending tag mismatch: name line 2 and domain (<xml>, line 4, column 10)",
    ),
    Evidence(stderr="app.html: error: Opening and ending tag mismatch: p line 3 and div\n"),
)
NEGATIVE = (
    Evidence(phase="parse", definition="<domain><frob/></domain>", error="unknown element <frob>"),
    Evidence(definition="<domain/>"),
)

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the definition is at hand."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the line itself when the definition is at hand."""
    seen = said(ev).find(_WORDS)
    if seen is None and not (ev.phase == "parse" and ev.definition):
        return
    words = _refusal(ev.definition) if ev.definition else ""
    if ev.definition and not words:
        return
    words = words or (seen.quote if seen else "")
    places = list(_PLACE.finditer(words))
    line = int(places[-1]["line"]) if places else int((seen["line"] if seen else "") or 0)
    where = f"line {line}" if line else "the definition"
    if places and places[-1]["column"]:
        where += f", column {places[-1]['column']}"
    evidence = [seen.quote if seen else words]
    lines = len(ev.definition.splitlines())
    numbers = dict.fromkeys(int(place["line"]) for place in places)
    shown = [number for number in numbers if 0 < number <= lines]
    evidence += [f"line {number}: {definition.line(ev.definition, number)}" for number in shown]
    reason = re.sub(r" \([^()]*line \d+[^()]*\)$", "", words).strip()
    reason = reason.removeprefix("the document is not well-formed XML: ")
    yield _found(
        f"The definition is not good XML at {where}: {reason}.",
        where,
        _certainty(ev, words),
        tuple(evidence),
        (_fix(where, reason, ev.definition),),
        seen.at if seen else 0,
    )


def _certainty(ev: Evidence, words: str) -> Certainty:
    if ev.definition:
        return Certainty.PROVEN
    theirs = _THEIRS.search(words) or said(ev).find(_THEIRS)
    return Certainty.LIKELY if theirs else Certainty.POSSIBLE


def _fix(where: str, reason: str, definition: str) -> Fix:
    if reason.startswith(("Document is empty", "Start tag expected")):
        if "<domain" in definition:
            return Fix(f"remove what stands before the first '<', at {where}")
        return Fix("give the file with the guest's definition; 'virtup dumpxml NAME' prints one")
    return Fix(f"correct {where}: {_way_out(reason)}")


_WAYS = (
    (r"EntityRef|Entity '", "write &amp; for &, and the letter itself for a name such as &nbsp;"),
    (r"Namespace prefix qemu", f"add xmlns:qemu='{_QEMU}' to <domain>"),
    (r"Namespace prefix", "declare the prefix with xmlns:PREFIX='...' on <domain>"),
    (r"\]\]>", "write ]]&gt; for ]]>"),
    (r"DOCTYPE", "remove the document type and the entities"),
    (r"Extra content", "one document holds one <domain>: cut what follows it off"),
    (r"empty|Start tag expected", "give a document that begins with <domain>"),
    (
        r"UTF-8|encoding|XML cannot hold",
        "save it as UTF-8, and drop another encoding from <?xml ...?>",
    ),
    (r"XML declaration", "put <?xml ...?> at the very start, or leave it out"),
    (r"redefined", "leave one of the two attributes out"),
    (r"AttValue|quot", "put plain quotes, ' or \", around each value"),
)
"""What mends what the parser says; else an element was left open."""


def _way_out(reason: str) -> str:
    ways = (way for pattern, way in _WAYS if re.search(pattern, reason))
    return next(ways, "close the element that is open there")


def _refusal(definition: str) -> str:
    try:
        document.load(definition, "<xml>")
    except XmlInvalid as refused:
        return refused.message
    return ""
