"""A device is put on a bus that this machine does not have.

## What it means
A device names a bus (`bus=pci.7`, `<address bus='3'/>`, or a raw argument's `bus=...`), and no
controller of the guest makes it: a controller was removed, has another index, or the machine type has
another kind (`pcie.0` on Q35, `pci.0` on i440FX).

## How to confirm
`virtup dumpxml NAME | grep -A1 '<controller'`; the message names the bus.

## What to do
Drop the device's `<address>`, and a place is chosen; or add the controller.

## Strings it goes by
- `Bus 'pcie.3' not found`
- `No 'PCI' bus found for device 'virtio-blk-pci'`
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

CODE = "VU039"
SLUG = "qemu-bus-missing"

_WORDS = re.compile(
    r"(?:bus '(?P<bus>[\w.-]+)' not found"
    r"|no '(?P<kind>[\w.-]+)' bus found for device '(?P<device>[^'\n]+)')[^\n]*",
    re.IGNORECASE,
)
POSITIVE = (
    Evidence(stderr="qemu-system-x86_64: -device e1000,bus=pci.7: Bus 'pci.7' not found\n"),
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-blk-pci: No 'PCI' bus found for device "
        "'virtio-blk-pci'\n"
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -device x: 'x' is not a valid device model name\n"),
    Evidence(stderr="Failed to connect to system bus: No such file or directory\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the command line shows which bus has no maker."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when a bus is missing."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    bus = seen["bus"] or seen["kind"]
    noun = f"bus '{bus}'" if seen["bus"] else f"{bus} bus, which '{seen['device']}' needs"
    found = _found(
        f"The guest's machine has no {noun}.",
        bus,
        Certainty.LIKELY,
        (seen.quote,),
        (edit("drop the device's <address>, or add the controller that makes the bus,"),),
        seen.at,
    )
    yield from contradictions.NO_BUS.settled(ev, found, seen["bus"])
