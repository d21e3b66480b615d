"""An overlay has a backing file without a recorded backing format, and libvirt refuses to probe it.

## What it means
A qcow2 overlay records the path of its backing file and, since qemu-img 6.1 always, its format.
Without it libvirt would have to guess, which a guest could abuse.

## How to confirm
`qemu-img info OVERLAY` prints no `backing file format`.

## What to do
`qemu-img rebase -u -F FORMAT -b BACKING OVERLAY`, with the format that `qemu-img info BACKING`
prints.

## Strings it goes by
- `format of backing image 'base.img' of image '/img/a.qcow2' was not specified in the image metadata`
- `Backing file specified without backing format`
"""

from __future__ import annotations

from virtup.causes import contents
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU250"
SLUG = "disk-backing-format-unset"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The overlay '{subject}' does not record the format of its backing file.",
    subject="the overlay",
    phrases=(
        r"format of backing image '[^'\n]*' of image '(?P<subject>[^'\n]+)' was not specified",
        r"(?:qemu-img: (?P<subject>[^\s:]+): )?backing file specified without backing format",
    ),
    fixes=(
        Fix("record it", ("qemu-img rebase -u -F FORMAT -b BACKING {subject}",), Safety.CONFIRM),
    ),
    proof=contents.FORMAT_UNSET,
)
POSITIVE = (
    Evidence(
        error="Requested operation is not valid: format of backing image 'b.img' of image '/img/a.qcow2' was not specified in the image metadata"
    ),
)
NEGATIVE = (
    Evidence(
        error="Could not open backing file: Could not open '/img/b': No such file or directory"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
