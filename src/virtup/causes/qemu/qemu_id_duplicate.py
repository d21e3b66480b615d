"""Two parts of the guest have the same id.

## What it means
Every device, drive, network and character device of a QEMU has an id of its own. Mostly a raw
argument (`<qemu:arg>`) uses one that the manager has given already, such as `net0` or `drive0`,
or an alias is there twice.

## How to confirm
The QEMU command line in the guest's log has `id=NAME` twice.

## What to do
Give one of the two another id; the ids of a person's own arguments are safe when they begin
with a word of their own.

## Strings it goes by
- `Duplicate ID 'net0' for device`
- `Duplicate device ID 'net0' (QEMU since 5.2)`
- `Duplicate nodes with node-name='drive0'`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU468"
SLUG = "qemu-id-duplicate"
OVER = ("qemu-arg-typo",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="Two parts of the guest have the same id, '{subject}'.",
    phrases=(
        r"duplicate (?:device )?ID '(?P<subject>[^'\n]+)'",
        r"duplicate nodes with node-name='(?P<subject>[^'\n]+)'",
    ),
    fixes=(edit("give one of the two another id than '{subject}'"),),
    proof=contradictions.ID_TWICE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-net-pci,netdev=n1,id=net0: Duplicate ID 'net0' for device\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-net-pci,netdev=n1,id=net0: Duplicate device ID 'net0'\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-net-pci,netdev=n1: Property 'virtio-net-pci.netdev' can't find value 'n1'\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
