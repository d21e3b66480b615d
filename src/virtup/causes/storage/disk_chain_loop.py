"""The backing chain of an image leads back to itself.

## What it means
An overlay names the image that it stands on; here one of the chain stands on an image above it, or
on itself. A `qemu-img rebase -u` with the wrong name, or a copy of an overlay over its own base,
does that. QEMU opens the file twice and locks itself out, so it speaks of a lock.

## How to confirm
`qemu-img info --backing-chain -U IMAGE` names the same image twice.

## What to do
Tell the last image of the chain what it really stands on: `qemu-img rebase -u -b BASE -F FORMAT
OVERLAY`. If the base was overwritten by its overlay, only a backup has its data.

## Strings it goes by
- `Could not open backing file: Failed to get shared "write" lock`
- `backing store for '/img/a.qcow2' is self-referential`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety
from virtup.causes.usage import FileUse, Role, files
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import ImageFact, ImageInfo, ImageLink

CODE = "VU525"
SLUG = "disk-chain-loop"
OVER = ("disk-write-lock",)

_WORDS = re.compile(
    r"could not open backing file: [^\n]*failed to get [^\n]*lock"
    r"|backing store for '?(?P<path>/[^'\n(]+?)'? (?:\([^)\n]*\) )?is self-referential",
    re.IGNORECASE,
)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_LOOP = ImageFact(
    "qcow2", chain=(ImageLink("/img/b.qcow2", True, "qcow2", "qcow2"),), loop="/img/a.qcow2"
)
_SAID = (
    "qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Could not open backing "
    'file: Could not open backing file: Failed to get shared "write" lock\n'
)
POSITIVE = (
    Evidence(stderr=_SAID, argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): _LOOP}),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2", loop="/img/a.qcow2")},
    ),
    Evidence(
        error="internal error: backing store for /img/a.qcow2 (/img/a.qcow2) is self-referential"
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID),
    Evidence(argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2")}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the chain of every image."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in _images(ev))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each chain that comes back."""
    told = said(ev).find(_WORDS)
    shown = False
    for use in _images(ev):
        fact = ev.fact(ImageInfo(use.path))
        if fact is None or not fact.loop:
            continue
        shown = True
        last = fact.chain[-1].path if fact.chain else use.path
        again = "itself" if last == fact.loop else f"'{fact.loop}' again"
        seen = f"this host: the header of '{last}' names '{fact.loop}' as its backing file"
        command = f"qemu-img rebase -u -b BASE -F FORMAT {shlex.quote(last)}"
        fixes = (
            Fix(f"tell '{last}' what it really stands on", (command,), Safety.MANUAL),
            Fix("or restore the images from a backup"),
        )
        quotes = (told.quote,) if told else ()
        at = told.at if told else NOWHERE
        yield _found(
            f"The backing chain of '{use.path}' is a loop: '{last}' stands on {again}.",
            use.path,
            Certainty.PROVEN,
            (*quotes, seen),
            fixes,
            at,
        )
    if told is not None and told["path"] and not shown:
        look = Fix("see the chain", (f"qemu-img info --backing-chain -U {told['path']}",))
        sentence = f"The backing chain of '{told['path']}' is a loop."
        evidence = (told.quote,)
        yield _found(sentence, told["path"], Certainty.LIKELY, evidence, (look,), told.at)


def _images(ev: Evidence) -> list[FileUse]:
    return [use for use in files(ev.argv) if use.role is Role.DISK and use.chained]
