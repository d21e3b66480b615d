"""The disk image is empty: a file of 0 bytes.

## What it means
The file is there and holds nothing, so it has no header of the declared format. A copy or a
download was cut off at its start (the target's disk was full), or a tool made the file and died.

## How to confirm
`stat -c %s IMAGE` prints 0.

## What to do
Restore the image from a backup, or copy it again from where it came. `qemu-img create` would make
an empty disk of it: do that only when there never was anything in it.

## Strings it goes by
- `Image is not in qcow2 format`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.storage.disk_format_mismatch import ARGV, SAID, probes, without_header
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo

CODE = "VU010"
SLUG = "disk-image-empty"

POSITIVE = (
    Evidence(
        stderr=SAID, argv=ARGV, uid=991, host={ImageInfo("/img/a.img"): ImageFact("raw", size=0)}
    ),
)
NEGATIVE = (
    Evidence(stderr=SAID, argv=ARGV),
    Evidence(
        stderr=SAID, argv=ARGV, uid=991, host={ImageInfo("/img/a.img"): ImageFact("raw", size=9)}
    ),
)

_found = partial(Finding, CODE, SLUG)
__all__ = ["find", "probes"]


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image of 0 bytes that is not declared raw."""
    for use, _, told in without_header(ev, lambda fact: fact.size == 0):
        yield _found(
            f"The disk image '{use.path}' is empty (0 bytes), so it is no {use.format} image.",
            use.path,
            Certainty.PROVEN,
            (*((told.quote,) if told else ()), f"this host: '{use.path}' has 0 bytes"),
            (Fix(f"restore '{use.path}' from a backup, or copy it again"),),
            told.at if told else NOWHERE,
        )
