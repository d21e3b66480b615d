"""Several USB devices of the host have the vendor and product that the guest names.

## What it means
A `<hostdev>` by vendor and product finds a device wherever it is plugged in, as long as there
is one of the kind.

## How to confirm
`lsusb -d VENDOR:PRODUCT` lists more than one.

## What to do
Add `<address bus=... device=.../>` to the `<source>`, or unplug the other.

## Strings it goes by
- `Multiple USB devices for 46d:c52b, use <address> to specify one`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU474"
SLUG = "usb-device-ambiguous"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host has more than one USB device {subject}.",
    phrases=(r"multiple USB devices for (?P<subject>[\da-f]{1,4}:[\da-f]{1,4})(?!\w* were found)",),
    fixes=(
        Fix("see where they are", ("lsusb -d {subject}",)),
        edit("name one by <address bus=... device=.../>"),
    ),
    proof=pci.SEVERAL_USB,
)
POSITIVE = (
    Evidence(
        error="error: operation failed: Multiple USB devices for 46d:c52b, use <address> to specify one"
    ),
)
NEGATIVE = (
    Evidence(error="error: operation failed: Did not find USB device 046d:c52b"),
    Evidence(
        error="operation failed: Multiple USB devices for 46d:c52b were found, but none of them is at bus:1 device:4"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
