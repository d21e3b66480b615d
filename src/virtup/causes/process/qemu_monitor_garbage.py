"""What came from the monitor is not QEMU's protocol.

## What it means
The process is alive and wrote something to the monitor that is no QMP greeting. The emulator is a
wrapper that prints there, another program, or a QEMU so old (before 0.13) that it speaks only the
human monitor.

## How to confirm
`EMULATOR --version`; `file EMULATOR`.

## What to do
Name the real binary as `<emulator>`, or keep the wrapper's output away from the monitor.

## Strings it goes by
- `cannot parse json`, `parse error: invalid character inside string`
- `Unexpected monitor greeting`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.signals import whose
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe

CODE = "VU055"
SLUG = "qemu-monitor-garbage"

POSITIVE = (
    Evidence(
        phase="monitor",
        silence="garbage",
        pid=77,
        error="the monitor sent 'hello' where a greeting was due",
    ),
    Evidence(phase="monitor", silence="garbage", pid=77),
)
NEGATIVE = (Evidence(phase="monitor", silence="closed", pid=77),)

_found = partial(Finding, CODE, SLUG)


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: virtup itself read the monitor."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a monitor that speaks something else."""
    if ev.silence != "garbage":
        return
    program = f"'{ev.emulator}'" if ev.emulator else "the emulator"
    seen = said(ev).lines[-1:] or (f"{whose(ev)} sent what is no greeting",)
    yield _found(
        f"What {whose(ev)} sends on its monitor is not QEMU's protocol: is {program} a wrapper?",
        whose(ev),
        Certainty.PROVEN,
        seen,
        (
            Fix(
                f"name the real QEMU as <emulator> instead of {program}",
                (f"file -L {ev.emulator or 'EMULATOR'}",),
            ),
        ),
        0,
    )
