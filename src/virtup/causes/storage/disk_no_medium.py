"""The host drive that the guest is given has no medium in it.

## What it means
A CD, floppy or card drive of the host is the guest's disk, and it is empty: the kernel answers
`ENOMEDIUM` to whoever opens it. A guest whose own drive is empty starts; one that is to read an
empty drive of the host does not.

## How to confirm
`blockdev --getsize64 /dev/sr0` fails with the same words.

## What to do
Put a medium in, or leave `<source>` out of the `<disk>`: the guest then starts with an empty
drive.

## Strings it goes by
- `could not open disk image /dev/sr0: Could not open '/dev/sr0': No medium found (QEMU to 2.11)`
- `Could not open '/dev/sr0': No medium found`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU460"
SLUG = "disk-no-medium"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host's drive '{subject}' has no medium in it.",
    phrases=(
        r"could not open '(?P<subject>/[^'\n]+)': no medium found",
        r"could not open disk image (?P<subject>/[^\s:]+): no medium found",
    ),
    fixes=(
        Fix("put a medium into {subject}"),
        edit("or take <source dev='{subject}'/> out of the disk"),
    ),
)
POSITIVE = (
    Evidence(
        stderr="qemu-kvm: -drive file=/dev/sr0,if=none,media=cdrom: could not open disk image /dev/sr0: Could not open '/dev/sr0': No medium found\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-kvm: -drive file=/dev/sr0,if=none: Could not open '/dev/sr0': No such file or directory\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
