"""The image is flagged or found corrupt and QEMU refuses to open it.

## What it means
qcow2 marks an image as corrupt when QEMU found its tables damaged while a guest wrote to it, and
from then on opens it for reading only. A file that is shorter than its own header is refused as
well; one that ends before its tables may start, and the guest finds its data gone. Storage that loses writes, a full disk, or two writers at once are behind it.

## How to confirm
`qemu-img check IMAGE` lists the damage. `qemu-img info IMAGE` prints `corrupt: true`.

## What to do
Copy the image first. Then `qemu-img check -r leaks IMAGE`, and `-r all` if that is not enough: the
repair drops what cannot be saved. Then look for the cause: `dmesg`, `df`, the storage's own log.

## Strings it goes by
- `qcow2: Image is corrupt; cannot be opened read/write`
- `qcow2 header too short`, `L1 table is too small`, `Could not read L1 table`
- `Unsupported cluster size: 2^127`, `Active L1 table offset invalid`
- `Image corruption detected`, `Cluster allocation offset is not cluster aligned`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety
from virtup.causes.usage import Role, files, image_of
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo

CODE = "VU009"
SLUG = "disk-image-corrupt"

_WORDS = re.compile(
    r"(?:image is corrupt|marking image as corrupt|image corruption detected|header too short|l1 table is too small"
    r"|could not read (?:l1|qcow2|refcount|snapshot)|is not cluster aligned"
    r"|refcount table offset|invalid (?:l1|refcount|reference count) table|incorrect header checksum"
    r"|unsupported cluster size|header exceeds cluster size|invalid backing file offset"
    r"|reference count entry width too large|does not contain a reference count table"
    r"|(?:active l1|reference count|snapshot) table (?:too large|offset invalid)"
    r"|could not initialize refcount handling|\d+ errors were found on the image)",
    re.IGNORECASE | re.MULTILINE,
)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_SAID = (
    "qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: qcow2: Image is corrupt; "
    "cannot be opened read/write\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2", size=196616, corrupt=True)},
    ),
    Evidence(
        stderr='qemu-system-x86_64: -blockdev {"driver":"qcow2","file":"s"}: qcow2 header too short\n'
    ),
    Evidence(
        stderr="qemu-kvm: -drive file=/v/a.vhd,format=vpc,if=none,id=d: Incorrect header checksum\n"
    ),
    Evidence(stderr="7 errors were found on the image.\nData may be corrupted\n"),
)
NEGATIVE = (
    Evidence(
        stderr='qemu-system-x86_64: -blockdev {"driver":"qcow2"}: Image is not in qcow2 format\n'
    ),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2", size=196616)},
    ),
    Evidence(
        argv=(*_ARGV[:2], f"{_ARGV[2]},readonly=on"),
        uid=991,
        host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2", size=196616, corrupt=True)},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the header of every image."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in files(ev.argv) if use.role is Role.DISK)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image that is damaged."""
    told = said(ev).find(_WORDS)
    path = image_of(ev.argv, told.line) if told else ""
    shown = False
    for use in files(ev.argv):
        image = use.role is Role.DISK and use.format != "raw"
        fact = ev.fact(ImageInfo(use.path)) if image else None
        damaged = fact is not None and fact.size > 0 and _damage(fact, write=use.write)
        if fact is not None and damaged:
            shown = True
            yield _finding(use.path, told if path in {"", use.path} else None, fact)
    if told is not None and not shown:
        yield _finding(path, told, None)


_HEADER = 72
"""So much of a header each qcow2 image has; QEMU reads zeros where its tables should be."""


def _damage(fact: ImageFact, *, write: bool) -> str:
    """Return the predicate of an image that is damaged; one marked corrupt may still be read."""
    if fact.broken:
        return f"has a damaged header: {fact.broken}"
    if fact.truncated:
        return "is truncated: it ends before its own tables"
    return "is marked corrupt" if fact.corrupt and write else ""


def _finding(path: str, seen: Seen | None, fact: ImageFact | None) -> Finding:
    noun = f"The disk image '{path}'" if path else "A disk image"
    evidence = [seen.quote] if seen else []
    what = "is corrupt"
    if fact is not None:
        what = _damage(fact, write=True)
        evidence.append(f"this host: '{path}' ({fact.format}, {fact.size} bytes) {what}")
    name = shlex.quote(path) if path else "IMAGE"
    fix = Fix(
        "copy the image, then check it and repair the copy, or restore a backup",
        (f"qemu-img check {name}",),
        Safety.MANUAL,
    )
    cut = fact is not None and fact.truncated and not fact.broken
    starts = cut and fact is not None and fact.size >= _HEADER and seen is None
    certainty = Certainty.PROVEN if fact and not starts else Certainty.LIKELY
    at = seen.at if seen else NOWHERE
    return _found(f"{noun} {what}.", path, certainty, tuple(evidence), (fix,), at)
