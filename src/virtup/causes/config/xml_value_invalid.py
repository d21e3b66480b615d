"""A value in the definition is not of the kind that stands there.

## What it means
An element or an attribute holds a text that cannot be: a UUID that is none, a size with an unknown
unit, a number that is too large.

## How to confirm
The message names the element, the value, what is accepted, and file, line and column.

## What to do
Correct the value.

## Strings it goes by
- `<uuid> is 'not-a-uuid', accepted is a UUID such as ...`
- `attribute 'bus' of <target> is 'virtoi', accepted is 'ide' or 'virtio' or 'usb'`
- `malformed uuid element`, `cannot parse uuid` (libvirt)
- `unknown suffix 'MegaByte'` (libvirt)
- `Invalid value for attribute 'bus' in element 'target': 'nvme'.` (libvirt)
- `unknown watchdog model 'abc'` (libvirt)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import refusals
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU415"
SLUG = "xml-value-invalid"

_OURS = re.compile(
    r"(?P<what>(?:attribute '(?P<key>[\w:]+)' of )?<(?P<tag>[\w:]+)>) is '(?P<value>[^'\n]*)', "
    r"accepted is (?P<accepted>[^\n]+?) \((?P<place>[^\n()]*line (?P<line>\d+)[^\n()]*)\)"
)
_LIBVIRTS = re.compile(
    r"malformed (?P<what>uuid) element|cannot parse (?P<uuid>uuid) [^\n]*"
    r"|unknown suffix '(?P<suffix>[^'\n]+)'|invalid unit '(?P<unit>[^'\n]+)'",
    re.IGNORECASE,
)
_ENUM = re.compile(
    r"(?P<sure>invalid value for (?:attribute|element) '(?P<a>[^'\n]+)'(?: in element '(?P<in>[^'\n]+)')?"
    r": '(?P<v>[^'\n]*)')"
    r"|(?:XML error|unsupported configuration|internal error|invalid argument): "
    r"(?:unknown|unsupported|unexpected|invalid|unrecogni[sz]ed) (?!PCI header)(?P<b>[\w -]{3,40}?)(?: value)?:? '(?P<w>[^'\n]*)'",
    re.IGNORECASE,
)
"""What libvirt says of a word that is none of those it knows there."""
_SAID = (
    "XML error: <uuid> is 'not-a-uuid', accepted is a UUID such as 4dea22b3-1d52-d8f3-2516-782e98 "
    "(/srv/vm.xml, line 3, column 3)"
)
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(
        error="XML error: attribute 'bus' of <target> is 'virtoi', accepted is 'ide' or 'virtio' "
        "(/srv/vm.xml, line 12, column 5)"
    ),
    Evidence(
        error="XML error: attribute 'cache' of <driver> is 'off', accepted is 'none' or "
        "'writeback' (/srv/vm.xml, line 12, column 5)"
    ),
    Evidence(error="error: XML error: malformed uuid element"),
    Evidence(error="error: invalid argument: unknown suffix 'MegaByte'"),
    Evidence(error="XML error: Invalid value for attribute 'bus' in element 'target': 'nvme'."),
    Evidence(error="unsupported configuration: unknown watchdog model 'abc'"),
)
NEGATIVE = (
    Evidence(
        error="XML error: attribute 'type' of <disk> is 'volume', accepted is 'file' or 'block' "
        "(/srv/vm.xml, line 12, column 5)"
    ),
    Evidence(error="unsupported configuration: unknown keymap"),
    Evidence(error="XML error: no PCI buses available for this <disk> (/srv/vm.xml, line 12)"),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the definition is wrong by itself."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding with what would be right."""
    seen = said(ev).find(_OURS)
    if seen is not None:
        if not refusals.is_lacking(ev):
            yield _ours(ev, seen)
        return
    seen = said(ev).find(_LIBVIRTS)
    if seen is None:
        yield from _unknown(ev)
        return
    unit = seen["suffix"] or seen["unit"]
    what = f"The unit '{unit}' of a size" if unit else "The UUID"
    right = "use KiB, MiB or GiB" if unit else "give a valid UUID, or remove <uuid>"
    yield _found(
        f"{what} in the definition is invalid.",
        unit or "uuid",
        Certainty.LIKELY,
        (seen.quote,),
        (_fix(f"{right}, in the definition"),),
        seen.at,
    )


def _ours(ev: Evidence, seen: Seen) -> Finding:
    """Return the finding for what virtup itself read: the value stands in the definition."""
    what, value, accepted = seen["what"], seen["value"], seen["accepted"]
    words = refusals.choices(accepted)
    if len(words) > 1:
        accepted = f"{', '.join(words[:-1])} or {words[-1]}"
    meant = refusals.meant(ev)
    hint = f"; '{meant}' was meant, it seems" if meant else ""
    here = refusals.element_of(ev, seen["tag"], seen.line)
    return _found(
        f"{what} in the definition has the invalid value '{value}'{hint}.",
        what,
        Certainty.PROVEN if here is not None else Certainty.LIKELY,
        (seen.quote,),
        (
            *refusals.ways_out(ev),
            _fix(f"correct {what} in the definition: accepted is {accepted}"),
        ),
        seen.at,
    )


def _unknown(ev: Evidence) -> Iterator[Finding]:
    """Yield the word that libvirt does not know: a newer or another libvirt may."""
    for seen in said(ev).find_all(_ENUM):
        value, what = seen["v"] or seen["w"], seen["a"] or seen["b"]
        where = f" of <{seen['in']}>" if seen["in"] else ""
        yield _found(
            f"This libvirt does not know the value '{value}' for '{what}'{where}.",
            what,
            Certainty.LIKELY if seen["sure"] else Certainty.POSSIBLE,
            (seen.quote,),
            (_fix("correct it in the definition, or use a libvirt that knows it"),),
            seen.at,
        )
        return


def _fix(text: str) -> Fix:
    return Fix(text, safety=Safety.MANUAL)
