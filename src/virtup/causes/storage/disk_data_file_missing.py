"""The file in which a qcow2 image keeps its data is not there.

## What it means
An image made with `-o data_file=...` is only the table; its data is in a raw file beside it, whose
name stands in the header. That file is gone, or the image was copied without it.

## How to confirm
`qemu-img info -U IMAGE` prints `data file:`; `ls -l` that file.

## What to do
Put the data file back at that path: without it the image is of no use. If it was moved, tell the
image: `qemu-img amend -o data_file=NEW IMAGE`.

## Strings it goes by
- `Could not open '/img/a.raw': No such file or directory`
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety
from virtup.causes.paths import failures
from virtup.causes.usage import FileUse, Role, files
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo, ImageLink

CODE = "VU529"
SLUG = "disk-data-file-missing"
OVER = ("disk-file-missing",)
ALSO = ("disk-file-missing",)

_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_GONE = ImageFact("qcow2", data_file=ImageLink("/img/a.raw", exists=False, declared="raw"))
_THERE = ImageFact("qcow2", data_file=ImageLink("/img/a.raw", exists=True, declared="raw"))
_SAID = (
    "qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Could not open "
    "'/img/a.raw': No such file or directory\n"
)
POSITIVE = (
    Evidence(stderr=_SAID, argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): _GONE}),
    Evidence(argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): _GONE}),
)
NEGATIVE = (
    Evidence(stderr=_SAID, argv=_ARGV),
    Evidence(argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): _THERE}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the header of every image."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in _images(ev))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each data file that is gone."""
    told = {failure.path: failure.seen for failure in failures(ev)}
    for use in _images(ev):
        fact = ev.fact(ImageInfo(use.path))
        gone = fact.data_file if fact is not None else None
        if gone is None or gone.exists:
            continue
        seen = told.get(gone.path)
        command = f"qemu-img amend -o data_file=NEW_PATH {shlex.quote(use.path)}"
        yield _found(
            f"The data file '{gone.path}' of the disk image '{use.path}' does not exist.",
            gone.path,
            Certainty.PROVEN,
            (
                *((seen.quote,) if seen else ()),
                f"this host: '{use.path}' keeps its data in '{gone.path}', which does not exist",
            ),
            (
                Fix(f"put the data file back at '{gone.path}'"),
                Fix("or, if it was moved, tell the image", (command,), Safety.MANUAL),
            ),
            seen.at if seen else NOWHERE,
        )


def _images(ev: Evidence) -> list[FileUse]:
    return [use for use in files(ev.argv) if use.role is Role.DISK and use.chained]
