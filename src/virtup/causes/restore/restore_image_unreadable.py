"""A saved state cannot be read.

## What it means
The kernel refuses to read the file: a failing disk, a network file system that is away, permissions.
The state may be whole.

## How to confirm
`virtup save-verify IMAGE`, `dmesg`, `stat IMAGE`.

## What to do
Mend what keeps it from being read and start again: nothing is lost until you give it up.

## Strings it goes by
- `the saved state '...' cannot be read`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.causes.finding import Fix
from virtup.model.evidence import Evidence

CODE = "VU373"
SLUG = "restore-image-unreadable"

_WORDS = re.compile(
    r"the saved state '[^'\n]+' cannot be read: (?P<why>[^\n;]+)"
    r"|cannot be read: (?P<w2>Input/output error)",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: the saved state '/save/g.save' cannot be read: Input/output error"
    ),
)
NEGATIVE = (states.INCOMPLETE,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} cannot be read: {first}.",
    fixes=(Fix("find out why it cannot be read", ("stat {image}", "dmesg | tail")),),
    proof=states.damaged("unreadable"),
)
probes = _STATE.probes
find = _STATE.find
