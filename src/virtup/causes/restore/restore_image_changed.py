"""Bytes of a saved state changed since it was saved.

## What it means
A digest does not fit its block: the disk, its cable, memory or a program changed the file. A guest
that ran on with it would have wrong memory, so it is not restored.

## How to confirm
`virtup save-verify IMAGE` names the first block that differs; look at `dmesg` and `smartctl -a`.

## What to do
Its memory is lost unless a backup has the file. Look after the disk before more is lost.

## Strings it goes by
- `the memory in the saved state '...' was changed`
- `the header or the XML in the saved state '...' was changed`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU367"
SLUG = "restore-image-changed"
OVER = states.SYMPTOMS

_WORDS = re.compile(
    r"the (?:memory|header or the XML) in the saved state '[^'\n]+' was changed"
    r"|the (?:list of digests|XML) in the saved state '[^'\n]+' is damaged"
    r"|the (?:header|trailer) of the saved state '[^'\n]+' has impossible",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: the memory in the saved state '/save/g.save' was "
        "changed, between byte 1 and 2; its memory is lost. It was set aside as "
        "'/save/g.save.x': start the guest again and it boots from its disks"
    ),
    Evidence(
        error="operation failed: the list of digests in the saved state "
        "'/save/g.save' is damaged; its memory is lost. It was set aside as "
        "'/save/g.save.x': start the guest again and it boots from its disks"
    ),
)
NEGATIVE = (states.ZEROED,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="Bytes of the {image} changed since it was saved: its digests do not fit.",
    fixes=(states.GOOD_COPY,),
    proof=states.damaged("changed bytes"),
)
probes = _STATE.probes
find = _STATE.find
