"""QEMU's monitor greeted, then never answered a command.

## What it means
The monitor came up, so QEMU itself started, and then it answered no command in time. Its main loop
is blocked: on storage that stopped to answer, on a very large memory that is being prepared, or by a
fault of QEMU. A wrapper in its place may speak only half of the protocol.

## How to confirm
`cat /proc/PID/stack` and `gdb -p PID -batch -ex 'thread apply all bt'` while it hangs.

## What to do
End it (`virtup destroy`), look at the storage, and start again; report a QEMU that does it always.

## Strings it goes by
- `cannot acquire state change lock (held by monitor=...)`
- `Timed out during operation: monitor did not answer`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.process.qemu_hangs import activity
from virtup.causes.signals import whose
from virtup.model.evidence import Evidence
from virtup.model.probe import Process

CODE = "VU056"
SLUG = "qemu-monitor-no-answer"

POSITIVE = (Evidence(phase="negotiate", silence="no answer", waited_s=10.0, pid=77),)
NEGATIVE = (Evidence(phase="monitor", silence="no greeting", waited_s=10.0, pid=77),)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Process]:
    """Ask what the process is doing."""
    if ev.silence and ev.pid:
        yield Process(ev.pid)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a QEMU that greeted and fell silent."""
    if ev.silence != "no answer":
        return
    doing = activity(ev)
    waited = f" within {ev.waited_s:g} s" if ev.waited_s else ""
    sentence = f"The monitor of {whose(ev)} greeted, then answered no command{waited}"
    yield _found(
        f"{sentence}: it is {doing}." if doing else sentence + ".",
        whose(ev),
        Certainty.PROVEN,
        (f"this host: {whose(ev)} was alive, {doing or 'and its monitor silent'}",),
        (Fix("see what blocks it (storage, a wrapper), then start again"),),
        0,
    )
