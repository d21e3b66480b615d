"""A disk was changed after its guest was saved.

## What it means
Saved memory has a part of the disk's content in it. With another content on the disk the guest would
mix both and destroy its file system. Something wrote to the disk, or a copy or a snapshot took its
place.

## How to confirm
The finding names the disk and what differs; `stat` and `qemu-img info` show it as it is now.

## What to do
Put the disk back as it was, with its time of modification, and start again; or boot from the disk as
it is now. Who knows that the change does no harm has virtup take the disk as it is:
`virtup save-verify IMAGE --accept-disks`.

## Strings it goes by
- `the disk '...' was changed after the state '...' was saved`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from virtup.causes import states
from virtup.causes.finding import Finding, Fix, Safety
from virtup.causes.words import said
from virtup.model.evidence import Evidence

CODE = "VU372"
SLUG = "restore-disks-changed"

_WORDS = re.compile(
    r"the disk '(?P<disk>[^'\n]+)' was changed after"
    r"|belongs to the disk '(?P<gone>[^'\n]+)', which cannot be read",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: the disk '/img/a.img' was changed after the state "
        "'/save/g.save' was saved: its size; restored memory would not fit it"
    ),
    Evidence(
        error="operation failed: the saved state '/save/g.save' belongs to the disk '/img/a.img', "
        "which cannot be read: No such file or directory"
    ),
)
NEGATIVE = (states.INCOMPLETE,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} does not fit a disk any more: {first}.",
    fixes=(states.ACCEPT_DISKS,),
    proof=states.DISKS_CHANGED,
)
probes = _STATE.probes


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding; a state whose disk is gone is not given up for a guest without a disk."""
    seen = said(ev).find(_WORDS)
    for finding in _STATE.find(ev):
        if seen is None or not seen["gone"]:
            yield finding
            continue
        back = Fix(f"put '{seen['gone']}' back as it was: the saved state is whole")
        others = tuple(replace(fix, repair=(), safety=Safety.MANUAL) for fix in finding.fixes)
        yield replace(finding, fixes=(back, *others))
