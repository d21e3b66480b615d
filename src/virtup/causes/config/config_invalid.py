"""The definition contradicts itself, or leaves out what has to be there.

## What it means
virtup reads a definition whole before it starts anything, and refuses what cannot be brought about:
an element that is missing or given twice, a device on a bus or a machine type that has no place for
it, two things that exclude each other.

## How to confirm
The message names the element with file, line and column; `virtup check FILE` says it again.

## What to do
Correct the definition at that line.

## Strings it goes by
- `<domain> has no <memory>`, `<devices> is given twice`, `vCPU 0 is pinned more than once`
- `Only a single ide controller is supported for this machine type`
- `boot order '1' used for more than one device`
- `per-device boot elements cannot be used together with os/boot elements`
- `the root element is <network>, accepted is <domain>`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import definition
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU440"
SLUG = "config-invalid"
LAST = True

_OURS = re.compile(
    r"(?:XML error|unsupported configuration): (?P<what>[^\n]+?) "
    r"\((?P<place>[^()\n]*, line (?P<line>\d+)(?:, column \d+)?)\)"
)
"""Only virtup ends its sentences with the place."""
_LACKS = re.compile(
    r"^<(?P<owner>[\w:]+)[^>]*> has no (?:attribute '(?P<attribute>[\w:]+)'(?: in <(?P<in>[\w:]+)>)?"
    r"|<(?P<element>[\w:]+)>)"
)
_TWICE = re.compile(r"\btwice\b|more than (?:once|one)|duplicate|Multiple|of another cell|is taken")
_ACCEPTED = re.compile(r"accepted(?: is| are|:) (?P<words>[^\n]+)$")
_TAG = re.compile(r"<(?P<tag>[\w:]+)")
POSITIVE = (
    Evidence(error="XML error: <domain> has no <memory> (/srv/vm.xml, line 1, column 1)"),
    Evidence(
        error="XML error: <memory> in <domain> is given twice (/srv/vm.xml, line 4, column 3)",
        definition="<domain>\n\n\n<memory>1</memory><memory>2</memory></domain>",
    ),
    Evidence(
        error="unsupported configuration: disk 'hda': 'iothread' belongs to bus 'virtio', not to "
        "'ide' (/srv/vm.xml, line 12)"
    ),
    Evidence(
        error="XML error: the root element is <network>, accepted is <domain> (/srv/vm.xml, line 1)"
    ),
)
NEGATIVE = (
    Evidence(error="XML error: missing name information in domain"),
    Evidence(error="unsupported configuration: Only a single ide controller is supported"),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the definition is wrong by itself."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for what virtup refused, where no other cause has a better word for it."""
    seen = said(ev).find(_OURS)
    if seen is None:
        return
    what, line = seen["what"], seen["line"]
    text = definition.line(ev.definition, int(line))
    shown = (f"line {line}: {text}",) if text else ()
    tag = _TAG.search(what)
    yield _found(
        f"The definition cannot be as it is: {what}.",
        f"<{tag['tag']}>" if tag is not None else f"line {line}",
        Certainty.PROVEN if shown else Certainty.LIKELY,
        (seen.quote, *shown),
        (Fix(_fix(what, line), safety=Safety.MANUAL),),
        seen.at,
    )


def _fix(what: str, line: str) -> str:
    lacks, accepted = _LACKS.search(what), _ACCEPTED.search(what)
    if lacks is not None:
        name = lacks["attribute"]
        missing = f"attribute {name}='...'" if name else f"<{lacks['element']}>"
        where = lacks["in"] or lacks["owner"]
        return f"add {missing} to <{where}> (line {line}) in the definition"
    if _TWICE.search(what):
        return f"remove one of the two, or change what they share (line {line}), in the definition"
    if accepted is not None:
        return f"correct line {line} of the definition: use {accepted['words']}"
    return f"correct line {line} of the definition, or remove what does not fit there"
