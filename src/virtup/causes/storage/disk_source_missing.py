"""A hard disk of the guest has no image behind it.

## What it means
Only drives for media (CD-ROM, floppy) may be empty. A `<disk>` without `<source>` that is a
hard disk, or a raw `-device` whose drive has no file, is refused.

## How to confirm
The `<disk>` elements of the definition: one with `device='disk'`, or without `device`, has no
`<source>`.

## What to do
Give it its image, or remove the disk.

## Strings it goes by
- `Device needs media, but drive is empty`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU466"
SLUG = "disk-source-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A hard disk of the guest has no image.",
    subject="the disk",
    phrases=(
        r"device needs media, but drive is empty",
        r"'(?P<subject>\w+)' disk must not be empty",
    ),
    fixes=(edit("give the disk its <source>, or remove it,"),),
    proof=contradictions.NO_SOURCE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-kvm: -device ide-hd,bus=ide.0,unit=0,drive=d,id=i: Device needs media, but drive is empty\n"
    ),
    Evidence(error="unsupported configuration: 'scsi' disk must not be empty"),
)
NEGATIVE = (
    Evidence(stderr="qemu-kvm: -drive file=/dev/sr0: Could not open '/dev/sr0': No medium found\n"),
)

probes = _TOLD.probes
find = _TOLD.find
