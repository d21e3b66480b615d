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
from typing import Any

from lxml import etree

from virtup.causes import packages, refusals
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.lacking import lacking, need
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe
from virtup.model.probe_system import Program, ProgramFact

CODE = "VU414"
SLUG = "config-element-unsupported"

_WORDS = re.compile(
    r"element <(?P<element>[\w:]+)>(?: in <[\w:]+>)? is not supported[^\n]*?"
    r"|<(?P<owner>[\w:]+)> attribute '(?P<attribute>[\w:]+)' is not supported[^\n]*?"
    r"|attribute '(?P<key>type|name|mode|model|bus)' of <(?P<kind>[\w:]+)> is "
    r"'(?P<value>[\w.-]+)', accepted is '[^\n]*?"
    r"|<(?P<union>[\w:]+)> with (?P<by>\w+) '(?P<of>[^'\n]+)' is not supported, accepted here"
)
_SHOWN = 8
"""So many of the words that are accepted are told."""
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
        error="unsupported configuration: element <tpm> in <devices> is not supported (f, line 2)",
        definition="<domain><devices>\n<tpm><backend type='emulator'/></tpm></devices></domain>",
        uid=1,
        host={Program("swtpm"): ProgramFact()},
    ),
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


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask whether the host has at least what the element is made from."""
    seen = said(ev).find(_WORDS)
    element = _element(ev, seen) if seen is not None and ev.uid is not None else None
    wanted = need(ev, element) if element is not None else None
    if wanted is not None and wanted.probe is not None:
        yield wanted.probe
        yield from packages.system(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the element as the definition has it."""
    seen = said(ev).find(_WORDS)
    if seen is None or (seen["key"] and not refusals.is_lacking(ev)):
        return
    tag, element = _tag(seen), _element(ev, seen)
    what = f"<{tag}>"
    if seen["owner"]:
        what = f"{seen['attribute']}= of <{tag}>"
    elif not seen["element"]:
        what = f"<{tag} {seen['key'] or seen['by']}='{seen['value'] or seen['of']}'>"
    shown = (f"the definition has {_shown(element)}",) if element is not None else ()
    like = refusals.hint(seen.line)
    missing, fixes = lacking(ev, need(ev, element) if element is not None else None)
    remove = f"if the guest does without it, remove {what} from the definition"
    others = refusals.choices(seen.line)
    if others and seen["key"]:
        remove = f"if the guest does without it, use {' or '.join(others[:_SHOWN])} there"
    yield _found(
        f"The definition asks for {what}, which is not supported: virtup has no such thing.",
        tag,
        Certainty.PROVEN if shown else Certainty.LIKELY,
        (*(missing or (seen.quote,)), *shown),
        (
            *((like,) if like is not None else ()),
            *refusals.ways_out(ev),
            Fix(f"{remove}, or run the guest with libvirt", safety=Safety.MANUAL),
            *fixes,
        ),
        seen.at,
    )


def _tag(seen: Seen) -> str:
    return seen["element"] or seen["owner"] or seen["kind"] or seen["union"]


def _element(ev: Evidence, seen: Seen) -> etree._Element | None:
    """Return the element that a message is about."""
    return refusals.element_of(ev, _tag(seen), seen.line)


def _shown(element: etree._Element) -> str:
    """Return the start tags of an element and of what it is made from."""
    made_from = (element.find(path) for path in _SOURCES)
    return " ".join(_start(one) for one in (element, *made_from) if one is not None)


def _start(element: etree._Element) -> str:
    given = "".join(f" {name!s}='{element.get(name)}'" for name in map(str, element.keys()))
    return f"<{element.tag}{given}>"
