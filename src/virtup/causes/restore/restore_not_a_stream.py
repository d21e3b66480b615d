"""What should be a guest's memory is not.

## What it means
Behind its header the image has no stream of QEMU's: zeros, another file, or a compression that was
not undone. Images of libvirt's carry no digests, so it shows only when QEMU reads them.

## How to confirm
`virtup save-verify IMAGE`; under libvirt look at the guest log.

## What to do
Its memory is lost: boot from the disks.

## Strings it goes by
- `Not a migration stream`
- `Unknown combination of migration flags: 0x0`
- `load of migration failed: Invalid argument`
- `error while loading state section id 3(ram)`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU378"
SLUG = "restore-not-a-stream"

_WORDS = re.compile(
    r"not a migration stream"
    r"|unknown combination of migration flags"
    r"|error while loading state section id \d+\(ram\)"
    r"|unknown savevm section type",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Not a migration stream\nqemu-system-x86_64: load of "
        "migration failed: Invalid argument\n",
        phase="load",
    ),
    Evidence(
        stderr="qemu-system-x86_64: Unknown combination of migration flags: 0x0\n"
        "qemu-system-x86_64: error while loading state section id 3(ram)\n"
        "qemu-system-x86_64: load of migration failed: Invalid argument\n",
        phase="load",
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Machine type received is 'a' and local is 'b'\n", phase="load"
    ),
)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} holds no memory that QEMU understands: it is damaged or cut.",
    proof=states.damaged("cut in the memory", "changed bytes", "zero-filled"),
)
probes = _STATE.probes
find = _STATE.find
