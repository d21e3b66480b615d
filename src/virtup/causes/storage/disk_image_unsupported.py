"""The image is of a version, or has features, that this QEMU does not know.

## What it means
A newer `qemu-img` made the image, or switched something on in it (`-o compression_type=zstd`,
`extended_l2=on`). An image that a QEMU may not open safely says so in its header. Nonsense in that
place, as "version 4", is a header that was damaged.

## How to confirm
`qemu-img info -U IMAGE` with the newer QEMU lists what it uses under "Format specific information".

## What to do
Use a newer QEMU, or convert the image there: `qemu-img convert -O qcow2 -o compat=1.1 OLD NEW`. If
no newer QEMU ever had it in hand, restore it from a backup.

## Strings it goes by
- `Unsupported qcow2 version 4`
- `Unsupported qcow2 feature(s): Unknown incompatible feature: 100`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.usage import Role, files, image_of
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo

CODE = "VU527"
SLUG = "disk-image-unsupported"
OVER = ("qemu-too-old", "qemu-device-not-built", "disk-image-corrupt")

_WORDS = re.compile(
    r"unsupported (?:\w+ )?(?P<what>version \d+|feature\(s\): [^\n]+)"
    r"|uses a (?P<old>qcow2 feature which is not supported)",
    re.IGNORECASE,
)
_IN_IMAGE = re.compile(r"qcow2|-blockdev|-drive|could not open", re.IGNORECASE)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_SAID = (
    "qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Unsupported qcow2 "
    "version 4\n"
)
POSITIVE = (
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2", unsupported="version 4")},
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID, argv=_ARGV),
    Evidence(argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2")}),
    Evidence(stderr="qemu-system-x86_64: unsupported version 4 of the stream\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the header of every image."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in files(ev.argv) if use.role is Role.DISK)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image that no QEMU knows; words alone are another cause's."""
    told = said(ev).find(_WORDS)
    if told is not None and not _IN_IMAGE.search(told.line):
        told = None
    path = image_of(ev.argv, told.line) if told else ""
    for use in files(ev.argv):
        image = use.role is Role.DISK and use.format not in {"raw", ""}
        fact = ev.fact(ImageInfo(use.path)) if image else None
        if fact is not None and fact.unsupported:
            seen = told if path in {"", use.path} else None
            yield _finding(use.path, fact.unsupported, seen)


def _finding(path: str, what: str, told: Seen | None) -> Finding:
    quotes = (told.quote,) if told else ()
    fixes = (
        Fix(
            "use a newer QEMU, or convert the image with the one that made it",
            (f"qemu-img convert -O qcow2 -o compat=1.1 {shlex.quote(path)} NEW",),
        ),
        Fix("or restore it from a backup: a damaged header looks the same"),
    )
    return _found(
        f"The disk image '{path}' is qcow2 of a kind that this QEMU does not support: {what}.",
        path,
        Certainty.PROVEN,
        (*quotes, f"this host: the header of '{path}' has {what}"),
        fixes,
        told.at if told else NOWHERE,
    )
