"""The state of a device cannot be loaded by this QEMU.

## What it means
Another version or build of QEMU wrote it, or the device has other features than then (virtio, CPU).
After a change of QEMU this is the rule for devices that are not kept compatible.

## How to confirm
The line names the device; the guest log has the versions of QEMU of then and now.

## What to do
Restore with the QEMU that saved it, shut the guest down properly, and go to the new one then.

## Strings it goes by
- `error while loading state for instance 0x0 of device '...'`
- `Failed to load virtio-net:virtio`
- `Missing section footer for`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtup.causes import states
from virtup.causes.finding import Finding
from virtup.causes.words import said
from virtup.model.evidence import Evidence

CODE = "VU377"
SLUG = "restore-device-state-mismatch"

_WORDS = re.compile(
    r"error while loading state for instance \S+ of device '(?P<device>[^'\n]+)'"
    r"|failed to load (?P<part>[\w-]+:[\w/-]+)"
    r"|savevm: unsupported version \d+ for '(?P<old>[^'\n]+)'"
    r"|missing section footer for (?P<foot>\S+)",
    re.IGNORECASE,
)
_WHY = re.compile(r"features 0x[\da-f]+ unsupported|(?:length|size) mismatch: ", re.IGNORECASE)
"""What says more about the same failure; another cause has it."""

POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: error while loading state for instance 0x0 of "
        "device '0000:00:03.0/virtio-net'\nqemu-system-x86_64: load of migration "
        "failed: Operation not permitted\n",
        phase="load",
    ),
    Evidence(
        stderr="qemu: savevm: unsupported version 4 for '0000:00:02.0/qxl' v3\nload of migration failed\n",
        phase="load",
    ),
)
NEGATIVE = (states.NO_STREAM,)

_STATE = states.Unrestored(
    CODE,
    SLUG,
    words=_WORDS,
    sentence="The state of a device in the {image} cannot be loaded by this QEMU: {first}.",
)
probes = _STATE.probes


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, unless the words say more of the same failure."""
    if said(ev).find(_WHY) is None:
        yield from _STATE.find(ev)
