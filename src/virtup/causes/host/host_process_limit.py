"""A limit on processes, on open files or on the size of a file is reached.

## What it means
The account that QEMU or the daemon runs as may have so many processes (threads count,
`RLIMIT_NPROC`), a control group so many tasks, a process so many open files (`RLIMIT_NOFILE`) and
files of such a size (`RLIMIT_FSIZE`). A guest takes a thread for every vCPU
and I/O thread, and some for disks.

## How to confirm
`prlimit --pid PID`; `cat /sys/fs/cgroup/machine.slice/pids.max`; `ps -L -u USER | wc -l`.

## What to do
Raise `LimitNPROC=`, `TasksMax=`, `LimitNOFILE=` or `LimitFSIZE=` of the daemon's unit (`systemctl
edit`), with libvirt `max_processes` or `max_files` in `/etc/libvirt/qemu.conf`.

## Strings it goes by
- `qemu_thread_create: Resource temporarily unavailable`
- `libgomp: Thread creation failed: Resource temporarily unavailable`
- `cannot fork child process: Resource temporarily unavailable`
- `Cannot run QEMU binary '/usr/bin/qemu-system-x86_64': Resource temporarily unavailable`
- `Too many open files`
- `Failed to make the NVRAM file '/nvram/vm.fd': File too large`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.phrase import Told
from virtup.causes.who import account
from virtup.causes.words import said
from virtup.model.evidence import Evidence

CODE = "VU479"
SLUG = "host-process-limit"

_RAISE = Fix(
    "raise the limit in the daemon's unit: LimitNOFILE=, LimitNPROC=, TasksMax= or LimitFSIZE= "
    "(with libvirt max_files or max_processes in qemu.conf)",
    ("grep -E 'processes|files|size' /proc/$(pidof -s virtupd libvirtd)/limits",),
)
_TOLD = Told(
    CODE,
    SLUG,
    sentence="A limit is reached: {subject}.",
    phrases=(
        r"(?P<subject>(?:pthread_create|thread creation|qemu_thread_create)[^\n]{0,40}resource temporarily unavailable)",
        r"(?P<subject>cannot fork child process: resource temporarily unavailable)",
        r"(?P<subject>too many open files(?: in system)?)",
        r"(?P<subject>(?:make|write|create)[^\n]{0,20} '/[^'\n]+': file too large)",
    ),
    fixes=(_RAISE,),
)
_FORKED = re.compile(
    r"cannot run qemu binary '(?P<path>[^'\n]+)': resource temporarily unavailable", re.IGNORECASE
)
POSITIVE = (
    Evidence(stderr="qemu: qemu_thread_create: Resource temporarily unavailable\n"),
    Evidence(error="error: Unable to create socket: Too many open files"),
    Evidence(error="Failed to make the NVRAM file '/nvram/vm.fd': File too large"),
    Evidence(
        phase="exec",
        error="Cannot run QEMU binary '/usr/bin/qemu-system-x86_64': Resource temporarily unavailable",
    ),
)
NEGATIVE = (
    Evidence(stderr="swtpm: Could not lock access to lockfile: Resource temporarily unavailable\n"),
)

probes = _TOLD.probes


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield what the words tell, and what the kernel says when an account has too many processes."""
    yield from _TOLD.find(ev)
    seen = said(ev).find(_FORKED)
    if seen is not None:  # execve(2): EAGAIN comes of RLIMIT_NPROC alone
        yield Finding(
            CODE,
            SLUG,
            f"{account(ev)} has as many processes as its limit (RLIMIT_NPROC) allows, so "
            f"'{seen['path']}' cannot run.",
            ev.user or "QEMU's user",
            Certainty.LIKELY,
            (seen.quote,),
            (_RAISE,),
            seen.at,
        )
