"""QEMU crashed.

## What it means
QEMU ended by a fault of its own: a segmentation fault, a failed assertion, an illegal instruction (a
binary built for a newer processor), a bus error (a memory file on a full /dev/shm), or a system call
that the `-sandbox` filter forbids.

## How to confirm
`coredumpctl info` or `dmesg -T | grep segfault`; an assertion is printed with file and line.

## What to do
Update QEMU. If it crashes again, report it with the command line from the guest's log and the
backtrace (`coredumpctl debug`). A device or option that was changed last is the first suspect.

## Strings it goes by
- `Assertion '...' failed`, `Aborted (core dumped)`
- `Segmentation fault`
- `unexpected fatal signal 11`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.signals import CRASHES, name, whose
from virtup.causes.words import noted, said
from virtup.model.evidence import Evidence
from virtup.model.probe import KernelLog, KernelLogFact

CODE = "VU052"
SLUG = "qemu-crashed"

_WORDS = re.compile(
    r"(?:assertion [`'\"‘][^\n]*['’\"] failed|\bERROR:\S+\.c:\d+:[^\n]*assertion failed|\bcode should not be reached"
    r"|segmentation fault|aborted \(core dumped\)|\*\*\* stack smashing detected"
    r"|double free or corruption|crashed program: \S*(?:qemu|kvm)|malloc\(\): |free\(\): invalid)[^\n]*",
    re.IGNORECASE,
)
_NOTED = re.compile(
    r"(?:\b(?:qemu|kvm)[\w.-]*\[\d+\]: segfault at |traps: (?:qemu|kvm)[\w.-]*\[\d+\] )[^\n]*",
    re.IGNORECASE,
)
"""What the kernel's log of another host says of a QEMU."""
_QEMU = re.compile(r"qemu|kvm|virsh|libvirt|monitor", re.IGNORECASE)
"""Of whom the words have to be: any program says the same when it crashes."""
_FAULT = "qemu-system-x86[77]: segfault at 8 ip 000055 sp 00007f error 4 in qemu-system-x86_64"
POSITIVE = (
    Evidence(phase="monitor", signal=11, pid=77),
    Evidence(
        phase="monitor",
        signal=11,
        pid=77,
        host={KernelLog(77): KernelLogFact(readable=True, lines=(_FAULT,))},
    ),
    Evidence(
        signal=6,
        stderr="qemu-system-x86_64: ../hw/pci/pci.c:1: pci_bus_reset: Assertion `bus' failed.\n",
    ),
    Evidence(signal=6, stderr="ERROR:../hw/core/machine.c:119:numa: assertion failed: (x)\n"),
    Evidence(
        error="qemu-system-x86_64: ../block.c:42: bdrv_close: Assertion `!bs->refcnt' failed."
    ),
    Evidence(error="QEMU unexpectedly closed the monitor", notes=f"kernel: {_FAULT}"),
)
NEGATIVE = (
    Evidence(phase="monitor", signal=9, pid=77),
    Evidence(phase="monitor", exit_status=1, stderr="qemu-system-x86_64: -x: invalid option\n"),
    Evidence(notes="kernel: dockerd[77]: segfault at 8 ip 000055 sp 00007f error 4"),
)

_found = partial(Finding, CODE, SLUG)


def _is_own(line: str, pid: int) -> bool:
    """Is a line of the kernel's log not another program's that has, or had, the same number?"""
    named = re.search(rf"([^\s\[\]]+)\[{pid}\]", line)
    return named is None or _QEMU.search(named[1]) is not None


def probes(ev: Evidence) -> Iterator[KernelLog]:
    """Ask the kernel's log about a crashed QEMU."""
    if ev.signal in CRASHES and ev.pid:
        yield KernelLog(ev.pid)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a signal of a crash, or for the words of one."""
    seen = said(ev).find(_WORDS)
    if seen is None and ev.uid is None:
        seen = noted(ev).find(_NOTED)
    if ev.signal is None and seen is None:
        return
    if ev.signal is not None and ev.signal not in CRASHES:
        return
    evidence = [seen.quote] if seen else []
    sentence = f"{whose(ev)} crashed"
    if ev.signal is not None:
        sentence += f" by signal {ev.signal} ({name(ev.signal)}): {CRASHES[ev.signal]}"
        evidence.append(f"{whose(ev)} ended by signal {ev.signal}")
    log = ev.fact(KernelLog(ev.pid)) if ev.pid else None
    lines = [line for line in log.lines if _is_own(line, ev.pid or 0)] if log else []
    evidence += lines[-1:]
    fix = Fix("update QEMU; report it with the backtrace when it stays", ("coredumpctl info",))
    of_qemu = ev.argv or (seen and _QEMU.search(seen.quote)) or said(ev).find(_QEMU)
    certainty = Certainty.LIKELY if of_qemu else Certainty.POSSIBLE
    if ev.signal is not None:
        certainty = Certainty.PROVEN
    subject = f"signal {ev.signal}" if ev.signal else "assertion"
    yield _found(
        sentence + ".", subject, certainty, tuple(evidence), (fix,), seen.at if seen else 0
    )
