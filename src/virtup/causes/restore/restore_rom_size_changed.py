"""An option ROM file changed its size since the save.

## What it means
The ROM of a network card or the firmware is part of the saved memory; a package (ipxe, seabios,
ovmf) was updated and its file is larger now.

## How to confirm
The message names the ROM; the package manager's log tells of the update.

## What to do
The package's former version, `<rom file='...'/>` with the old file, or `<rom bar='off'/>` from
the next cold start on.

## Strings it goes by
- `Size mismatch: 0000:00:03.0/virtio-net-pci.rom: 0x40000 != 0x80000: Invalid argument`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU342"
SLUG = "restore-rom-size-changed"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The ROM '{subject}' has another size than when the guest was saved.",
    phrases=(
        r"(?:length|size) mismatch: (?P<subject>[\w.:/-]*(?:\.rom|/rom|bios)[\w.:/-]*): (?:0x)?[\da-f]+ (?:in )?!= (?:0x)?[\da-f]+[^\n]*",
    ),
    fixes=(Fix("install the version of the ROM's package that the guest was saved with"),),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: Size mismatch: 0000:00:03.0/virtio-net-pci.rom: 0x40000 != 0x80000: Invalid argument\n"
    ),
)
NEGATIVE = (
    Evidence(stderr="Length mismatch: pc.ram: 0x40000000 in != 0x80000000: Invalid argument\n"),
)

probes = _TOLD.probes
find = _TOLD.find
