"""The kernel killed QEMU because memory ran out.

## What it means
The host, or the control group that QEMU is in, had no memory left, and the kernel's memory killer
chose QEMU. The guest's own memory, the other guests and everything else on the host compete.

## How to confirm
`dmesg -T | grep -i 'killed process'` names the pid, and whether it was a control group's limit
("Memory cgroup out of memory") or the host's.

## What to do
Give the guest less memory, end other programs or guests, raise the group's limit, or add swap.

## Strings it goes by
- `Out of memory: Killed process 4711 (qemu-system-x86)`
- `Memory cgroup out of memory: Killed process`
- `oom-kill:constraint=CONSTRAINT_MEMCG`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.memory.mem_host_ram_short import mib
from virtup.causes.signals import oom_group, oom_line, oom_noted, whose
from virtup.causes.usage import memory_kib
from virtup.model.evidence import Evidence
from virtup.model.probe import KernelLog, KernelLogFact, Memory

CODE = "VU051"
SLUG = "qemu-oom-killed"

_GROUP = "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/machine.slice,task=qemu-system-x86,pid=77"
_IN_GROUP = "Memory cgroup out of memory: Killed process 77 (qemu-system-x86) total-vm:9000kB"
_LINE = "Out of memory: Killed process 77 (qemu-system-x86) total-vm:9000kB, anon-rss:8000kB"
POSITIVE = (
    Evidence(error="QEMU unexpectedly closed the monitor", notes=f"kernel: {_LINE}"),
    Evidence(
        phase="monitor",
        signal=9,
        pid=77,
        host={KernelLog(77): KernelLogFact(readable=True, lines=(_LINE,))},
    ),
    Evidence(
        phase="monitor",
        signal=9,
        pid=77,
        host={KernelLog(77): KernelLogFact(readable=True, lines=(_GROUP, _IN_GROUP))},
    ),
    Evidence(
        notes="Memory cgroup out of memory: Kill process 4242 (qemu-kvm) score 1000 or sacrifice child"
    ),
)
NEGATIVE = (
    Evidence(phase="monitor", signal=9, pid=77, host={KernelLog(77): KernelLogFact(readable=True)}),
    Evidence(phase="monitor", signal=9, pid=77),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[KernelLog | Memory]:
    """Ask the kernel's log about a killed QEMU."""
    if ev.signal == 9 and ev.pid:
        yield KernelLog(ev.pid)
    if oom_line(ev):
        yield Memory()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the kernel's log names this QEMU."""
    line, told = oom_line(ev), oom_noted(ev)
    if told is not None:
        line = told.quote
    elif ev.signal != 9 or not line:
        return
    asked, group = memory_kib(ev.argv), oom_group(ev)
    why = f"the memory limit of the control group '{group}' was reached"
    sentence = f"The kernel killed {whose(ev)} because {why if group else 'memory ran out'}"
    if asked:
        sentence += f" (the guest is to have {mib(asked)})"
    other = (
        f"raise the limit of the control group '{group}'" if group else "free memory on the host"
    )
    yield _found(
        sentence + ".",
        f"pid {ev.pid}" if told is None else "QEMU",
        Certainty.PROVEN if told is None else Certainty.LIKELY,
        (line.partition(", file-rss")[0], *_room(ev, group)),
        (Fix(f"{other}, or lower <memory> in the definition"),),
        0,
    )


def _room(ev: Evidence, group: str) -> Iterator[str]:
    memory = ev.fact(Memory())
    if memory is None:
        return
    if group and memory.limit_kib > 0:
        yield f"this host: the daemon's control group may have {mib(memory.limit_kib)}"
    elif memory.total_kib:
        total = mib(memory.total_kib)
        yield f"this host: {mib(memory.available_kib)} of {total} are available now"
