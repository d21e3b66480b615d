"""QEMU does not find its own modules: it was copied without them, or a package is incomplete.

## What it means
Distributions build parts of QEMU, also the accelerator TCG, as modules (`accel-tcg-x86_64.so`). QEMU
looks for them beside where it was installed. A copy of the program elsewhere, a package that was left
half installed, or modules of another build than the program leave it without them.

## How to confirm
`ls /usr/lib/*/qemu/accel-*.so`; `EMULATOR -machine none -accel tcg -nographic` says it again.

## What to do
Have the definition name the program where its package put it, or install that package again.

## Strings it goes by
- `fatal: could not load module for type 'tcg-accel-ops'`
"""

from __future__ import annotations

from virtup.causes import packages
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU422"
SLUG = "emulator-modules-missing"
OVER = ("emulator-probe-failed", "qemu-crashed")

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU cannot load its own module '{subject}'.",
    phrases=(r"fatal: could not load module for type '(?P<subject>[\w.-]+)'",),
    fixes=(
        Fix("have <emulator> in the definition name QEMU where its package put it"),
        packages.install(Evidence(), "qemu", "install its package again", name="x86_64"),
    ),
)
POSITIVE = (
    Evidence(
        stderr="Could not access KVM kernel module: Permission denied\n"
        "qemu-system-x86_64: failed to initialize kvm: Permission denied\n"
        "qemu-system-x86_64: falling back to tcg\n"
        "qemu-system-x86_64: fatal: could not load module for type 'tcg-accel-ops'\n"
    ),
)
NEGATIVE = (
    Evidence(stderr="Failed to open module: /usr/lib/qemu/block-iscsi.so: undefined symbol: x\n"),
    Evidence(stderr="qemu-system-x86_64: -drive file=rbd:p/x,if=virtio: Unknown protocol 'rbd'\n"),
)

probes = _TOLD.probes
find = _TOLD.find
