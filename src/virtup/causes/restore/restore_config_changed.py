"""The definition differs from the one embedded in the saved state.

## What it means
A saved state or a memory snapshot holds the definition of its guest, and libvirt refuses one
that would look different to the guest: another CPU, device, size or address.

## How to confirm
The message names the first difference; `virsh save-image-dumpxml FILE` shows what is embedded.

## What to do
Leave the definition as it was (`--xml` only for paths), or force the revert, which restarts
QEMU.

## Strings it goes by
- `revert requires force: Target CPU check full does not match source partial`
- `Target device address mismatch`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU348"
SLUG = "restore-config-changed"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The definition is not the one that was saved: {subject}.",
    phrases=(
        r"revert requires force: ?(?P<subject>[^\n'\x22)]{3,80})",
        r"\b(?P<subject>target [\w ]{2,40}?) (?:\S+ )?does not match source[^\n]*",
        r"(?:target|domain) [\w ]{2,40} (?:does not match|mismatch(?:es)?) (?:the )?(?:source|saved)[^\n]*",
    ),
    fixes=(Fix("restore with the definition inside of the saved state"),),
)
POSITIVE = (
    Evidence(error="revert requires force: Target CPU check full does not match source partial"),
)
NEGATIVE = (Evidence(error="guest CPU doesn't match specification: missing features: vaes"),)

probes = _TOLD.probes
find = _TOLD.find
