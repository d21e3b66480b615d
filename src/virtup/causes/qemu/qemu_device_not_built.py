"""The device is not in this QEMU build.

## What it means
The definition asks for a device that this QEMU does not know: the distribution left it out
(`virtio-9p-pci`, `qxl`), keeps it in a package of its own (`qemu-system-gui`,
`qemu-device-display-qxl`), or the name is wrong.

## How to confirm
`qemu-system-x86_64 -device help | grep NAME`.

## What to do
Install the package that has the device, or use another device; the finding names the nearest.

## Strings it goes by
- `'virtio-9p-pci' is not a valid device model name`
- `Device 'qxl-vga' not found`, `Unsupported NIC model: ...`
- `module hw-display-qxl not found`
- `Parameter 'driver' expects device type` (QEMU 1.x)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.known import answers, asked
from virtup.causes.usage import devices
from virtup.causes.who import edit, mistyped
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Asked, Devices, NamesFact

CODE = "VU038"
SLUG = "qemu-device-not-built"

_WORDS = re.compile(
    r"'(?P<a>[\w.-]+)' is not a valid device (?:model )?name"
    r"|unknown device '(?P<d>[\w.-]+)' for bus"
    r"|unsupported nic model: (?P<b>[\w.-]+)"
    r"|module hw-\w+-(?P<c>[\w-]+) (?:is )?not found"
    r"|parameter 'driver' expects (?:a )?(?:pluggable )?device type",
    re.IGNORECASE,
)
_QEMU = "/usr/bin/qemu-system-x86_64"
_SAID = (
    "qemu-system-x86_64: -device virtio-blk-pc: 'virtio-blk-pc' is not a valid device model name\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(error="'vmgenid' is not a valid device model name TASK ERROR: start failed"),
    Evidence(
        stderr=_SAID,
        emulator=_QEMU,
        uid=991,
        host={Devices(_QEMU, 991): NamesFact(("virtio-blk-pci", "e1000"))},
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -device e1000,bus=pci.7: Bus 'pci.7' not found\n"),
    Evidence(stderr="qemu-system-x86_64: -device e1000,x=y: Property 'e1000.x' not found\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Asked]:
    """Ask the emulator for its devices when it refused one, or would be given some."""
    wanted = said(ev).find(_WORDS) is not None or (ev.ahead and devices(ev.argv))
    if wanted:
        yield from asked(ev, Devices)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the nearest devices that this QEMU has."""
    known = answers(ev, Devices)
    names = known.names if known else ()
    seen = said(ev).find(_WORDS)
    if seen is not None:
        wanted = seen["a"] or seen["b"] or seen["c"] or seen["d"]
        if wanted not in names:
            yield _finding(ev, wanted, names, seen)
    elif ev.ahead and names:
        unknown = [name for name in devices(ev.argv) if name not in names]
        yield from (_finding(ev, name, names, None) for name in unknown)


def _finding(ev: Evidence, wanted: str, names: tuple[str, ...], seen: Seen | None) -> Finding:
    near = mistyped(wanted, names)
    noun = f"device '{wanted}'" if wanted else "such device"
    sentence = f"This QEMU has no {noun}"
    evidence = [seen.quote] if seen else []
    if names:
        evidence.append(f"this host: {ev.emulator} does not list '{wanted}'")
    if near:
        sentence += f"; the nearest that it has: {near}"
    fixes = [Fix(f"install the package that has '{wanted}', or use another device")]
    if near:
        fixes.insert(0, edit(f"change '{wanted}' to '{near}'"))
    certainty = Certainty.PROVEN if names and wanted else Certainty.LIKELY
    at = seen.at if seen else NOWHERE
    return _found(sentence + ".", wanted, certainty, tuple(evidence), tuple(fixes), at)
