"""A device from raw QEMU arguments collides with a PCI address that is assigned.

## What it means
Two devices are at one PCI slot. virtup gives every device of the definition a slot of its own, so one
of the two was put there by a raw argument (`-device ...,addr=0x2`), or sits at a slot of the chipset
(slot 1 of i440FX holds the ISA bridge and IDE).

## How to confirm
The message names slot, function and both devices.

## What to do
Leave `addr=` out of the raw argument, or choose a high slot (0x10 and up); better, describe the device
in the definition.

## Strings it goes by
- `PCI: slot 2 function 0 not available for virtio-blk-pci, in use by cirrus-vga,id=video0`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import contradictions
from virtup.causes.finding import Certainty, Finding
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU040"
SLUG = "pci-addr-conflict-qemu-arg"

_WORDS = re.compile(
    r"PCI: slot (?P<slot>\d+) function (?P<function>\d+) (?:already )?(?:not available|in use)"
    r"(?: for (?P<new>[\w.-]+))?(?:,? (?:in use )?by (?P<old>[\w.-]+))?[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device e1000,addr=1: PCI: slot 1 function 0 not available for "
        "e1000, in use by PIIX3,id=(null)\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -device e1000,addr=2: PCI: slot 2 function 0 not available for "
        "e1000, in use by cirrus-vga,id=video0\n"
    ),
)
NEGATIVE = (Evidence(error="XML error: Attempted double use of PCI Address 0000:00:03.0"),)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the command line shows who wants the slot."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when two devices want one slot."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    new, old = seen["new"] or "a device", seen["old"] or "another device"
    found = _found(
        f"Two devices want PCI slot {seen['slot']}, function {seen['function']}: {new} and {old}.",
        f"slot {seen['slot']}",
        Certainty.LIKELY,
        (seen.quote,),
        (edit(f"leave addr= out of the raw argument for {new}, or drop its <address>,"),),
        seen.at,
    )
    yield from contradictions.SLOT_TWICE.settled(ev, found, seen["slot"])
