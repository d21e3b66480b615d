"""A file given with raw QEMU arguments is not in the AppArmor profile.

## What it means
libvirt hands over and lists in the guest's profile what the definition's own elements name. A
file in `<qemu:commandline>` gets neither, and QEMU is refused whatever the file's mode is.

## How to confirm
`virtup dumpxml NAME | grep qemu:arg`; `journalctl -k --grep DENIED` names the file.

## What to do
Describe the device in the definition; or add the file to
`/etc/apparmor.d/local/abstractions/libvirt-qemu` and give it to QEMU's account.

## Strings it goes by
- `-drive id=Disc,if=none,file=/home/me/a.iso: Could not open '/home/me/a.iso': Permission denied`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU264"
SLUG = "qemu-arg-file-apparmor"
ALSO = (
    "disk-dac-parent-dir",
    "disk-dac-file-mode",
    "disk-apparmor-denied",
)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU is refused '{subject}', which a raw argument names: no profile and no ownership cover it.",
    doubtful=(
        r"(?:monitor|virError|libvirt)[^\n]*(?:\n[^\n]*)?-drive (?=[^\n]*\bid=)(?![^\n]*\bid=(?:drive-|libvirt-))[^\n]*could not open '(?P<subject>/[^'\n]+)': permission denied",
        r"-(?:acpitable|fw_cfg|smbios|device loader|object (?:memory-backend-file|input-linux|secret))[^\n]*'?(?P<subject>/(?!dev/)[^'\s,]+)'?[^\n]*permission denied",
    ),
    fixes=(edit("describe the file as <disk>, not as <qemu:arg>"),),
    proof=denied.by("apparmor"),
)
POSITIVE = (
    Evidence(
        error="internal error: process exited while connecting to monitor: qemu-system-x86_64: -drive id=Disc,if=none,file=/home/me/a.iso: Could not open '/home/me/a.iso': Permission denied"
    ),
)
NEGATIVE = (
    Evidence(
        error="process exited while connecting to monitor: qemu-system-x86_64: -drive file=/img/a,if=none,id=drive-virtio-disk0: Could not open '/img/a': Permission denied"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
