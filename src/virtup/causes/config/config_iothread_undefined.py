"""A disk uses an I/O thread that is not declared.

## What it means
`<driver iothread='5'/>` on a disk or controller names a thread that `<iothreads>` or `<iothreadids>`
does not make: the number is too high, or the declaration was left out when the disk was copied from
another guest.

## How to confirm
`virtup dumpxml NAME | grep -i iothread`.

## What to do
Declare enough threads (`<iothreads>5</iothreads>`), or correct or drop the attribute.

## Strings it goes by
- `Device 'iothread5' not found`
- `Disk iothread '5' not defined in iothreadid`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import contradictions, revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.proof import either
from virtup.causes.usage import options
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe
from virtup.model.repair import Change

CODE = "VU132"
SLUG = "config-iothread-undefined"

_WORDS = re.compile(
    r"device 'iothread(?P<a>\d+)' not found|iothread '?(?P<b>\d+)'? (?:is )?not defined",
    re.IGNORECASE,
)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-device", "virtio-blk-pci,iothread=iothread5")
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-blk-pci,iothread=iothread5: Device 'iothread5' "
        "not found\n"
    ),
    Evidence(error="unsupported configuration: Disk iothread '5' not defined in iothreadid"),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -device e1000,bus=pci.7: Bus 'pci.7' not found\n"),
    Evidence(argv=_ARGV, stderr="qemu-system-x86_64: -device x: Device 'hda' not found\n"),
)

_PROOF = either(contradictions.IOTHREAD, contradictions.NO_THREAD)
_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: the definition contradicts itself."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the threads that there are."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    number = seen["a"] or seen["b"]
    made = [
        str(option.fields().get("id", "")).removeprefix("iothread")
        for option in options(ev.argv)
        if option.name == "object"
        and "iothread" in {option.fields().get("qom-type"), option.fields().get("")}
    ]
    there = f"; there are: {', '.join(made)}" if made else ""
    found = _found(
        f"A disk uses the I/O thread {number}, which is not defined{there}.",
        number,
        Certainty.LIKELY,
        (seen.quote,),
        (edit(f"declare it (<iothreads>{number}</iothreads>), or drop iothread='{number}'"),),
        seen.at,
    )
    yield from _PROOF.settled(ev, found, number)


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Declare as many threads as the number asks for, where they are counted and not named."""
    root = revise.first(ev.definition, ".")
    if root is None or root.find("iothreadids") is not None or not finding.subject.isdigit():
        return ()
    return revise.written_below(root, "iothreads", finding.subject)
