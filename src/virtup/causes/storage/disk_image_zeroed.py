"""The place of the image's header holds nothing but zeros.

## What it means
The file has a size, and its first 64 KiB are zeros: the header of its format is gone. A power cut
on a file system that allocates late, a `dd` or a partition tool on the wrong file does that. The
data behind the header may be whole. A raw image that nobody has written to looks the same: then it
is declared wrong, and nothing is lost.

## How to confirm
`head -c 512 IMAGE | od -c | head` shows only zeros.

## What to do
Restore the image from a backup. Keep a copy of the damaged file: its data can often be saved by
hand. Declare it raw only when it was made as a raw image and never used: otherwise the guest would
see garbage and write over what is left.

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

CODE = "VU011"
SLUG = "disk-image-zeroed"

POSITIVE = (
    Evidence(
        stderr=SAID,
        argv=ARGV,
        uid=991,
        host={ImageInfo("/img/a.img"): ImageFact("raw", size=196616, zeroed=True)},
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
    """Yield one finding for each image without a header where its format wants one."""
    for use, fact, told in without_header(ev, lambda fact: fact.zeroed):
        yield _found(
            (
                f"The disk image '{use.path}' is declared {use.format}, and the place of its "
                "header holds only zeros."
            ),
            use.path,
            Certainty.PROVEN,
            (
                *((told.quote,) if told else ()),
                f"this host: the header of '{use.path}' ({fact.size} bytes) is all zeros",
            ),
            (
                Fix(
                    f"restore '{use.path}' from a backup (keep the damaged file); declare it "
                    "type='raw' only if it is a raw image that was never used"
                ),
            ),
            told.at if told else NOWHERE,
        )
