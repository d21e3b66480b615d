"""The installed QEMU predates an option or device that is used.

## What it means
The definition, or the tool that made it, uses what a newer QEMU has. libvirt compares with what
the emulator says of itself, and names the thing.

## How to confirm
`EMULATOR --version`; `virsh domcapabilities`.

## What to do
A newer QEMU, or leave the feature out.

## Strings it goes by
- `virtio-mouse is not supported by this QEMU binary`
- `-sandbox on,obsolete=deny: Invalid parameter 'obsolete'`
"""

from __future__ import annotations

from virtup.causes import known
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU262"
SLUG = "qemu-too-old"
OVER = ("qemu-arg-typo",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="This QEMU does not have what is asked for: '{subject}'; it is too old, or was built without it.",
    subject="QEMU",
    phrases=(
        r"-sandbox [^\n]*: invalid parameter '(?P<subject>obsolete|elevateprivileges|spawn|resourcecontrol)'",
        r"[:\s]-(?P<subject>blockdev|audiodev|sandbox|overcommit|fw_cfg|object|compat|action|run-with|display|netdev|msg|numa|iscsi|tpmdev|dump-vmstate|smbios|spice)\b[^\n]*: invalid option",
        r"(?:qemu|emulator)[^\n]{0,40}(?:is too old|version [\d.]+ or (?:newer|later|above|higher) is required)[^\n]*",
        r"(?:requires?|needs?) (?:at least )?(?:qemu|QEMU) (?:version )?>?=? ?(?P<subject>\d+\.\d[\d.]*)[^\n]*",
        r"CPU feature (?P<subject>[\w.-]+) not found",
        r"invalid object type: '?(?P<subject>(?:sev|tdx|iothread|memory-backend|secret|authz|rng|input|can|pr-manager|throttle|qtest|dbus|thread)[\w-]*)",
        r"unsupported (?:qcow2?|qed|vmdk|vdi|vhdx) (?:image )?(?:feature\(s\):?|version) (?P<subject>[^\n]+)",
    ),
    doubtful=(
        r"can't apply global (?P<subject>[^\s=]+)[^\n]*: property '[^'\n]+' not found",
        r"(?:^|[:'\x22] ?)(?P<subject>(?! |ps/?2|usb\b|sata\b|spice|vhost-net|io_uring|kvm|tpm|sdl|s?gtk)[\w /'-]{2,60}?) (?:(?:is|are) )?not supported (?:by|in|with) this QEMU(?: binary)?",
        r"this QEMU (?:binary )?(?:does not|doesn't) support (?P<subject>(?!passing|.{0,40}(?:video|spice|kvm|io_uring))[^\n]{2,60})",
        r"this QEMU (?:binary )?lacks (?P<subject>[^\n]{2,50}?)(?: support)?$",
        r"parameter '(?:driver|type|mode|qom-type)' does not accept value '(?P<subject>[^'\n]+)'",
        r"(?:object|parameter) type '?(?P<subject>[\w-]+)'? (?:is )?(?:unknown|not supported|invalid)[^\n]*",
    ),
    unless=r"(?:spice|sata|\bps/?2|video|graphics)[^\n]{0,30}not supported (?:by|in|with) this QEMU",
    fixes=(Fix("use a newer QEMU, or leave it out of the definition"),),
    proof=either(known.OPTION_GONE, known.OBJECT_MISSING),
)
POSITIVE = (
    Evidence(error="unsupported configuration: virtio-mouse is not supported by this QEMU binary"),
    Evidence(
        stderr="qemu-system-x86_64: -sandbox on,obsolete=deny,spawn=deny: Invalid parameter 'obsolete'\n"
    ),
    Evidence(
        stderr='qemu-kvm: -blockdev {"node-name":"f","driver":"qcow2"}: Unsupported qcow2 feature(s): extended L2 entries\n'
    ),
    Evidence(
        stderr="kvm: can't apply global PIIX4_PM.acpi-frob=off: Property 'PIIX4_PM.acpi-frob' not found\n"
    ),
    Evidence(error="unsupported configuration: this QEMU binary lacks pci-bridge support"),
)
NEGATIVE = (
    Evidence(error="unsupported configuration: ps2 is not supported by this QEMU binary"),
    Evidence(error="spicevmc not supported in this QEMU binary"),
)

probes = _TOLD.probes
find = _TOLD.find
