"""A saved state is in a form that is not known here.

## What it means
A newer virtup or libvirt wrote it, or its version number is damaged.

## How to confirm
`virtup save-verify IMAGE` prints the version or the compression that it found.

## What to do
Restore it with the program that wrote it. Here the guest can only boot from its disks.

## Strings it goes by
- `image version is not supported (N > 2)`
- `Invalid compressed save format N`
- `unsupported save image format`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU369"
SLUG = "restore-image-newer"

_WORDS = re.compile(
    r"the saved state '[^'\n]+' has (?:version \d+|an unknown compression|a trailer of version)"
    r"|image version is not supported"
    r"|(?:invalid compressed save|unsupported save image) format",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: the saved state '/save/g.save' has version 3; 2 is "
        "known; its memory is lost. It was set aside as '/save/g.save.x': start "
        "the guest again and it boots from its disks"
    ),
    Evidence(error="operation failed: image version is not supported (1660944384 > 2)"),
)
NEGATIVE = (states.INCOMPLETE,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} is in a form that is not known here.",
    proof=states.damaged("made by a newer version"),
)
probes = _STATE.probes
find = _STATE.find
