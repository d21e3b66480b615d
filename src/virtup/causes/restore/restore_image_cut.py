"""A saved state was cut off.

## What it means
The file is shorter than what was saved: a full disk, a file system check, an interrupted copy. Rarely
something was written behind its end.

## How to confirm
`virtup save-verify IMAGE` says where it ends; `df` and `dmesg` may say why.

## What to do
Its memory is lost. virtup sets the image aside and the next start boots; under libvirt
`virsh managedsave-remove NAME` ends the failure, which else comes for ever.

## Strings it goes by
- `failed to read domain XML`
- `the saved state '...' ends in its header`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU365"
SLUG = "restore-image-cut"
OVER = states.SYMPTOMS

_WORDS = re.compile(
    r"the saved state '[^'\n]+' (?:ends in its (?:header|XML)|has no memory in it|has \d+ bytes of memory where)"
    r"|the end of the saved state '[^'\n]+' is missing"
    r"|failed to read (?:domain XML|qemu header)",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        error="operation failed: the saved state '/save/g.save' ends in its XML: 200 "
        "bytes of at least 69632; its memory is lost. It was set aside as "
        "'/save/g.save.x': start the guest again and it boots from its disks"
    ),
    Evidence(
        error="operation failed: the saved state '/save/g.save' has 100 bytes of "
        "memory where 2000 were saved; its memory is lost. It was set aside as "
        "'/save/g.save.x': start the guest again and it boots from its disks"
    ),
    Evidence(error="operation failed: failed to read domain XML"),
)
NEGATIVE = (states.ZEROED,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} does not end where it did: it was cut off, or written on.",
    fixes=(states.GOOD_COPY,),
    proof=states.damaged("cut in the header", "cut in the XML", "cut in the memory"),
)
probes = _STATE.probes
find = _STATE.find
