"""libvirt cannot probe the emulator: its installation is broken.

## What it means
libvirt runs each emulator once to ask what it can do. This one did not answer: a module or
library of another build, a crash, no memory, a program that is none of QEMU's.

## How to confirm
Run it: `EMULATOR -machine none -S -nodefaults -display none -qmp stdio`.

## What to do
Install QEMU and its modules from one build; then restart libvirtd, which asks again.

## Strings it goes by
- `Failed to probe capabilities for /usr/bin/kvm`
- `Failed to probe QEMU binary with QMP`
- `undefined symbol: scsi_sense_to_errno`
"""

from __future__ import annotations

from virtup.causes import known
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU260"
SLUG = "emulator-probe-failed"
ALSO = ("kvm-unavailable",)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The emulator cannot be asked what it can do ({subject}): its installation is broken.",
    subject="the emulator",
    phrases=(
        r"failed to probe (?:capabilities|QEMU binary|emulator)(?: (?:for|with QMP:?))? ?'?(?P<subject>/[^\s':]+)?[^\n]*",
        r"failed to start QEMU binary '?(?P<subject>/[^\s':]+)'? for probing: (?![^\n]*(?:no such file|permission denied|exec format|shared librar))[^\n]*",
        r"failed to open module: (?P<subject>/[^\s:]+)[^\n]*undefined symbol[^\n]*",
        r"failed to initialize module: (?P<subject>/[^\s:]+)",
    ),
    fixes=(Fix("install QEMU and its modules from one build, then restart libvirtd"),),
    proof=known.BROKEN,
)
POSITIVE = (
    Evidence(
        error="Failed to probe capabilities for /usr/bin/kvm: internal error: QEMU / QMP failed: "
    ),
)
NEGATIVE = (
    Evidence(
        error="Cannot check QEMU binary '/usr/bin/qemu-system-x86_64': No such file or directory"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
