"""The guest has more devices than its PCI buses have slots.

## What it means
A PCI bus has 31 slots for devices, and a PCI Express port exactly one. On q35 every device
takes a port of its own.

## How to confirm
Count the `<controller type='pci'>` elements of the definition, and the devices with an address
on each bus.

## What to do
Add ports or a bridge: `<controller type='pci' model='pcie-root-port'/>` on q35,
`model='pci-bridge'` on pc; or remove devices that nobody needs.

## Strings it goes by
- `PCI: no slot/function available for e1000, all in use or reserved`
- `Bus 'pcie.1' is full`
- `internal error: No more available PCI slots`
"""

from __future__ import annotations

from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU469"
SLUG = "pci-slots-exhausted"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The guest's PCI bus {subject} has no slot left.",
    otherwise="The guest's PCI bus has no slot left.",
    subject="PCI",
    phrases=(
        r"\bbus '(?P<subject>[^'\n]+)' is full",
        r"PCI: no (?:devfn|slot/function) available for \S+, all in use",
        r"no more available PCI (?:slots|addresses)",
    ),
    fixes=(edit("add <controller type='pci' model='pcie-root-port'/> (q35) or 'pci-bridge' (pc)"),),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-net-pci,bus=pcie.1,netdev=n: Bus 'pcie.1' is full\n"
    ),
    Evidence(error="internal error: No more available PCI slots"),
)
NEGATIVE = (
    Evidence(
        stderr="qemu: -device e1000,addr=3: PCI: slot 3 function 0 not available for e1000, in use by cirrus-vga\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
