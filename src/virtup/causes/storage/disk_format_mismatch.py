"""The declared image format is not the real one.

## What it means
The definition says that the image has one format (`<driver type='qcow2'/>`), and its header says
another. Most often a raw image is declared qcow2 after a conversion or a copy, or the reverse.

## How to confirm
`qemu-img info -U IMAGE` prints the real format. Beware of `raw`: an image whose header was
destroyed is seen as raw as well, so a raw finding is about the header, not about the content.

## What to do
An image without `<driver type=.../>` is taken for raw: then a qcow2 image starts, and the guest sees
no disk that it knows; `virtup check` warns of it. If the format was changed on purpose, declare the one it has. Never declare a damaged qcow2 image
raw to get it started: the guest would write into qcow2's own tables.

## Strings it goes by
- `Image is not in qcow2 format`
- `Image not in qcow2 format`, `Image not in VDI format`, `invalid VMDK image descriptor`
- `could not open disk image /img/a: Wrong medium type` (QEMU 1.x)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety
from virtup.causes.usage import FileUse, Role, files, image_of
from virtup.causes.who import edit
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo

CODE = "VU008"
SLUG = "disk-format-mismatch"

NOT_IN_FORMAT = re.compile(
    r"(?:image (?:is )?not in (?P<format>\w+) format|invalid (?P<vmdk>VMDK) image descriptor"
    r"|not a (?P<vmdk2>VMDK) image|volume is not in (?P<luks>LUKS) format"
    r"|invalid (?P<vpc>VPC|VHDX) image|wrong medium type)",
    re.IGNORECASE | re.MULTILINE,
)
SAID = (
    'qemu-system-x86_64: -blockdev {"node-name":"f","read-only":false,"driver":"qcow2",'
    '"file":"s"}: Image is not in qcow2 format\n'
)
ARGV = (
    "/usr/bin/qemu-system-x86_64",
    "-blockdev",
    '{"driver":"file","filename":"/img/a.img","node-name":"s","auto-read-only":true}',
    "-blockdev",
    '{"node-name":"f","read-only":false,"driver":"qcow2","file":"s"}',
)
POSITIVE = (
    Evidence(stderr=SAID),
    Evidence(
        stderr=SAID,
        argv=ARGV,
        uid=991,
        host={ImageInfo("/img/a.img"): ImageFact("raw", size=4194304)},
    ),
    Evidence(
        stderr='qemu-system-x86_64: -blockdev {"driver":"vmdk","file":"s"}: '
        "invalid VMDK image descriptor\n",
        argv=tuple(word.replace('"qcow2"', '"vmdk"') for word in ARGV),
        uid=991,
        host={ImageInfo("/img/a.img"): ImageFact("qcow2", size=196616)},
    ),
    Evidence(
        phase="check",
        argv=tuple(word.replace('"qcow2"', '"raw"') for word in ARGV),
        uid=991,
        host={ImageInfo("/img/a.img"): ImageFact("qcow2", size=196616)},
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -blockdev {}: qcow2: Image is corrupt; cannot be opened\n"
    ),
    Evidence(
        stderr=SAID, argv=ARGV, uid=991, host={ImageInfo("/img/a.img"): ImageFact("raw", size=0)}
    ),
    Evidence(
        stderr=SAID,
        argv=ARGV,
        uid=991,
        host={ImageInfo("/img/a.img"): ImageFact("raw", size=9, zeroed=True)},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the header of every image with a declared format."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in declared(ev))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image whose header has another format than it is declared."""
    proven = False
    told = said(ev).find(NOT_IN_FORMAT)
    path = image_of(ev.argv, told.line) if told else ""
    for use in declared(ev):
        fact = ev.fact(ImageInfo(use.path))
        proven = proven or fact is not None
        if fact is None or fact.size == 0 or fact.zeroed or not _differs(use.format, fact.format):
            continue
        yield _finding(use.path, use.format, fact.format, told if path in {"", use.path} else None)
    if told is not None and not proven:
        yield _finding(path, _format(told), "", told)
    yield from _hidden(ev)


def _hidden(ev: Evidence) -> Iterator[Finding]:
    """Yield a warning for each image that a start would take for raw, and whose header says more.

    It starts, and the guest gets the container's bytes for a disk; a guest may write such a header
    into a raw disk itself, so nothing more is known.
    """
    for use in declared(ev) if ev.ahead else ():
        fact = ev.fact(ImageInfo(use.path))
        real = fact.format if fact is not None else ""
        if use.format != "raw" or real in {"", "raw"}:
            continue
        yield _found(
            f"The disk '{use.path}' is taken for raw and has the header of {real}: the guest would "
            "see the image's tables, not the disk in it.",
            use.path,
            Certainty.POSSIBLE,
            (f"this host: the header of '{use.path}' is that of format {real}",),
            (edit(f"if it is a {real} image, declare <driver name='qemu' type='{real}'/>"),),
        )


def without_header(
    ev: Evidence, wrong: Callable[[ImageFact], bool]
) -> Iterator[tuple[FileUse, ImageFact, Seen | None]]:
    """Yield each image that is to have a header of its own and is *wrong*, with what is told."""
    told = said(ev).find(NOT_IN_FORMAT)
    for use in declared(ev):
        fact = ev.fact(ImageInfo(use.path))
        if fact is not None and use.format != "raw" and wrong(fact):
            yield use, fact, told


def declared(ev: Evidence) -> list[FileUse]:
    """Return the images that have a format of their own, raw left out where it hides nothing."""
    return [use for use in files(ev.argv) if use.role is Role.DISK and use.format]


_FAMILY = {"host_device": "raw", "vpc": "vpc", "qcow": "qcow"}


def _differs(declared_format: str, real: str) -> bool:
    wanted = _FAMILY.get(declared_format, declared_format)
    # anything may stand in a raw disk, another image as well
    return bool(real) and wanted not in {real, "raw", "copy-on-read", "throttle"}


def _format(seen: Seen) -> str:
    groups = seen.match.groupdict()
    return next((value.lower() for value in groups.values() if value), "the declared")


def _finding(path: str, wanted: str, real: str, seen: Seen | None) -> Finding:
    noun = f"The disk image '{path}'" if path else "A disk image"
    evidence = [seen.quote] if seen else []
    if real:
        evidence.append(f"this host: the header of '{path}' is that of format {real}")
        sentence = f"{noun} is declared {wanted}, and its header is that of {real}."
        fix = Fix(
            f"declare <driver type='{real}'/> if it was converted on purpose; "
            f"if it was {wanted} before, restore it from a backup",
            (),
            Safety.MANUAL,
        )
    else:
        sentence = f"{noun} is declared {wanted}, and its header says otherwise."
        look = (f"qemu-img info -U '{path}'",) if path else ()
        fix = Fix("see which format it has", look)
    certainty = Certainty.PROVEN if real else Certainty.LIKELY
    at = seen.at if seen else NOWHERE
    return _found(sentence, path, certainty, tuple(evidence), (fix,), at)
