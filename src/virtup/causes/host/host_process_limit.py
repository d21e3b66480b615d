"""A limit on processes or on open files is reached.

## What it means
The account that QEMU or the daemon runs as may have so many processes (threads count), a
control group so many tasks, a process so many open files. A guest takes a thread for every vCPU
and I/O thread, and some for disks.

## How to confirm
`prlimit --pid PID`; `cat /sys/fs/cgroup/machine.slice/pids.max`; `ps -L -u USER | wc -l`.

## What to do
Raise `max_processes` or `max_files` in `/etc/libvirt/qemu.conf`, or `LimitNOFILE=` and
`TasksMax=` of the daemon's unit.

## Strings it goes by
- `qemu_thread_create: Resource temporarily unavailable`
- `libgomp: Thread creation failed: Resource temporarily unavailable`
- `cannot fork child process: Resource temporarily unavailable`
- `Too many open files`
"""

from __future__ import annotations

from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU479"
SLUG = "host-process-limit"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A limit is reached: {subject}.",
    phrases=(
        r"(?P<subject>(?:pthread_create|thread creation|qemu_thread_create)[^\n]{0,40}resource temporarily unavailable)",
        r"(?P<subject>cannot fork child process: resource temporarily unavailable)",
        r"(?P<subject>too many open files(?: in system)?)",
    ),
    fixes=(
        Fix(
            "raise max_processes or max_files in /etc/libvirt/qemu.conf, or the limits of the daemon's unit"
        ),
    ),
)
POSITIVE = (
    Evidence(stderr="qemu: qemu_thread_create: Resource temporarily unavailable\n"),
    Evidence(error="error: Unable to create socket: Too many open files"),
)
NEGATIVE = (
    Evidence(stderr="swtpm: Could not lock access to lockfile: Resource temporarily unavailable\n"),
)

probes = _TOLD.probes
find = _TOLD.find
