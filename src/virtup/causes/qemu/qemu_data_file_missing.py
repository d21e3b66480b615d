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

from virtup.causes import definition, programs, revise, usage
from virtup.causes.finding import NOWHERE, Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Probe
from virtup.model.repair import Change

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
    name, _ = _keymap(ev)
    if name:
        yield from _PROOF.probes(ev, [name])


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when a keymap is missing."""
    name, seen = _keymap(ev)
    if not name:
        return
    found = _found(
        f"QEMU has no keymap '{name}'.",
        name,
        Certainty.LIKELY if seen else Certainty.POSSIBLE,
        (seen.quote,) if seen else (),
        (edit(f"change keymap='{name}' to one of /usr/share/qemu/keymaps, or drop it,"),),
        seen.at if seen else NOWHERE,
    )
    left = _PROOF.settle(ev, found, name)
    if left is not None and left.evidence:
        yield left


def _keymap(ev: Evidence) -> tuple[str, Seen | None]:
    """Return the keymap that QEMU did not find, or would look for."""
    seen = said(ev).find(_WORDS)
    if seen is not None:
        return seen["name"], seen
    return usage.value(ev.argv, "k") if ev.ahead else "", None


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Leave the keymap out: the display's client says which key was pressed."""
    made: tuple[Change, ...] = ()
    for display in definition.devices(ev.definition, "graphics"):
        if display.get("keymap") == finding.subject:
            made += revise.given(display, "keymap", None)
    return made
