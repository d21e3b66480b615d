"""QEMU may not open the node of a USB device that the guest is given.

## What it means
The nodes below `/dev/bus/usb` belong to root. libvirt hands over those of a `<hostdev>`; a raw
`-device usb-host`, or a QEMU that a user runs, needs a rule of udev's.

## How to confirm
`ls -l /dev/bus/usb/BUS/DEVICE`.

## What to do
Describe the device by `<hostdev type='usb'>`, or give it to the account by a rule of udev's.

## Strings it goes by
- `libusb: error [_get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/004: Permission denied`
- `libusb couldn't open USB device /dev/bus/usb/001/004, errno=13`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU475"
SLUG = "usb-device-closed"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU may not open the USB device '{subject}'.",
    phrases=(
        r"couldn't open USB device (?P<subject>/dev/bus/usb/\d+/\d+)[:,]? ?(?:permission denied|errno=13)",
        r"(?:failed to|could not|cannot|unable to) open '?(?P<subject>/dev/bus/usb/\d+/\d+)'?: permission denied",
    ),
    fixes=(
        edit("describe it by <hostdev type='usb'>"),
        Fix("or see who may open it", ("ls -l {subject}",)),
    ),
    proof=programs.path_closed("write"),
)
POSITIVE = (
    Evidence(
        stderr="libusb: error [_get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/004: Permission denied.\n"
    ),
    Evidence(
        stderr="libusb: error [get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/004, errno=13\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="libusb: error [get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/004, errno=19\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
