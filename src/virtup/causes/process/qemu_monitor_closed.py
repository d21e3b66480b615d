"""The monitor's connection was closed while QEMU kept running.

## What it means
The process is alive, and it closed the monitor that virtup gave it, without a greeting. A real QEMU
does not do that: the emulator is a wrapper that does not pass the open file on (it runs QEMU through
`sudo`, a shell with closed descriptors, a container), or another program altogether.

## How to confirm
`file EMULATOR`; `ls -l /proc/PID/exe /proc/PID/fd`.

## What to do
Name the real binary as `<emulator>`, or let the wrapper `exec` it with its descriptors open.

## Strings it goes by
- `Unable to read from monitor: Connection reset by peer`
- `early end of file from monitor`, `End of file from qemu monitor`
- `monitor socket did not show up.: Connection refused`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.process.qemu_hangs import activity
from virtup.causes.signals import whose
from virtup.model.evidence import Evidence
from virtup.model.probe import Process

CODE = "VU054"
SLUG = "qemu-monitor-closed"

POSITIVE = (Evidence(phase="monitor", silence="closed", pid=77, emulator="/opt/wrapper"),)
NEGATIVE = (
    Evidence(phase="monitor", silence="no greeting", pid=77),
    Evidence(error="internal error: qemu unexpectedly closed the monitor"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Process]:
    """Ask what the process is doing."""
    if ev.silence and ev.pid:
        yield Process(ev.pid)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a process that lives and closed its monitor."""
    if ev.silence != "closed":
        return
    doing = activity(ev)
    program = f"'{ev.emulator}'" if ev.emulator else "the emulator"
    yield _found(
        f"{whose(ev)} closed its monitor without a greeting and is still running: "
        f"is {program} a wrapper?",
        whose(ev),
        Certainty.PROVEN,
        (f"this host: {whose(ev)} was alive{', ' + doing if doing else ''}, its monitor closed",),
        (
            Fix(
                f"see what {program} is; name the real QEMU as <emulator>",
                (f"file -L {ev.emulator or 'EMULATOR'}",),
            ),
        ),
        0,
    )
