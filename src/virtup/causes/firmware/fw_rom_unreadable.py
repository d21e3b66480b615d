"""An existing ROM file is unreadable for QEMU, which calls it missing.

## What it means
QEMU says 'failed to find romfile' of a file that it may not read as well: AppArmor, SELinux or
the mode of a ROM below a home directory.

## How to confirm
`namei -l FILE`; `journalctl -k --grep DENIED` names it.

## What to do
Put the ROM where QEMU may read (`/usr/share/vgabios`), with mode 0644; or let the profile allow
it.

## Strings it goes by
- `failed to find romfile "/home/me/vbios.rom"`
"""

from __future__ import annotations

from virtup.causes import denied, programs
from virtup.causes.finding import Fix
from virtup.causes.firmware.fw_rom_missing import FOLDERS
from virtup.causes.phrase import Told
from virtup.causes.proof import either
from virtup.model.evidence import Evidence

CODE = "VU304"
SLUG = "fw-rom-unreadable"
ALSO = ("fw-rom-missing",)


def _places(_ev: Evidence, name: str) -> tuple[str, ...]:
    return (name,) if name.startswith("/") else tuple(f"{one}/{name}" for one in FOLDERS)


_TOLD = Told(
    CODE,
    SLUG,
    sentence="The ROM file '{subject}' may be there, and closed to QEMU.",
    doubtful=(
        r"failed to find romfile \x22(?P<subject>[^\x22\n]+)\x22",
        r"romfile[^\n]*'?(?P<subject>/[^\s'\x22]+)'?[^\n]*permission denied",
    ),
    noted=(r"(?:apparmor=\x22DENIED\x22|avc: +denied)[^\n]*\.(?:rom|bin)\b[^\n]*",),
    fixes=(Fix("see who may read it", ("namei -l {subject}",)),),
    proof=either(programs.readable(_places), denied.by("apparmor")),
    proven="The ROM file '{subject}' is there, and closed to QEMU.",
)
POSITIVE = (
    Evidence(
        stderr='qemu-system-x86_64: -device vfio-pci,romfile=/home/me/vbios.rom: failed to find romfile "/home/me/vbios.rom"\n'
    ),
)
NEGATIVE = (Evidence(stderr="qemu: could not load PC BIOS 'bios.bin'\n"),)

probes = _TOLD.probes
find = _TOLD.find
