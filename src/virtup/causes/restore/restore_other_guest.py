"""The saved state belongs to another guest.

## What it means
Name and UUID in the image are not those of the guest that is started: a copied or renamed file, or
a guest that was defined anew with another UUID.

## How to confirm
`virtup save-image-dumpxml IMAGE` prints the guest that it belongs to.

## What to do
Define the guest with the UUID in the image, or give the image up.

## Strings it goes by
- `cannot restore domain 'a' uuid X from a file which belongs to domain 'b' uuid Y`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU371"
SLUG = "restore-other-guest"

_WORDS = re.compile(
    r"cannot restore domain '(?P<own>[^'\n]+)' uuid \S+ from a file which belongs to domain '(?P<other>[^'\n]+)'",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: cannot restore domain 'a' uuid 1 from a file which "
        "belongs to domain 'b' uuid 2"
    ),
)
NEGATIVE = (states.INCOMPLETE,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} belongs to the guest '{other}', not to '{own}'.",
    proof=states.OF_OTHER_GUEST,
)
probes = _STATE.probes
find = _STATE.find
