"""The definition has an element, or a kind of device, that virtup cannot give a guest.

## What it means
virtup refuses by name what it does not bring about, so that a guest never runs with other hardware
than its definition says. libvirt may know the element; the host may or may not have what it asks
for.

## How to confirm
The message names file, line and column; `virtup check FILE` says it again.

## What to do
Remove the element, if the guest does without it, or run this guest with libvirt.

## Strings it goes by
- `element <launchSecurity> in <domain> is not supported`
- `attribute 'type' of <disk> is 'volume', accepted is 'file' or 'block'`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from lxml import etree

from virtup.causes import definition, refusals
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.words import said
from virtup.model import document
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU414"
SLUG = "config-element-unsupported"

_WORDS = re.compile(
    r"element <(?P<element>[\w:]+)>(?: in <[\w:]+>)? is not supported[^\n]*?"
    r"|<(?P<owner>[\w:]+)> attribute '(?P<attribute>[\w:]+)' is not supported[^\n]*?"
    r"|attribute '(?P<key>type|name|mode|model|bus)' of <(?P<kind>[\w:]+)> is "
    r"'(?P<value>[\w.-]+)', accepted is '[^\n]*?"
    r"|<(?P<union>[\w:]+)> with (?P<by>\w+) '(?P<of>[^'\n]+)' is not supported, accepted here"
)
_PLACE = re.compile(r"line (?P<line>\d+)(?:, column \d+)?\)")
_SOURCES = ("backend", "source", "source/address", "source/host")
"""The children that say what of the host an element is made from."""
_SAID = (
    "unsupported configuration: element <launchSecurity> in <domain> is not supported "
    "(/srv/vm.xml, line 2, column 3)"
)
_XML = "<domain>\n  <launchSecurity type='sev'><cbitpos>47</cbitpos></launchSecurity>\n</domain>"
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(error=_SAID, definition=_XML),
    Evidence(
        error="XML error: attribute 'type' of <disk> is 'volume', accepted is 'file' or 'block' "
        "(/srv/vm.xml, line 12, column 5)"
    ),
    Evidence(
        error="unsupported configuration: <os> attribute 'firmware' is not supported "
        "(/srv/vm.xml, line 12)"
    ),
)
NEGATIVE = (
    Evidence(error="XML error: <uuid> is 'x', accepted is a UUID such as 4dea22b3 (f, line 3)"),
    Evidence(error="unsupported configuration: machine type 'pc-99' is not supported"),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: it is virtup that has not what is asked for, not the host."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the element as the definition has it."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    tag = seen["element"] or seen["owner"] or seen["kind"] or seen["union"]
    what = f"<{tag}>"
    if seen["owner"]:
        what = f"{seen['attribute']}= of <{tag}>"
    elif not seen["element"]:
        what = f"<{tag} {seen['key'] or seen['by']}='{seen['value'] or seen['of']}'>"
    shown = _shown(ev, seen.line, tag)
    remove = f"if the guest does without it, remove {what}"
    yield _found(
        f"The definition asks for {what}, which is not supported: virtup has no such thing.",
        tag,
        Certainty.PROVEN if shown else Certainty.LIKELY,
        (seen.quote, *((f"the definition has {shown}",) if shown else ())),
        (
            *refusals.ways_out(ev),
            Fix(
                f"{remove} from the definition, or run the guest with libvirt", safety=Safety.MANUAL
            ),
        ),
        seen.at,
    )


def _shown(ev: Evidence, line: str, tag: str) -> str:
    """Return the start tags of the element that a message is about, and of what it is made from."""
    place = _PLACE.search(line)
    root = definition.tree(ev.definition)
    if place is None or root is None:
        return ""
    for element in root.iter(tag.rpartition(":")[2]):
        if document.line_of(element) == int(place["line"]):
            made_from = (element.find(path) for path in _SOURCES)
            tags = [_start(one) for one in (element, *made_from) if one is not None]
            return " ".join(tags)
    return ""


def _start(element: etree._Element) -> str:
    given = "".join(f" {name!s}='{element.get(name)}'" for name in map(str, element.keys()))
    return f"<{element.tag}{given}>"
