"""A saved state was restored before.

## What it means
The guest has run on since, and its disks with it: memory from then and disks from now do not fit,
and the file system in the guest would be destroyed. An image that a backup put back is such a one.

## How to confirm
`virtup save-verify IMAGE` says when it was restored.

## What to do
Boot from the disks: nothing is lost, they are newer than the image.

## Strings it goes by
- `the saved state '...' was restored before`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.causes.finding import Fix
from virtup.model.evidence import Evidence

CODE = "VU370"
SLUG = "restore-image-consumed"

_WORDS = re.compile(
    r"the saved state '[^'\n]+' was restored before"
    r"|the mark in the saved state '[^'\n]+'[^\n]* is damaged",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: the saved state '/save/g.save' was restored before, "
        "2026-01-01 00:00:00 UTC: the guest has run on since, and its disks "
        "with it"
    ),
)
NEGATIVE = (states.INCOMPLETE,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} was restored before, and its guest has run on since.",
    fixes=(Fix("start the guest from its disks; the file is of no use any more"),),
    proof=states.CONSUMED,
)
probes = _STATE.probes
find = _STATE.find
