"""Saved and new machine type differ.

## What it means
`pc` or `q35` now means a newer version than when the guest was saved, or the type was changed.

## How to confirm
`virtup save-image-dumpxml IMAGE | grep machine=`.

## What to do
Define the guest with the machine type that the image has.

## Strings it goes by
- `Machine type received is 'pc-i440fx-2.11' and local is 'pc-i440fx-4.2'`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.causes.finding import Fix
from virtup.model.evidence import Evidence

CODE = "VU376"
SLUG = "restore-machine-type-mismatch"

_WORDS = re.compile(
    r"machine type received is '(?P<old>[^'\n]+)' and local is '(?P<new>[^'\n]+)'",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Machine type received is 'pc-i440fx-2.11' and "
        "local is 'pc-i440fx-4.2'\nqemu-system-x86_64: load of migration failed: "
        "Invalid argument\n",
        phase="load",
    ),
)
NEGATIVE = (states.NO_STREAM,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} was made with machine type '{old}', the guest has '{new}'.",
    fixes=(
        Fix(
            "define the guest with the machine type in the image",
            ("virtup save-image-dumpxml {image}",),
        ),
    ),
    proof=states.OTHER_MACHINE,
)
probes = _STATE.probes
find = _STATE.find
