"""A path given as block disk is no block device.

## What it means
`<disk type='block'>` (or a device plug-in's path) names a directory, a character device or an
ordinary file.

## How to confirm
`stat -c %F PATH`.

## What to do
`type='file'` for a file, or the block device's own path.

## Strings it goes by
- `Could not refresh total sector count: Illegal seek`
- `'/srv/a.img' is not a block device`
"""

from __future__ import annotations

from virtup.causes import contents
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU253"
SLUG = "disk-not-a-block-device"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="'{subject}' is given as a disk and is no block device.",
    subject="the disk",
    phrases=(
        r"(?:file=|filename\x22:\x22)?(?P<subject>/[^,\s'\x22]+)?[^\n]{0,200}could not refresh total sector count: illegal seek",
        r"'?(?P<subject>/[^'\s]+)'? is not a block device",
        r"'host_device' driver (?:requires '(?P<subject>[^'\n]+)' to be|expects)[^\n]*",
        r"could not refresh total sector count[^\n]*",
        r"block device required[^\n]*",
    ),
    fixes=(edit("name a block device, or use <disk type='file'>"),),
    proof=contents.NOT_A_BLOCK_DEVICE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/dev/vfio/vfio,format=raw,if=none,id=d: Could not refresh total sector count: Illegal seek\n"
    ),
)
NEGATIVE = (Evidence(error="Could not open '/dev/vg/a': No such file or directory"),)

probes = _TOLD.probes
find = _TOLD.find
