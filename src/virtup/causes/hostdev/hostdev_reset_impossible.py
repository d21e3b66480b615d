"""The device cannot be reset without a sibling in use on the host.

## What it means
A device is reset before and after a guest has it. It has no reset of its own (FLR), and a reset
of its bus would hit a neighbour that the host uses.

## How to confirm
`lspci -vv -s ADDRESS | grep -i flr`; `cat /sys/bus/pci/devices/ADDRESS/reset_method`.

## What to do
Assign all devices of the bus to the guest, or move the card to a slot of its own.

## Strings it goes by
- `Unable to reset PCI device 0000:05:00.2: internal error: Active 0000:05:00.0 devices on bus with 0000:05:00.2, not doing bus reset`
- `vfio: Cannot reset device 0000:06:00.0, no available reset mechanism.`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU240"
SLUG = "hostdev-reset-impossible"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The device {subject} cannot be reset without its neighbours.",
    subject="the device",
    phrases=(
        r"unable to reset PCI device (?P<subject>[\w:.]+)[^\n]*",
        r"active \S+ devices on bus with (?P<subject>[\w:.]+), not doing bus reset",
        r"cannot reset device (?P<subject>[\w:.]+)[^\n]*",
        r"no (?:FLR, )?PM reset or bus reset available",
    ),
    fixes=(Fix("assign all devices of its bus to the guest, or move the card to another slot"),),
    proof=pci.NO_RESET,
)
POSITIVE = (
    Evidence(
        error="internal error: Unable to reset PCI device 0000:05:00.2: internal error: Active 0000:05:00.0 devices on bus with 0000:05:00.2, not doing bus reset"
    ),
)
NEGATIVE = (Evidence(error="Unknown PCI header type '127' for device '0000:01:00.0'"),)

probes = _TOLD.probes
find = _TOLD.find
