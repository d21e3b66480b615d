"""The device (group) is not bound to vfio-pci, so /dev/vfio/N is absent.

## What it means
A raw `-device vfio-pci` or `managed='no'` expects that somebody bound the device to vfio-pci
before; only then has its group a node below /dev/vfio.

## How to confirm
`lspci -nnk -s ADDRESS` shows the driver in use; `ls /dev/vfio`.

## What to do
`driverctl set-override 0000:01:00.0 vfio-pci`, `virsh nodedev-detach`, or `managed='yes'`.

## Strings it goes by
- `vfio 0000:01:00.0: failed to open /dev/vfio/1: No such file or directory`
- `error getting device from group 1: No such device`
- `Verify all devices in group 1 are bound to vfio-<bus> or pci-stub and not already in use`
"""

from __future__ import annotations

from virtup.causes import pci
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU235"
SLUG = "vfio-not-bound"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The device is not bound to vfio-pci ({subject}).",
    subject="the device",
    phrases=(
        r"(?:failed to open|error opening) '?(?P<subject>/dev/vfio/\d+)'?: no such (?:file|device)[^\n]*",
        r"vfio:?(?: error:)? (?P<subject>[\da-f]{2,4}:[\da-f:.]+): error getting device from group \d+: no such device[^\n]*",
        r"vfio:?(?: error:)? error getting device (?P<subject>[\da-f:.]{7,}) from group \d+: no such device[^\n]*",
    ),
    doubtful=(
        r"vfio:?(?: error:)? (?P<subject>[\da-f]{2,4}:[\da-f:.]+): error getting device from group[^\n]*",
        r"vfio:?(?: error:)? error getting device (?P<subject>[\da-f:.]{7,}) from group[^\n]*",
        r"^verify all devices in group \d+ are bound to vfio[^\n]*",
    ),
    fixes=(Fix("bind it to vfio-pci before the start, or use <hostdev managed='yes'>"),),
    proof=either(pci.NODE_MISSING, pci.NOT_BOUND),
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: failed to open /dev/vfio/1: No such file or directory\n"
    ),
    Evidence(stderr="vfio 0000:01:00.0: error getting device from group 14: No such device\n"),
)
NEGATIVE = (Evidence(error="failed to open /dev/vfio/1: Device or resource busy"),)

probes = _TOLD.probes
find = _TOLD.find
