"""The guest's firmware finds nothing to boot from.

## What it means
QEMU runs, and SeaBIOS or the UEFI firmware finds no boot sector or boot file on the devices of the boot order:
an empty disk, an install medium that was ejected, a disk on a bus that the firmware does not boot from,
a UEFI system started by BIOS or the other way round, an image that is declared `raw` and is not.

## How to confirm
`qemu-img info -U IMAGE` (format, size used); `virsh dumpxml NAME | grep -E '<boot|<loader|<disk|<driver'`.

## What to do
Attach the install medium and put it first (`<boot order='1'/>`), declare the format that the image has, and
use the firmware that the system was installed with.

## Strings it goes by
- `Boot failed: not a bootable disk`
- `No bootable device.`, `No boot device`
- `Could not read from CDROM (code 0003)`
- `BdsDxe: No bootable option or device was found`
"""

from __future__ import annotations

from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU412"
SLUG = "disk-not-bootable"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's firmware finds nothing to boot from.",
    subject="the boot order",
    phrases=(
        r"^(?:no boot(?:able)? device\b|boot failed: (?:not a bootable disk|could not read)|[^\n]*: no bootable option or device was found)[^\n]*",
        r"could not read from CDROM \(code \w+\)",
    ),
    fixes=(edit("put a device with a system on it first in the boot order"),),
)
POSITIVE = (
    Evidence(
        stderr="Booting from Hard Disk...\nBoot failed: not a bootable disk\n\nNo bootable device.\n"
    ),
)
NEGATIVE = (Evidence(stderr="qemu-system-x86_64: -device e1000,bootindex=1: duplicate bootindex"),)

probes = _TOLD.probes
find = _TOLD.find
