"""The internal snapshot to load does not exist.

## What it means
`-loadvm` or a revert names a snapshot that none of the disks has (any more), or only some of
them.

## How to confirm
`qemu-img snapshot -l IMAGE`, for each disk.

## What to do
Start without it, or name one that exists.

## Strings it goes by
- `Device 'hda' does not have the requested snapshot 'suspend'`
- `Snapshot 'suspend' does not exist in one or more devices`
"""

from __future__ import annotations

from virtup.causes import contents
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU347"
SLUG = "restore-snapshot-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="No disk has the snapshot '{subject}' that is to be loaded.",
    phrases=(
        r"does not have the requested snapshot '(?P<subject>[^'\n]+)'",
        r"snapshot '(?P<subject>[^'\n]+)' (?:does not exist|not found)[^\n]*",
        r"no (?:domain )?snapshot with matching name '(?P<subject>[^'\n]+)'",
        r"no (?:block device|device)[^\n]*has snapshot '?(?P<subject>[^'\n]+)",
    ),
    fixes=(Fix("start without the snapshot, or name one that exists"),),
    proof=contents.NO_SNAPSHOT,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Device 'hda' does not have the requested snapshot 'suspend'\n"
    ),
)
NEGATIVE = (Evidence(stderr="Could not open '/img/a': No such file or directory\n"),)

probes = _TOLD.probes
find = _TOLD.find
