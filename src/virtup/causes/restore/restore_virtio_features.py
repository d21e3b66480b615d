"""Virtio feature bits in the state are not offered here.

## What it means
A virtio device agreed on features with the guest's driver; this QEMU, kernel (vhost) or backend
offers fewer.

## How to confirm
The message has both masks; compare QEMU, kernel, vhost and the interface's options with those at
the save.

## What to do
The QEMU and kernel of the save, or the same backend options (vhost, offloads, queues).

## Strings it goes by
- `Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU344"
SLUG = "restore-virtio-features"
OVER = ("restore-device-state-mismatch",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The saved state has virtio features ({subject}) that are not offered here.",
    subject="features",
    phrases=(
        r"features (?P<subject>0x[\da-f]+) unsupported\. allowed features: 0x[\da-f]+[^\n]*",
        r"virtio[^\n]*(?:feature bits?|features)[^\n]*(?:unsupported|not supported|missing)[^\n]*",
    ),
    fixes=(Fix("use the QEMU, the kernel and the backend options of the save"),),
)
POSITIVE = (
    Evidence(
        stderr="qemu-kvm: Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef\nqemu-kvm: Failed to load virtio-net:virtio\n"
    ),
)
NEGATIVE = (Evidence(stderr="Failed to load virtio-balloon:virtio\n"),)

probes = _TOLD.probes
find = _TOLD.find
