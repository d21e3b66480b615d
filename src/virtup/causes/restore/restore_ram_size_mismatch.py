"""Saved memory and the guest have different sizes.

## What it means
The amount of memory (or the size of an option ROM or of video memory) is not what it was when the
guest was saved.

## How to confirm
`virtup save-image-dumpxml IMAGE | grep -i memory` beside the definition.

## What to do
Give the definition the size that the image has, or boot from the disks.

## Strings it goes by
- `Length mismatch: pc.ram: 0x... in != 0x...`
- `Size mismatch: 0000:00:03.0/virtio-net-pci.rom: 0x40000 != 0x80000`
"""

from __future__ import annotations

import re

from virtup.causes import states
from virtup.model.evidence import Evidence

CODE = "VU375"
SLUG = "restore-ram-size-mismatch"

_WORDS = re.compile(
    r"(?:length|size) mismatch: (?P<block>(?![^:\s]*(?:/|:)[^\s]*\.rom)[^:\s]+): (?:0x)?[\da-f]+ [^\n]*!= (?:0x)?[\da-f]",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Length mismatch: pc.ram: 0x8000000 in != "
        "0x4000000: Invalid argument\n",
        phase="load",
    ),
    Evidence(
        stderr="Length mismatch: pc.ram: 40000000 in != 80000000\nload of migration failed\n",
        phase="load",
    ),
)
NEGATIVE = (states.NO_STREAM, Evidence(error="tar: size mismatch: 7 vs 9"))

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The {image} and the guest have different sizes of '{block}'.",
    fixes=(states.COMPARE,),
    proof=states.OTHER_MEMORY,
)
probes = _STATE.probes
find = _STATE.find
