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

from collections.abc import Iterator

from virtup.causes.finding import Finding, Fix
from virtup.causes.firmware.fw_rom_missing import FOLDERS
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess

CODE = "VU304"
SLUG = "fw-rom-unreadable"
ALSO = ("fw-rom-missing",)

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
)
POSITIVE = (
    Evidence(
        stderr='qemu-system-x86_64: -device vfio-pci,romfile=/home/me/vbios.rom: failed to find romfile "/home/me/vbios.rom"\n'
    ),
)
NEGATIVE = (Evidence(stderr="qemu: could not load PC BIOS 'bios.bin'\n"),)

probes = _TOLD.probes


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, unless this host has no such file: then it is missing, not closed."""
    for finding in _TOLD.find(ev):
        name = finding.subject
        places = [name] if name.startswith("/") else [f"{one}/{name}" for one in FOLDERS]
        facts = [ev.fact(PathAccess(path, "read", ev.uid, ev.gids)) for path in places]
        if any(fact is not None for fact in facts) and not any(one and one.exists for one in facts):
            continue
        yield finding
