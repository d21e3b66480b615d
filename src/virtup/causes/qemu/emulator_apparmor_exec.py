"""AppArmor keeps libvirtd from executing the emulator.

## What it means
The profile of libvirtd lists the emulators that it may run, and one in another place (`/opt`,
`/usr/local`, a Snap, a Nix store) is refused though its mode allows it.

## How to confirm
`journalctl -k --grep 'apparmor="DENIED" operation="exec"'`.

## What to do
Add `PATH PUx,` to `/etc/apparmor.d/local/usr.sbin.libvirtd` and reload it, or use the
distribution's emulator.

## Strings it goes by
- `apparmor="DENIED" operation="exec" profile="libvirtd" name="/usr/local/bin/qemu-system-x86_64"`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU261"
SLUG = "emulator-apparmor-exec"
ALSO = ("emulator-not-executable",)
OVER = ("emulator-not-executable", "emulator-probe-failed")

_TOLD = Told(
    CODE,
    SLUG,
    sentence="AppArmor may keep libvirtd from running the emulator '{subject}'.",
    subject="the emulator",
    phrases=(
        r"apparmor=\x22DENIED\x22 operation=\x22exec\x22[^\n]*name=\x22(?P<subject>[^\x22\n]*(?:qemu|kvm)[^\x22\n]*)",
    ),
    doubtful=(
        r"cannot (?:execute|check)[^\n]{0,20}binary '?(?P<subject>/(?:opt|usr/local|home|snap|nix)/[^\s':]*(?:qemu|kvm)[^\s':]*)'?: permission denied",
    ),
    noted=(
        r"apparmor=\x22DENIED\x22 operation=\x22exec\x22[^\n]*name=\x22(?P<subject>[^\x22\n]*(?:qemu|kvm)[^\x22\n]*)",
    ),
    fixes=(Fix("see the denial", ("journalctl -k --grep DENIED",)),),
    proof=denied.by("apparmor"),
    proven="AppArmor keeps libvirtd from running the emulator '{subject}'.",
)
POSITIVE = (
    Evidence(
        error='audit: apparmor="DENIED" operation="exec" profile="libvirtd" name="/usr/local/bin/qemu-system-x86_64" pid=1'
    ),
)
NEGATIVE = (Evidence(error="cannot execute binary /usr/bin/swtpm: Permission denied"),)

probes = _TOLD.probes
find = _TOLD.find
