"""QEMU was ended by a signal from outside.

## What it means
A program or a person sent the QEMU process a signal while it started: `kill`, a process manager that
cleaned up, a limit of CPU time (SIGXCPU), or the kernel's memory killer (SIGKILL), when the kernel's
log cannot be read here.

## How to confirm
`dmesg -T | grep -i -e oom -e 'killed process'` tells whether the kernel did it; the audit log
(`ausearch -sc kill`) who else. For SIGTERM QEMU itself prints the sender's pid.

## What to do
Find the sender, then start again. When the kernel did it, free memory or give the guest less.

## Strings it goes by
- `terminating on signal 15 from pid 4711`
- `killed by signal 9`, `Killed`
- `unexpected fatal signal 9`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.signals import CRASHES, is_oom, name, whose
from virtup.causes.words import Said
from virtup.model.evidence import Evidence
from virtup.model.probe import KernelLog, KernelLogFact

CODE = "VU050"
SLUG = "qemu-killed"

_SENDER = re.compile(r"terminating on signal (?P<signal>\d+)(?: from pid (?P<pid>\d+))?[^\n]*")
_OOM = ("Out of memory: Killed process 77 (qemu-system-x86) total-vm:9000kB",)
POSITIVE = (
    Evidence(phase="monitor", signal=9, pid=77),
    Evidence(phase="monitor", signal=9, pid=77, host={KernelLog(77): KernelLogFact(readable=True)}),
    Evidence(
        phase="monitor",
        exit_status=0,
        stderr="2026-01-01T00:00:00.1Z qemu-system-x86_64: terminating on signal 15 from pid 4 (sh)\n",
    ),
)
NEGATIVE = (
    Evidence(phase="monitor", signal=11, pid=77),
    Evidence(phase="monitor", signal=9, pid=77, host={KernelLog(77): KernelLogFact(True, _OOM)}),
    Evidence(stderr="qemu-system-x86_64: terminating on signal 15 from pid 4 (libvirtd)\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[KernelLog]:
    """Ask the kernel's log when a signal that the kernel may have sent ended QEMU."""
    if ev.signal is not None and ev.pid:
        yield KernelLog(ev.pid)


_LIMITS = {24: "its limit of processor time", 25: "its limit of file size"}
"""What the kernel sends by itself when a limit is reached (setrlimit(2)): SIGXCPU, SIGXFSZ."""


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when a signal of somebody else's ended QEMU."""
    if ev.signal is not None and ev.signal not in CRASHES and not is_oom(ev):
        kernel = ev.fact(KernelLog(ev.pid)) if ev.pid else None
        sentence = f"{whose(ev)} was killed by signal {ev.signal} ({name(ev.signal)})"
        evidence = [f"{whose(ev)} ended by signal {ev.signal}"]
        if kernel is not None and kernel.readable:
            evidence.append("this host: the kernel's log has no kill of it for lack of memory")
            sentence += ", sent by another process"
        fix = Fix("find what sent it, then start again", ("dmesg -T | grep -i 'killed process'",))
        if ev.signal in _LIMITS:
            sentence = f"{whose(ev)} was ended by the kernel at {_LIMITS[ev.signal]} (signal {ev.signal}, {name(ev.signal)})"
            fix = Fix(
                "raise that limit where it is set: the daemon's unit, or the emulator's script"
            )
            evidence = evidence[:1]
        subject = f"signal {ev.signal}"
        yield _found(sentence + ".", subject, Certainty.PROVEN, tuple(evidence), (fix,), 0)
    elif ev.phase and ev.exit_status == 0:
        seen = Said(ev.stderr).find(_SENDER)
        if seen is None:
            return
        number = int(seen["signal"])
        by = f" from process {seen['pid']}" if seen["pid"] else ""
        yield _found(
            f"{whose(ev)} was told to end by signal {number} ({name(number)}){by}.",
            f"signal {number}",
            Certainty.PROVEN,
            (seen.quote,),
            (Fix("find what sent it, then start again"),),
            0,
        )
