"""On which of the host's processors a process runs."""

from __future__ import annotations

import os
from collections.abc import Collection

from virtup.host.topology import numbers

_ONLINE = "/sys/devices/system/cpu/online"
_NODES = "/sys/devices/system/node/online"


def online() -> frozenset[int]:
    """Return the numbers of the processors that are switched on."""
    try:
        with open(_ONLINE, encoding="ascii") as file:
            return frozenset(numbers(file.read().strip()))
    except OSError:
        return frozenset(os.sched_getaffinity(0))


def nodes() -> frozenset[int]:
    """Return the numbers of the NUMA nodes that are there; 0 on a kernel without NUMA."""
    try:
        with open(_NODES, encoding="ascii") as file:
            return frozenset(numbers(file.read().strip()))
    except OSError:
        return frozenset({0})


def pin_thread(thread: int, cpus: Collection[int]) -> None:
    """Let one thread run on *cpus* only, all that are online for none. Raises OSError."""
    os.sched_setaffinity(thread, cpus or online())


def pin(pid: int, cpus: Collection[int]) -> int:
    """Let every thread of *pid* run on *cpus* only; return how many there are.

    Threads that are made later have it from the one that makes them; those that were made
    meanwhile are looked for until there are none. Raises OSError when the kernel takes none of
    *cpus* for this process, and ProcessLookupError when it has ended.
    """
    done: set[str] = set()
    while new := set(_threads(pid)) - done:
        for thread in new:
            try:
                os.sched_setaffinity(int(thread), cpus)
            except ProcessLookupError:
                if int(thread) == pid:
                    raise
        done |= new
    return len(done)


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError as error:
        raise ProcessLookupError(error.errno, f"process {pid} has ended") from error
