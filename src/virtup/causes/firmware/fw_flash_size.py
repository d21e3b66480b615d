"""A firmware image has a size that the machine does not take.

## What it means
The flash chips of a PC end at 4 GiB and hold 8 MiB at most together; on other machines each has
one fixed size (64 MiB on `virt`). An image of another size, a variable store of a build with
another layout (540672 bytes beside 4 MiB), or a qcow2 image given as raw is refused.

## How to confirm
`qemu-img info CODE VARS`: compare both virtual sizes with those of the templates that the
firmware's package has.

## What to do
Use code and variables of one build and one size. Where the firmware was replaced, let the
variable store be made anew from the new template; the boot entries in it are lost.

## Strings it goes by
- `device requires 4194304 bytes, block backend provides 540672 bytes`
- `combined size of system firmware exceeds 8388608 bytes`
- `system firmware block device pflash1 has invalid size 540672`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU470"
SLUG = "fw-flash-size"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A firmware image has a size that the machine does not take.",
    subject="the firmware",
    phrases=(
        r"device requires (?P<subject>\d+) bytes, (?:\w+ )?(?:block|backend)[^\n]*provides \d+ bytes",
        r"combined size of system firmware exceeds (?P<subject>\d+) bytes",
        r"system firmware block device \S+ has invalid size (?P<subject>\d+)",
    ),
    fixes=(
        Fix("compare the images with those of the firmware package", ("qemu-img info IMAGE",)),
        edit("or name code and variables of one build"),
    ),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: device requires 4194304 bytes, block backend provides 540672 bytes\n"
    ),
)
NEGATIVE = (Evidence(stderr="qemu-system-x86_64: could not load PC BIOS '/fw/x.fd'\n"),)

probes = _TOLD.probes
find = _TOLD.find
