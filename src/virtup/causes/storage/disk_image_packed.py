"""The disk image is an archive that was never unpacked, or no image at all but a web page.

## What it means
Images are offered for download as `.qcow2.gz`, `.img.xz`, `.zip` or `.ova` (a tar archive). QEMU
reads none of them: the file was given the name of an image without being unpacked. Or the server
answered with an error page, and that was saved under the image's name.

## How to confirm
`file IMAGE` names what it is; the first line of a web page says why (`404 Not Found`).

## What to do
Unpack it: `gunzip`, `unxz`, `unzip`, `tar -xf` (of an `.ova`, the `.vmdk` in it). Download it again
when it is a web page.

## Strings it goes by
- `Image is not in qcow2 format`
- `invalid VMDK image descriptor`
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.storage.disk_format_mismatch import ARGV, SAID, declared, probes, without_header
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo

CODE = "VU524"
SLUG = "disk-image-packed"
OVER = ("disk-format-mismatch",)

_XZ = ImageFact("raw", size=9000, packed="an xz archive")
_PAGE = ImageFact("raw", size=120, packed="a web page")
POSITIVE = (
    Evidence(stderr=SAID, argv=ARGV, uid=991, host={ImageInfo("/img/a.img"): _XZ}),
    Evidence(stderr=SAID, argv=ARGV, uid=991, host={ImageInfo("/img/a.img"): _PAGE}),
    Evidence(
        phase="check",
        argv=tuple(word.replace('"qcow2"', '"raw"') for word in ARGV),
        uid=991,
        host={ImageInfo("/img/a.img"): _XZ},
    ),
)
NEGATIVE = (
    Evidence(stderr=SAID, argv=ARGV),
    Evidence(
        stderr=SAID, argv=ARGV, uid=991, host={ImageInfo("/img/a.img"): ImageFact("raw", size=9)}
    ),
)
_UNPACK = {
    "a gzip archive": "gunzip -c {image} > NEW",
    "an xz archive": "xz -dc {image} > NEW",
    "a bzip2 archive": "bunzip2 -c {image} > NEW",
    "a zstd archive": "zstd -dc {image} > NEW",
    "an lz4 archive": "lz4 -dc {image} > NEW",
    "a zip archive": "unzip {image}",
    "a 7z archive": "7z x {image}",
    "a rar archive": "unrar x {image}",
    "a tar archive": "tar -xf {image}",
}

_found = partial(Finding, CODE, SLUG)
__all__ = ["find", "probes"]


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each; a raw disk may hold what it likes, so that is only possible."""
    for use, fact, told in without_header(ev, lambda fact: bool(fact.packed)):
        quotes = (told.quote,) if told else ()
        at = told.at if told else NOWHERE
        yield _finding(use.path, use.format, fact, (Certainty.PROVEN, quotes, at))
    for use in declared(ev) if ev.ahead else ():
        seen = ev.fact(ImageInfo(use.path))
        if use.format == "raw" and seen is not None and seen.packed:
            yield _finding(use.path, "raw", seen, (Certainty.POSSIBLE, (), NOWHERE))


def _finding(
    path: str, wanted: str, fact: ImageFact, how: tuple[Certainty, tuple[str, ...], int]
) -> Finding:
    certainty, quotes, at = how
    command = _UNPACK.get(fact.packed)
    if command is None:
        fix = Fix(f"download or copy '{path}' again: a server's answer was saved in its place")
    else:
        unpack = command.format(image=shlex.quote(path))
        fix = Fix("unpack it, and put what was in it in its place", (unpack,))
    return _found(
        f"The disk image '{path}' is {fact.packed}, not a {wanted} image.",
        path,
        certainty,
        (*quotes, f"this host: '{path}' ({fact.size} bytes) begins like {fact.packed}"),
        (fix,),
        at,
    )
