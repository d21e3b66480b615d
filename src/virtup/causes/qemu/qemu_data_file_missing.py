"""A QEMU data file (keymap etc.) is missing.

## What it means
QEMU reads keymaps and other data from its data directory, and one is not there: the name is wrong
(`keymap='uk'` is `en-gb`), or the data package is not installed.

## How to confirm
`ls /usr/share/qemu/keymaps`.

## What to do
Use a keymap that is there, or leave `keymap` out: clients that send key codes do not need it.

## Strings it goes by
- `could not read keymap file: 'xx'`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import programs
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe

CODE = "VU042"
SLUG = "qemu-data-file-missing"

_WORDS = re.compile(
    r"could not read keymap file: '(?P<name>[^'\n]+)'[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (Evidence(stderr="qemu-system-x86_64: -vnc none: could not read keymap file: 'xx'\n"),)
NEGATIVE = (Evidence(stderr='qemu-system-x86_64: failed to find romfile "vgabios.bin"\n'),)

_PROOF = programs.path_exists("/usr/share/qemu/keymaps/{subject}", wanted=False)
_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for the keymap where QEMU keeps them."""
    seen = said(ev).find(_WORDS)
    if seen is not None:
        yield from _PROOF.probes(ev, [seen["name"]])


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when a keymap is missing."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    name = seen["name"]
    found = _found(
        f"QEMU has no keymap '{name}'.",
        name,
        Certainty.LIKELY,
        (seen.quote,),
        (edit(f"change keymap='{name}' to one of /usr/share/qemu/keymaps, or drop it,"),),
        seen.at,
    )
    yield from _PROOF.settled(ev, found, name)
