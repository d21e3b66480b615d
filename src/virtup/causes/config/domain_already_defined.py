"""A domain of the same name is already defined.

## What it means
Another guest, with another UUID, has the name. Names are unique on a host, so that neither takes the
other's place, log and state.

## How to confirm
`virtup list --all`; `virtup domuuid NAME`.

## What to do
Choose another `<name>`. To change the guest that exists, give its `<uuid>` in the definition; to
replace it, undefine it first.

## Strings it goes by
- `domain 'vm1' already exists with uuid 99999999-2222-4333-8444-555555555555`
- `operation failed: domain 'vm1' already exists`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence, Running
from virtup.model.probe import Fact, Probe

CODE = "VU111"
SLUG = "domain-already-defined"

_WORDS = re.compile(
    r"domain '(?P<name>[^'\n]+)' (?:already exists|is already defined)(?: with uuid (?P<uuid>[0-9a-fA-F-]{36}))?"
    r"[^\n]*|guest name '(?P<taken>[^'\n]+)' is already in use[^\n]*",
    re.IGNORECASE,
)
_OTHER = "99999999-2222-4333-8444-555555555555"
POSITIVE = (
    Evidence(error=f"operation failed: domain 'vm1' already exists with uuid {_OTHER}"),
    Evidence(
        error=f"operation failed: domain 'vm1' already exists with uuid {_OTHER}",
        running=(Running("vm1", _OTHER, 77),),
    ),
)
NEGATIVE = (
    Evidence(
        error=f"operation failed: domain 'vm2' is already defined with uuid {_OTHER}", uuid=_OTHER
    ),
    Evidence(error="Requested operation is not valid: domain is already active as 'vm1'"),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the daemon knows its guests."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when another guest has the name."""
    seen = said(ev).find(_WORDS)
    if seen is None or "already defined" in seen.quote:
        return
    name, uuid = seen["name"] or seen["taken"], seen["uuid"]
    other = next((one for one in ev.running if one.name == name), None)
    by = f", by a guest with the UUID {uuid}" if uuid else ""
    runs = f"this host: guest '{name}' runs with pid {other.pid}" if other else ""
    yield _found(
        f"The name '{name}' is in use{by}.",
        name,
        Certainty.PROVEN if other else Certainty.LIKELY,
        (seen.quote, *((runs,) if runs else ())),
        (edit(f"give another name, or the other's <uuid>{uuid}</uuid> to change that guest,"),),
        seen.at,
    )
