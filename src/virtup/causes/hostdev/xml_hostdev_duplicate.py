"""The same host device is assigned twice in the domain.

## What it means
Two `<hostdev>` (or a hostdev and an interface of type hostdev) name one device.

## How to confirm
`virtup dumpxml NAME | grep -A6 '<hostdev'`.

## What to do
Remove one of them.

## Strings it goes by
- `Hostdev already exists in the domain configuration`
- `target pci device 0000:01:00.0 already exists`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU242"
SLUG = "xml-hostdev-duplicate"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The host's device {subject} is assigned twice.",
    subject="the device",
    phrases=(
        r"hostdev already exists in the domain configuration",
        r"target pci device (?P<subject>\S+) already exists",
        r"vfio[^\n]*?(?P<subject>[\da-f:.]{7,})?:? ?device is already attached",
        r"host (?:device|hostdev) (?P<subject>\S+) (?:is )?(?:specified|assigned) (?:twice|more than once)",
    ),
    fixes=(edit("remove one of the two <hostdev>"),),
    proof=contradictions.HOSTDEV_TWICE,
)
POSITIVE = (Evidence(error="operation failed: target pci device 0000:01:00.0 already exists"),)
NEGATIVE = (Evidence(error="PCI device 0000:01:00.0 is in use by driver QEMU, domain vm2"),)

probes = _TOLD.probes
find = _TOLD.find
