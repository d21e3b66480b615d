"""Another domain has the same UUID.

## What it means
The definition was copied from another guest with its `<uuid>` left in. The UUID is what a host and
its clients know a guest by, so two guests cannot share one.

## How to confirm
`virtup domname UUID` names the guest that has it.

## What to do
Remove the `<uuid>` element, and a new one is made; or undefine the other guest, if this definition is
to take its place.

## Strings it goes by
- `domain 'vm2' is already defined with uuid 11111111-2222-4333-8444-555555555555`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence, Running
from virtup.model.probe import Fact, Probe
from virtup.model.repair import Change

CODE = "VU112"
SLUG = "domain-uuid-in-use"

_WORDS = re.compile(
    r"domain '(?P<name>[^'\n]+)' is already defined with uuid (?P<uuid>[0-9a-fA-F-]{36})[^\n]*",
    re.IGNORECASE,
)
_UUID = "11111111-2222-4333-8444-555555555555"
_SAID = f"operation failed: domain 'vm2' is already defined with uuid {_UUID}"
POSITIVE = (Evidence(error=_SAID), Evidence(error=_SAID, running=(Running("vm2", _UUID, 77),)))
NEGATIVE = (Evidence(error=f"operation failed: domain 'vm1' already exists with uuid {_UUID}"),)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the daemon knows its guests."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when another guest has the UUID."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    name, uuid = seen["name"], seen["uuid"]
    other = next((one for one in ev.running if one.name == name), None)
    runs = f"this host: guest '{name}' runs with pid {other.pid}" if other else ""
    yield _found(
        f"The UUID {uuid} belongs to another guest, '{name}'.",
        uuid,
        Certainty.PROVEN if other else Certainty.LIKELY,
        (seen.quote, *((runs,) if runs else ())),
        (edit("remove the <uuid> element (a new one is made)"),),
        seen.at,
    )


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Remove the UUID: a new one is made."""
    return revise.dropped(revise.first(ev.definition, "uuid"))
