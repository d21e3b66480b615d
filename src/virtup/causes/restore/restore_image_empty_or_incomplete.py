"""A saved state was never finished.

## What it means
The host lost power, or daemon and QEMU were killed, while the guest was being saved. What is there
holds nothing that could be restored.

## How to confirm
`virtup save-verify IMAGE` says `empty` or `incomplete`; the guest log ends in mid-save.

## What to do
Nothing: the guest boots from its disks, as after a loss of power. virtup does that by itself and says
so; for a file of your own, boot the guest.

## Strings it goes by
- `save image is incomplete`
- `the saved state '...' is incomplete`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU364"
SLUG = "restore-image-empty-or-incomplete"

_WORDS = re.compile(
    r"the saved state '[^'\n]+' is (?:empty|incomplete)"
    r"|save image is incomplete",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: the saved state '/save/g.save' is incomplete: it was "
        "being written when the host or the daemon went down"
    ),
    Evidence(error="operation failed: save image is incomplete"),
)
NEGATIVE = (states.ZEROED,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} was never finished: power or a process went while it was written.",
    proof=states.damaged("empty", "incomplete"),
)
probes = _STATE.probes
find = _STATE.find
