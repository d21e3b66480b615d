"""An input device on a bus that the machine does not have.

## What it means
PS/2 exists on PC machines only, and a USB tablet needs a USB controller. Tools add a PS/2 mouse
unasked.

## How to confirm
`virtup dumpxml NAME | grep '<input'`.

## What to do
`<input type='mouse' bus='usb'/>` or `bus='virtio'`.

## Strings it goes by
- `ps2 is not supported by this QEMU binary`
- `ps2 bus does not support tablet input device`
"""

from __future__ import annotations

from virtup.causes import contradictions, definition, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU274"
SLUG = "config-input-bus-unsupported"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's machine has no '{subject}' for an input device.",
    subject="the input device",
    phrases=(
        r"\b(?P<subject>ps2|PS/2) is not supported by this QEMU[^\n]*",
        r"the (?P<subject>ps2) bus has a mouse and a keyboard, no tablet[^\n]*",
        r"(?P<subject>\w+) bus does not support \w+ input device",
        r"(?:unsupported|invalid) input (?:bus|device)[^\n]*",
        r"input (?:bus|device) '?(?P<subject>\w+)'?[^\n]{0,20} (?:is )?not (?:supported|available)[^\n]*",
    ),
    fixes=(edit("use <input bus='usb'/> or bus='virtio'"),),
    proof=contradictions.INPUT_BUS,
)
POSITIVE = (Evidence(error="unsupported configuration: ps2 is not supported by this QEMU binary"),)
NEGATIVE = (Evidence(error="virtio-mouse is not supported by this QEMU binary"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Put what is on a bus that cannot have it on USB."""
    made: tuple[Change, ...] = ()
    for one in definition.devices(ev.definition, "input"):
        tablet = one.get("type") == "tablet"
        if one.get("bus") not in {None, "usb", "virtio"} and (tablet or one.get("bus") != "ps2"):
            made += revise.given(one, "bus", "usb") + revise.dropped(one.find("address"))
    return made
