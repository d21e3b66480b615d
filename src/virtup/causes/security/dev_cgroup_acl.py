"""A host device node is not in the cgroup device ACL of the domain.

## What it means
libvirt confines each guest to a list of device nodes (`cgroup_device_acl`) and a private /dev
with them; a node that only a raw argument names is refused with EPERM, even to root.

## How to confirm
`grep -A9 cgroup_device_acl /etc/libvirt/qemu.conf`.

## What to do
Describe the device in the definition (`<input type='evdev'>`, `<hostdev>`), or add the node to
`cgroup_device_acl` and restart the daemon.

## Strings it goes by
- `Could not open '/dev/input/by-id/usb-kbd-event': Operation not permitted`
"""

from __future__ import annotations

from virtup.causes import programs
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU322"
SLUG = "dev-cgroup-acl"
ALSO = (
    "disk-dac-parent-dir",
    "disk-dac-file-mode",
    "disk-apparmor-denied",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU is refused the device '{subject}': it is not in the guest's device list.",
    phrases=(
        r"(?:could not|cannot|unable to|failed to) (?:open|access|read) (?:block device |disk image )?'?(?P<subject>/dev/(?!kvm|net/tun|vfio/vfio|null|zero)[^\s':]+)'?: (?:operation not permitted|vorgang nicht zul|operación no permitida|opération non permise)",
        r"(?:error opening|failed to open) '?(?P<subject>/dev/vfio/\d+)'?: operation not permitted",
    ),
    doubtful=(
        r"(?:input-linux|evdev)[^\n]*'?(?P<subject>/dev/input/[^\s',:]+)'?[^\n]*(?:permission denied|no such file)",
    ),
    fixes=(
        edit("describe the device by its own element"),
        Fix("or add '{subject}' to cgroup_device_acl in /etc/libvirt/qemu.conf"),
    ),
    proof=programs.NOT_BY_MODE,
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -object input-linux,id=k,evdev=/dev/input/event3: Could not open '/dev/input/event3': Operation not permitted\n"
    ),
)
NEGATIVE = (Evidence(stderr="could not open /dev/net/tun: Operation not permitted\n"),)

probes = _TOLD.probes
find = _TOLD.find
