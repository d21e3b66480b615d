"""Signals as sentences name them, and which of them mean what."""

from __future__ import annotations

import re
from signal import Signals

from virtup.causes.words import Seen, noted
from virtup.model.evidence import Evidence
from virtup.model.probe import KernelLog

CRASHES: dict[int, str] = {
    Signals.SIGSEGV: "a segmentation fault",
    Signals.SIGABRT: "an abort (failed assertion)",
    Signals.SIGBUS: "a bus error (memory or a mapped file went away)",
    Signals.SIGILL: "an illegal instruction",
    Signals.SIGFPE: "an arithmetic fault",
    Signals.SIGSYS: "a forbidden system call (the -sandbox filter)",
    Signals.SIGTRAP: "a trap",
}
_OOM = re.compile(r"out of memory|oom-kill|oom_kill", re.IGNORECASE)
_OOM_OF_QEMU = re.compile(
    r"(?:kill(?:ed)? process (?P<pid>\d+) \((?:qemu|kvm)|oom-kill:[^\n]*task=(?:qemu|kvm))[^\n]*",
    re.IGNORECASE,
)


def name(number: int) -> str:
    """Return the signal's name, such as ``SIGKILL``."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def whose(ev: Evidence) -> str:
    """Return the noun for the QEMU of *ev*."""
    return f"QEMU (pid {ev.pid})" if ev.pid else "QEMU"


def oom_line(ev: Evidence) -> str:
    """Return the kernel's line that it killed this QEMU for lack of memory, or ``""``."""
    found = _oom_lines(ev)
    return next((line for line in found if "Killed process" in line), found[0] if found else "")


def oom_noted(ev: Evidence) -> Seen | None:
    """Return where it is noted of another host that the kernel killed a QEMU so, or None."""
    found = list(noted(ev).find_all(_OOM_OF_QEMU)) if ev.signal is None and not ev.pid else []
    return next((seen for seen in found if seen["pid"]), found[0] if found else None)


def oom_group(ev: Evidence) -> str:
    """Return the control group whose memory limit was reached, ``""`` when the host's memory was."""
    lines = _oom_lines(ev) if ev.pid else [noted(ev).text]
    named = re.search(r"\boom_memcg=([^,\s]+)", "\n".join(lines))
    return named[1] if named else ""


def _oom_lines(ev: Evidence) -> list[str]:
    log = ev.fact(KernelLog(ev.pid)) if ev.pid else None
    return [line for line in (log.lines if log else ()) if _OOM.search(line)]


def is_oom(ev: Evidence) -> bool:
    """Did the kernel kill this QEMU for lack of memory?"""
    return bool(oom_line(ev))
