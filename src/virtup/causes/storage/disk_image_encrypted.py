"""The image is encrypted, and the guest is given no key for it.

## What it means
The header of the image says that its data is encrypted (LUKS, or qcow2's old AES), and nothing in
the definition names the secret that opens it.

## How to confirm
`qemu-img info -U IMAGE` prints `encrypted: yes`.

## What to do
Name the secret by `<encryption>` in the disk's `<source>`, where the manager can keep secrets
(libvirt can, virtup keeps none). Or make an image without encryption of it: `qemu-img convert`
with `--object secret` asks for the passphrase.

## Strings it goes by
- `Parameter 'encrypt.key-secret' is required for cipher`
- `Parameter 'key-secret' is required for cipher`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.usage import Role, files
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, ImageFact, ImageInfo, Probe

CODE = "VU528"
SLUG = "disk-image-encrypted"
OVER = ("disk-secret-refused",)
ALSO = ("disk-secret-refused",)

_WORDS = re.compile(r"parameter '(?:encrypt\.)?key-secret' is required for cipher", re.IGNORECASE)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_LOCKED: dict[Probe[Any], Fact] = {
    ImageInfo("/img/a.qcow2"): ImageFact("qcow2", size=4096, encrypted=True)
}
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Parameter "
        "'encrypt.key-secret' is required for cipher\n",
        argv=_ARGV,
        uid=991,
        host=_LOCKED,
    ),
    Evidence(phase="check", argv=_ARGV, uid=991, host=_LOCKED),
)
NEGATIVE = (
    Evidence(
        phase="check",
        argv=(*_ARGV[:2], f"{_ARGV[2]},encrypt.format=luks,encrypt.key-secret=s0"),
        uid=991,
        host=_LOCKED,
    ),
    Evidence(argv=_ARGV, uid=991, host={ImageInfo("/img/a.qcow2"): ImageFact("qcow2")}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[ImageInfo]:
    """Ask for the header of every image."""
    if ev.uid is not None:
        yield from (ImageInfo(use.path) for use in files(ev.argv) if use.role is Role.DISK)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each encrypted image, when no key is given to this guest at all."""
    told = said(ev).find(_WORDS)
    if any("key-secret" in word for word in ev.argv) or not (ev.ahead or told is not None):
        return
    for use in files(ev.argv):
        fact = ev.fact(ImageInfo(use.path)) if use.role is Role.DISK else None
        if fact is None or not fact.encrypted or use.format in {"raw", ""}:
            continue
        info = (f"qemu-img info -U {shlex.quote(use.path)}",)
        yield _found(
            f"The disk image '{use.path}' is encrypted, and the definition names no secret for it.",
            use.path,
            Certainty.PROVEN,
            (
                *((told.quote,) if told else ()),
                f"this host: the header of '{use.path}' says that it is encrypted",
            ),
            (Fix("name its secret by <encryption>, or convert it to an open image", info),),
            told.at if told else NOWHERE,
        )
