"""The device does not answer on the bus any more.

## What it means
The device's configuration space reads as all ones (header type 127), or it left the bus: it is
in a sleep state from which it does not wake, crashed at a reset, or was removed.

## How to confirm
`lspci -s ADDRESS` says `rev ff` or nothing.

## What to do
A cold start of the host (power off, not reboot). Bind it to vfio-pci at boot, and with cards
that cannot be reset add `disable_idle_d3=1` to vfio-pci.

## Strings it goes by
- `Unknown PCI header type '127' for device '0000:01:00.0'`
- `vfio: Unable to power on device, stuck in D3`
- `Device 0000:01:00.0 not found: could not access /sys/bus/pci/devices/0000:01:00.0/config`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU238"
SLUG = "hostdev-gone-from-bus"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The device {subject} does not answer on the PCI bus any more.",
    subject="the device",
    phrases=(
        r"unknown PCI header type '?(?:127|0x7f)'? for device '?(?P<subject>[\w:.]+)",
        r"vfio:?(?: error:)? (?P<subject>[\da-f:.]{7,}): (?:error: )?unknown PCI header type '?(?:127|0x7f)",
        r"(?:vfio )?(?P<subject>[\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d)?:? ?unable to power on device, stuck in D3",
        r"device (?P<subject>[\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d) not found: could not access(?![^\n]*permission denied)[^\n]*",
        r"vfio:?(?: error:)? (?P<subject>[\da-f:.]{7,}): no such host device[^\n]*",
        r"pci (?P<subject>[\da-f:.]{7,}): (?:[^\n]*unknown header type 7f|[^\n]*not ready after reset)[^\n]*",
    ),
    noted=(r"(?P<subject>[\da-f:.]{7,})[^\n]*(?:\(rev ff\)|header type 7f)",),
    fixes=(Fix("power the host off and on; bind the device to vfio-pci at boot"),),
    proof=pci.GONE,
)
POSITIVE = (
    Evidence(error="internal error: Unknown PCI header type '127' for device '0000:01:00.0'"),
)
NEGATIVE = (Evidence(error="Unable to reset PCI device 0000:05:00.2: no FLR"),)

probes = _TOLD.probes
find = _TOLD.find
