"""The saved state has devices that the guest has no more.

## What it means
A device was removed from the definition, got another address, or has another option ROM, since the
guest was saved; QEMU finds no place for its state.

## How to confirm
Compare `virtup save-image-dumpxml IMAGE` with the definition.

## What to do
Restore with the definition in the image (a managed save does), or put the device back.

## Strings it goes by
- `Unknown savevm section or instance`
- `Unknown ramblock "...", cannot accept migration`
- `Unknown savevm section type`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU374"
SLUG = "restore-device-set-changed"

_WORDS = re.compile(
    r"unknown savevm section or instance '(?P<a>[^'\n]+)'"
    r"|unknown ramblock .(?P<b>[^\s,]+?)[^\w.:/-]*,",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Unknown savevm section or instance "
        "'0000:00:04.0/virtio-net' 0. Make sure that your current VM setup "
        "matches your saved VM setup, including any hotplugged devices\n",
        phase="load",
    ),
)
NEGATIVE = (states.NO_STREAM,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} has a device or a memory that the guest has no more: {first}.",
    fixes=(states.COMPARE,),
    proof=states.OTHER_DEVICES,
)
probes = _STATE.probes
find = _STATE.find
