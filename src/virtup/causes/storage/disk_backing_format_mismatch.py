"""An overlay records a format for its backing file that this does not have.

## What it means
An overlay says in its header which image it stands on and of which format that is. The base was
converted since, or replaced by another file, is empty, or the format was recorded wrong
(`qemu-img create -F`, `rebase -u -F`).

## How to confirm
`qemu-img info --backing-chain -U IMAGE`: compare "backing file format" with the "file format" of
the image below it.

## What to do
If the base is the right one, record its format: `qemu-img rebase -u -b BASE -F FORMAT OVERLAY`.
A base that is empty or has no header any more has to come from a backup.

## Strings it goes by
- `Could not open backing file: Image is not in qcow2 format`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety
from virtup.causes.usage import FileUse, Role, files, image_of
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo, ImageLink

CODE = "VU526"
SLUG = "disk-backing-format-mismatch"
OVER = ("disk-format-mismatch",)
ALSO = ("disk-format-mismatch",)

_WORDS = re.compile(
    r"could not open backing (?:file|image)[^\n]*: image (?:is )?not in (?P<format>\w+) format",
    re.IGNORECASE,
)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_SAID = (
    "qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Could not open backing "
    "file: Image is not in qcow2 format\n"
)
POSITIVE = (
    Evidence(stderr=_SAID, argv=_ARGV),
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={
            ImageInfo("/img/a.qcow2"): ImageFact(
                "qcow2", chain=(ImageLink("/img/b.img", True, "raw", "qcow2", 4096),)
            )
        },
    ),
)
NEGATIVE = (
    Evidence(
        argv=_ARGV,
        uid=991,
        host={
            ImageInfo("/img/a.qcow2"): ImageFact(
                "qcow2", chain=(ImageLink("/img/b.img", True, "qcow2", "raw", 4096),)
            )
        },
    ),
    Evidence(stderr="qemu-system-x86_64: -drive file=/a: Image is not in qcow2 format\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the chain of every image."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in _images(ev))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image that is not what the one above it records."""
    told = said(ev).find(_WORDS)
    shown = False
    for use in _images(ev):
        fact = ev.fact(ImageInfo(use.path))
        for overlay, link in _pairs(use.path, fact) if fact is not None else ():
            shown = True
            yield _finding(overlay, link, told)
    if told is not None and not shown:
        path = image_of(ev.argv, told.line)
        noun = f"The backing file of '{path}'" if path else "A backing file"
        look = Fix("see the chain", (f"qemu-img info --backing-chain -U {path or 'IMAGE'}",))
        sentence = f"{noun} is recorded as {told['format']}, and is not."
        yield _found(sentence, path, Certainty.LIKELY, (told.quote,), (look,), told.at)


def _images(ev: Evidence) -> list[FileUse]:
    return [use for use in files(ev.argv) if use.role is Role.DISK and use.chained]


def _pairs(path: str, fact: ImageFact) -> Iterator[tuple[str, ImageLink]]:
    """Yield each image that is not of the format which the one above it records, with that one."""
    for above, link in pairwise((ImageLink(path, exists=True), *fact.chain)):
        known = link.exists and link.format and link.declared not in {"", "raw"}
        if known and link.format != link.declared:
            yield above.path, link


def _finding(overlay: str, link: ImageLink, told: Seen | None) -> Finding:
    quotes = (told.quote,) if told else ()
    if link.size == 0:
        what, seen = "is empty (0 bytes)", f"this host: '{link.path}' has 0 bytes"
        fixes = (Fix(f"restore '{link.path}' from a backup, or copy it again"),)
    else:
        what = f"has the header of {link.format}"
        seen = f"this host: '{link.path}' is {link.format}, recorded is {link.declared}"
        names = f"-b {shlex.quote(link.path)} -F {link.format} {shlex.quote(overlay)}"
        record = f"qemu-img rebase -u {names}"
        fixes = (
            Fix(
                f"if it is the right image, record its format; if it was {link.declared} before, "
                "restore it from a backup",
                (record,),
                Safety.MANUAL,
            ),
        )
    return _found(
        f"The backing file '{link.path}' of '{overlay}' is recorded as {link.declared}, and {what}.",
        link.path,
        Certainty.PROVEN,
        (*quotes, seen),
        fixes,
        told.at if told else NOWHERE,
    )
