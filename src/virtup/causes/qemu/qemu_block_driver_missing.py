"""This QEMU has no driver for the disk's protocol or format (rbd, iscsi, https, ssh...).

## What it means
Distributions build the drivers of network storage as modules, in packages of their own, so that
QEMU itself stays small. The disk needs one whose package is not installed, or this QEMU was built
without it.

## How to confirm
`ls /usr/lib/*/qemu/block-*.so` lists the modules that are installed.

## What to do
Install the package: `qemu-block-extra` (Debian, Ubuntu), `qemu-block-rbd`, `qemu-block-iscsi`,
`qemu-block-curl`... (Fedora, SUSE).

## Strings it goes by
- `Unknown protocol 'rbd'`
- `Unknown driver 'iscsi'`
- `module block-block-rbd not found, do you want to install qemu-block-extra package?`
"""

from __future__ import annotations

from virtup.causes import known, packages
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU421"
SLUG = "qemu-block-driver-missing"
OVER = ("qemu-device-not-built", "qemu-too-old", "disk-file-missing")

_TOLD = Told(
    CODE,
    SLUG,
    sentence="This QEMU has no driver '{subject}' for the guest's disk.",
    phrases=(
        r"unknown protocol '(?P<subject>[\w-]+)'",
        r"unknown driver '(?P<subject>[\w-]+)'",
        r"module block-(?:block-)?(?P<subject>(?!block)\w+)(?:\.so)? (?:is )?not found",
        r"driver '(?P<subject>[\w-]+)' (?:is not whitelisted|can only be used for read-only devices)",
    ),
    fixes=(packages.install(Evidence(), "block drivers", name="rbd"),),
    proof=known.BLOCK_DRIVER_MISSING,
)
POSITIVE = (
    Evidence(stderr="qemu-system-x86_64: -drive file=rbd:p/x,if=virtio: Unknown protocol 'rbd'\n"),
    Evidence(stderr="qemu-system-x86_64: -blockdev driver=iscsi: Unknown driver 'iscsi'\n"),
    Evidence(
        stderr="qemu-kvm: -drive file=/v/a.vdi,format=vdi: Driver 'vdi' can only be used for read-only devices\n"
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -blockdev x: Parameter 'driver' does not accept value\n"),
    Evidence(stderr="audio: Unknown audio driver `pa'\n"),
)

probes = _TOLD.probes
find = _TOLD.find
