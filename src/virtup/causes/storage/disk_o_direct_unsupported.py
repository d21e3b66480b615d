"""cache=none or directsync needs O_DIRECT, which the file system lacks.

## What it means
With `cache='none'` or `cache='directsync'` QEMU goes past the host's page cache. Some file systems
(tmpfs before Linux 6.6, older FUSE, ZFS before 2.3, some network file systems) refuse that.

## How to confirm
`dd if=IMAGE of=/dev/null iflag=direct bs=4096 count=1` fails with "Invalid argument".

## What to do
Drop the `cache` attribute of the disk's `<driver>`, or use `cache='writeback'`; or move the image to
a file system that has direct I/O.

## Strings it goes by
- `file system may not support O_DIRECT`
- `Could not open '/img/a': Invalid argument`
- `Unable to open file: ... : filesystem does not support O_DIRECT`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import contents, definition, revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.usage import image_of
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe
from virtup.model.repair import Change

CODE = "VU017"
SLUG = "disk-o-direct-unsupported"

_WORDS = re.compile(
    r"file ?system (?:may|does) not support O_DIRECT"
    r"|cache=(?:none|directsync)[^\n]*could not open [^\n]*: invalid argument",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/nfs/v.qcow2,if=none,id=drive-virtio-disk0,"
        "format=qcow2,cache=none: file system may not support O_DIRECT\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/a,cache=none: Could not open '/a': Permission denied\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for what the file system of the image does with O_DIRECT."""
    seen = said(ev).find(_WORDS)
    if seen is not None:
        yield from contents.NO_DIRECT.probes(ev, [image_of(ev.argv, seen.line)])


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when QEMU names O_DIRECT."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    path = image_of(ev.argv, seen.line)
    noun = f"the disk image '{path}'" if path else "a disk image"
    found = _found(
        f"The file system of {noun} has no O_DIRECT, which its cache mode needs.",
        path,
        Certainty.LIKELY,
        (seen.quote,),
        (edit("remove cache='none' (or directsync) from the disk's <driver>"),),
        seen.at,
    )
    yield from contents.NO_DIRECT.settled(ev, found, path)


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Let the disk go through the host's cache, with the aio that needs none."""
    made: tuple[Change, ...] = ()
    for disk in definition.devices(ev.definition, "disk"):
        source, driver = disk.find("source"), disk.find("driver")
        if source is None or driver is None or finding.subject not in source.attrib.values():
            continue
        made += revise.given(driver, "cache", None)
        made += revise.given(driver, "io", None) if driver.get("io") == "native" else ()
    return made
