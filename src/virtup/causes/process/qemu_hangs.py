"""QEMU runs and does not greet on its monitor.

## What it means
The process is alive, and within the time that virtup waits it neither came up nor ended. It waits
in the kernel for a disk or a file server that does not answer, allocates and locks a lot of memory,
or is stopped (SIGSTOP, a debugger, a frozen control group). A script in its place that never starts
QEMU looks the same.

## How to confirm
`ps -o pid,stat,wchan:30,cmd -p PID` while it hangs: state D is a wait for a device or server, T is
stopped. `cat /proc/PID/stack` as root shows in which call.

## What to do
By what it waits for: bring the storage back, `kill -CONT`, thaw the group, repair the wrapper. A
guest with much memory on a slow host may only need more time: `monitor_timeout_s` in the
daemon's configuration.

## Strings it goes by
- `monitor socket did not show up`
- `Timed out while waiting for monitor`, `did not show up: No such file or directory`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.signals import whose
from virtup.model.evidence import Evidence
from virtup.model.probe import Process, ProcessFact

CODE = "VU053"
SLUG = "qemu-hangs"

POSITIVE = (
    Evidence(phase="monitor", silence="no greeting", waited_s=10.0, pid=77, doing="sleeping"),
    Evidence(
        phase="monitor",
        silence="no greeting",
        waited_s=10.0,
        pid=77,
        host={Process(77): ProcessFact(True, "D", "qemu-system-x86", "rpc_wait_bit_killable")},
    ),
)
NEGATIVE = (
    Evidence(phase="monitor", silence="closed", pid=77),
    Evidence(phase="negotiate", silence="no answer", pid=77),
)

_found = partial(Finding, CODE, SLUG)
STATES = {"D": "waiting for a device or file server", "T": "stopped", "t": "stopped by a debugger"}


def probes(ev: Evidence) -> Iterator[Process]:
    """Ask what the process is doing."""
    if ev.silence and ev.pid:
        yield Process(ev.pid)


_WAITS = "bring back what it waits for (storage, file server), then start again"
_STOPPED = "find what stops it (SIGSTOP: the emulator's script, a debugger, a freezer)"


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a QEMU that lives and never greeted."""
    if ev.silence != "no greeting":
        return
    waited = f" within {ev.waited_s:g} s" if ev.waited_s else ""
    doing = activity(ev)
    sentence = f"{whose(ev)} runs and did not greet on its monitor{waited}"
    yield _found(
        f"{sentence}: it is {doing}." if doing else sentence + ".",
        whose(ev),
        Certainty.PROVEN,
        (f"this host: {whose(ev)} was alive, {doing or 'its monitor silent'}",),
        (Fix(_STOPPED if doing.startswith("stopped") else _WAITS),),
        0,
    )


def activity(ev: Evidence) -> str:
    """Return what the process was doing, in words, ``""`` when nobody looked."""
    fact = ev.fact(Process(ev.pid)) if ev.pid else None
    if ev.doing:
        return ev.doing
    if fact is None or not fact.alive:
        return ""
    state = STATES.get(fact.state, f"in state {fact.state}")
    return f"{state} (in {fact.waiting_in})" if fact.waiting_in else state
