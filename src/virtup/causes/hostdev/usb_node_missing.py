"""The USB device is not plugged in, or its node is absent.

## What it means
`<hostdev type='usb'>` names a device by vendor and product or by bus and number; it is not
plugged in, or has another number since it was plugged in again.

## How to confirm
`lsusb`; `ls -l /dev/bus/usb/*/`.

## What to do
Plug it in; name it by vendor and product, not by number; `startupPolicy='optional'` lets the
guest start without it.

## Strings it goes by
- `Did not find USB device 046d:c52b`
- `Unable to access /dev/bus/usb/001/004: No such file or directory`
"""

from __future__ import annotations

from virtup.causes import definition, pci, revise
from virtup.causes.finding import Finding
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

CODE = "VU241"
SLUG = "usb-node-missing"
OVER = ("host-device-node-missing", "disk-file-missing", "disk-block-dev-missing")

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The USB device {subject} is not there.",
    subject="the USB device",
    phrases=(
        r"(?:did not|could not|unable to|cannot) find (?:the )?USB device:? ?(?P<subject>[\w:]+)?[^\n]*",
        r"'?(?P<subject>/dev/bus/usb/\d+/\d+)'?[^\n]*(?:no such (?:file|device)|does not exist|datei oder verz|no existe)[^\n]*",
        r"(?:USB device|usb-host)[^\n]*?(?P<subject>[\da-f]{4}:[\da-f]{4})[^\n]*(?:not found|no such device)[^\n]*",
        r"failed to find (?:host )?usb device(?: (?P<subject>\d+:\d+))?[^\n]*",
    ),
    fixes=(edit("plug it in, or set startupPolicy='optional'"),),
    proof=pci.USB_MISSING,
)
POSITIVE = (Evidence(error="internal error: Did not find USB device 046d:c52b"),)
NEGATIVE = (Evidence(error="USB device 001:004 is in use by driver QEMU, domain vm2"),)

probes = _TOLD.probes
find = _TOLD.find


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Start without the devices that are not there."""
    made: tuple[Change, ...] = ()
    for one in definition.devices(ev.definition, "hostdev"):
        if one.get("type") == "usb":
            made += revise.given(one.find("source"), "startupPolicy", "optional")
    return made
