"""The size of an image is no multiple of the block size that is written to it.

## What it means
Storage with blocks of 4096 bytes, written to past the page cache, takes whole blocks only. An
image with a rest at its end would have to grow, which the disk may not do.

## How to confirm
`stat -c %s IMAGE` is not divisible by 4096 (`blockdev --getss DEVICE` tells the device's own).

## What to do
Round the image up: `qemu-img resize -f raw IMAGE SIZE`, which adds empty bytes at its end.

## Strings it goes by
- `Cannot get 'write' permission without 'resize': Image size is not a multiple of request alignment`
"""

from __future__ import annotations

from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU467"
SLUG = "disk-size-unaligned"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The size of a disk image is no multiple of the storage's block size.",
    subject="the image",
    phrases=(r"image size is not a multiple of request alignment",),
    fixes=(Fix("round its size up", ("qemu-img resize -f raw IMAGE SIZE",), Safety.CONFIRM),),
)
POSITIVE = (
    Evidence(
        stderr="qemu-kvm: -device virtio-blk-pci,drive=f,id=d: Cannot get 'write' permission without 'resize': Image size is not a multiple of request alignment\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-kvm: Could not read image for determining its format: Input/output error\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
