"""A saved state is filled with zeros.

## What it means
The file has its length and not its content: power was lost after the file grew and before its data
reached the disk, and whoever wrote it did not sync it.

## How to confirm
`od -A d -c IMAGE | head` shows zeros; `virtup save-verify IMAGE` says where.

## What to do
Its memory is lost: boot from the disks. virtup's own saves are synced before they get their name.

## Strings it goes by
- `image magic is incorrect`
- `the saved state '...' is filled with zeros`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU366"
SLUG = "restore-image-zeroed"
OVER = states.SYMPTOMS

_WORDS = re.compile(
    r"the saved state '[^'\n]+' (?:is filled with zeros|has zeros where)"
    r"|the memory in the saved state '[^'\n]+' is filled with zeros",
    re.IGNORECASE,
)
POSITIVE = (
    states.ZEROED,
    Evidence(
        error="operation failed: the memory in the saved state '/save/g.save' is "
        "filled with zeros, between byte 1 and 2; its memory is lost. It was "
        "set aside as '/save/g.save.x': start the guest again and it boots from "
        "its disks"
    ),
)
NEGATIVE = (states.INCOMPLETE,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} holds zeros where the guest's state should be.",
    fixes=(states.GOOD_COPY,),
    proof=states.damaged("zero-filled"),
)
probes = _STATE.probes
find = _STATE.find
