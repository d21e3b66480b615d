"""The file is not a saved guest.

## What it means
It begins with other bytes than every saved guest does: another file has its name, or its beginning
was overwritten.

## How to confirm
`file IMAGE`; `head -c 16 IMAGE` is `LibvirtQemudSave` for a saved guest.

## What to do
Name the right file. A managed one is set aside, and the guest boots.

## Strings it goes by
- `image magic is incorrect`
- `is not a saved guest: it begins with '...'`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.causes.finding import Fix
from virtup.model.evidence import Evidence

CODE = "VU368"
SLUG = "restore-image-foreign"

_WORDS = re.compile(
    r"image magic is incorrect"
    r"|(?<!disk )(?<!x86_64: )'[^'\n]+' is not a (?:saved guest|regular file)",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: '/save/g.save' is not a saved guest: it is a program; "
        "its memory is lost. It was set aside as '/save/g.save.x': start the "
        "guest again and it boots from its disks"
    ),
    Evidence(error="operation failed: image magic is incorrect"),
)
NEGATIVE = (
    states.INCOMPLETE,
    Evidence(
        error="unsupported configuration: source for disk 'vda' is not a regular file; refusing to generate external snapshot name"
    ),
)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} is no saved guest: it begins with other bytes.",
    fixes=(Fix("give a file that a save wrote"),),
    proof=states.damaged("not a saved guest"),
)
probes = _STATE.probes
find = _STATE.find
