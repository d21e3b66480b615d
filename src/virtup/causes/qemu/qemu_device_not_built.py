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

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.who import edit, nearest
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Devices, NamesFact

CODE = "VU038"
SLUG = "qemu-device-not-built"

_WORDS = re.compile(
    r"'(?P<a>[\w.-]+)' is not a valid device (?:model )?name"
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


def probes(ev: Evidence) -> Iterator[Devices]:
    """Ask the emulator for its devices when it refused one."""
    if said(ev).find(_WORDS) is not None and ev.emulator and ev.uid is not None:
        yield Devices(ev.emulator, ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the nearest devices that this QEMU has."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    wanted = seen["a"] or seen["b"] or seen["c"]
    known = ev.fact(Devices(ev.emulator, ev.uid, ev.gids)) if ev.emulator else None
    if known is not None and wanted in known.names:
        return
    near = nearest(wanted, known.names, 1) if known and wanted else []
    noun = f"device '{wanted}'" if wanted else "such device"
    sentence = f"This QEMU has no {noun}"
    evidence = [seen.quote]
    if known and known.names:
        evidence.append(f"this host: {ev.emulator} does not list '{wanted}'")
    if near:
        sentence += f"; the nearest that it has: {near[0]}"
    fixes = [Fix(f"install the package that has '{wanted}', or use another device")]
    if near:
        fixes.insert(0, edit(f"change '{wanted}' to '{near[0]}'"))
    certainty = Certainty.PROVEN if known and known.names and wanted else Certainty.LIKELY
    yield _found(sentence + ".", wanted, certainty, tuple(evidence), tuple(fixes), seen.at)
