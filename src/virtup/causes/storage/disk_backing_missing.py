"""The backing file that an overlay names does not exist at that path.

## What it means
A copy-on-write image (qcow2 overlay, linked clone, external snapshot) holds only what differs from
its backing file, and the backing file, or one further down the chain, is gone or was moved. The
overlay alone is of no use; it is not damaged.

## How to confirm
`qemu-img info --backing-chain -U IMAGE` stops at the missing link.

## What to do
Put the backing file back at that very path. If it was moved on purpose, tell the overlay without
touching its data: `qemu-img rebase -u -b NEW -F FORMAT OVERLAY` (only with the same content).

## Strings it goes by
- `Could not open backing file: Could not open '/img/base.qcow2': No such file or directory`
- `Cannot access backing file '/img/base.img' of storage file '/img/a.img' (as uid:0, gid:0): No such file or directory`
- `Could not open backing image`
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety
from virtup.causes.paths import Failure, Kind, troubles
from virtup.causes.usage import FileUse, Role, files
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo, ImageLink

CODE = "VU007"
SLUG = "disk-backing-missing"

_ARGV = (
    "/usr/bin/qemu-system-x86_64",
    "-drive",
    "file=/img/a.qcow2,format=qcow2,if=virtio",
)
_CHAIN = ImageFact(
    format="qcow2", chain=(ImageLink("/img/base.qcow2", exists=False, declared="qcow2"),)
)
_SAID = (
    "qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Could not open backing "
    "file: Could not open '/img/base.qcow2': No such file or directory\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        error="Cannot access backing file '/img/base.qcow2' of storage file '/img/a.qcow2' "
        "(as uid:107, gid:107): No such file or directory"
    ),
    Evidence(stderr=_SAID, argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): _CHAIN}),
    Evidence(argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): _CHAIN}),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -blockdev {}: Could not open '/img/a': No such file or directory\n"
    ),
    Evidence(
        error="Cannot access backing file '/img/base.qcow2' of storage file '/img/a.qcow2' "
        "(as uid:107, gid:107): Permission denied"
    ),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={
            ImageInfo("/img/a.qcow2"): ImageFact("qcow2", chain=(ImageLink("/img/b", exists=True),))
        },
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the chain of every image."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in _images(ev))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each backing file that is missing."""
    told = {
        trouble.use.path: trouble.failure
        for trouble in troubles(ev, {Role.BACKING}, {Kind.MISSING})
        if trouble.failure is not None
    }
    for use in _images(ev):
        fact = ev.fact(ImageInfo(use.path))
        gone = next((link for link in fact.chain if not link.exists), None) if fact else None
        if gone is not None:
            failure = told.pop(gone.path, None)
            yield _finding(gone.path, use.path, failure, Certainty.PROVEN, gone.declared)
    for path, failure in told.items():
        yield _finding(path, failure.overlay, failure, Certainty.LIKELY)


def _images(ev: Evidence) -> list[FileUse]:
    return [use for use in files(ev.argv) if use.role is Role.DISK and use.chained]


def _finding(
    path: str, overlay: str, failure: Failure | None, certainty: Certainty, declared: str = ""
) -> Finding:
    of = f" of the disk image '{overlay}'" if overlay else ""
    evidence = [failure.seen.quote] if failure else []
    if certainty is Certainty.PROVEN:
        evidence.append(f"this host: '{overlay}' stands on '{path}', which does not exist")
    back = Fix(f"put the backing file back at '{path}'")
    fixes = [back]
    if overlay:
        command = f"qemu-img rebase -u -b NEW_PATH -F {declared or 'FORMAT'} {shlex.quote(overlay)}"
        fixes.append(Fix("or, if it was moved, tell the overlay", (command,), Safety.MANUAL))
    return _found(
        f"The backing file '{path}'{of} does not exist.",
        path,
        certainty,
        tuple(evidence),
        tuple(fixes),
        failure.seen.at if failure else NOWHERE,
    )
