"""The vendor vGPU manager refused to start the mediated device.

## What it means
The mediated device is there, and the vendor's driver (NVIDIA vGPU, Intel GVT-g) refuses to open
it: another type is in use on the card, its licence or its daemon is missing, or its framebuffer
is used up.

## How to confirm
`dmesg | grep -i vgpu`; `journalctl -u nvidia-vgpu-mgr`.

## What to do
Follow the vendor's message: one vGPU type on a card, the vGPU manager's version, its services
running.

## Strings it goes by
- `vfio 0a0b: error getting device from group 53: Input/output error`
- `[nvidia-vgpu-vfio] 0a0b: start failed. status: 0x1`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU233"
SLUG = "vfio-mdev-vendor-refused"
OVER = ("vfio-not-bound",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The vendor's driver refuses to start the mediated device {subject}.",
    subject="the mediated device",
    phrases=(
        r"nvidia-vgpu-vfio\][^\n]*(?:start failed|error|failed)[^\n]*",
        r"vfio:?(?: error:)? (?P<subject>[\da-f]{8}-[\da-f-]{27}): error getting device from group[^\n]*",
        r"/sys/bus/mdev/devices/(?P<subject>[\da-f-]{36})[^\n]*error getting device from group[^\n]*",
    ),
    noted=(
        r"nvidia-vgpu-(?:vfio|mgr)[^\n]*(?:fail|error|refus)[^\n]*",
        r"gvt: [^\n]*(?:fail|error)[^\n]*",
    ),
    fixes=(Fix("read the vendor's own words", ("journalctl -k -u nvidia-vgpu-mgr --grep vgpu",)),),
    proof=hosts.MDEV_REFUSED,
)
POSITIVE = (
    Evidence(
        stderr="qemu-kvm: -device vfio-pci,id=hostdev0,sysfsdev=/sys/bus/mdev/devices/00000000-0000-4000-8000-000000000001: vfio 00000000-0000-4000-8000-000000000001: error getting device from group 53: Input/output error\n"
    ),
    Evidence(
        error="vfio error: 00000000-0000-4000-8000-000000000002: error getting device from group 149: Input/output error"
    ),
)
NEGATIVE = (Evidence(error="vfio 0000:01:00.0: error getting device from group 1: No such device"),)

probes = _TOLD.probes
find = _TOLD.find
