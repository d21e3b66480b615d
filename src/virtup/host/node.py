"""The host as libvirt tells of it: processors, memory, names, and what a process has used."""

from __future__ import annotations

import functools
import os
import secrets
import socket
from dataclasses import dataclass

from virtup.host import proc


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """libvirt's ``virNodeInfo``: ``nodes * sockets * cores * threads`` is at least ``cpus``.

    ``sockets`` are those of one NUMA node, ``cores`` those of one socket, ``threads`` those of
    one core. Where processors are offline or the topology is uneven, libvirt's convention
    holds: one node, one socket, ``cpus`` cores of one thread.
    """

    model: str
    memory_kib: int
    cpus: int
    mhz: int
    nodes: int
    sockets: int
    cores: int
    threads: int


_CPU = "/sys/devices/system/cpu"
_NODE = "/sys/devices/system/node"


def info() -> NodeInfo:
    """Read the host's processors and memory from /sys and /proc."""
    online = _ranges(_text(f"{_CPU}/online")) or tuple(range(os.cpu_count() or 1))
    present = _ranges(_text(f"{_CPU}/present")) or online
    nodes = _nodes(online)
    shape = _shape(nodes) if len(present) == len(online) else None
    count, sockets, cores, threads = shape or (1, 1, len(online), 1)
    return NodeInfo(
        model=os.uname().machine,
        memory_kib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024,
        cpus=len(online),
        mhz=_mhz(),
        nodes=count,
        sockets=sockets,
        cores=cores,
        threads=threads,
    )


def hostname() -> str:
    """Return the host's name, the full one where the resolver knows it without being asked twice.

    As libvirt does: a name with a dot, or ``localhost``, is taken as it is; else the canonical
    name, if it is not ``localhost``'s. May wait for the resolver.
    """
    name = os.uname().nodename
    if "." in name or name.startswith("localhost"):
        return name
    try:
        answers = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return name
    canonical = answers[0][3] if answers else ""
    return name if not canonical or canonical.startswith("localhost") else canonical


def kernel() -> str:
    """Return the kernel's release, as ``uname -r`` prints it."""
    return os.uname().release


def boot_id() -> str:
    """Return what names this boot of the kernel: pids and ticks of another mean nothing."""
    return _text("/proc/sys/kernel/random/boot_id")


def cpu_time_ns(pid: int) -> int | None:
    """Return the processor time that a process has used, all threads; None when it is gone."""
    stat = proc.stat(pid)
    if stat is None:
        return None
    return (stat.user_ticks + stat.system_ticks) * (1_000_000_000 // _ticks_per_s())


def rss_kib(pid: int) -> int | None:
    """Return the resident memory of a process; None when it is gone."""
    stat = proc.stat(pid)
    return None if stat is None else stat.rss_pages * os.sysconf("SC_PAGE_SIZE") // 1024


@functools.cache
def _ticks_per_s() -> int:
    return os.sysconf("SC_CLK_TCK")


def _shape(nodes: list[tuple[int, ...]]) -> tuple[int, int, int, int] | None:
    """Return nodes, sockets a node, cores a socket, threads a core; None when they are uneven."""
    sockets_max = cores_max = threads_max = 0
    total = 0
    for cpus in nodes:
        cores: dict[str, dict[str, int]] = {}
        for cpu in cpus:
            topology = f"{_CPU}/cpu{cpu}/topology"
            socket_id = _text(f"{topology}/physical_package_id") or "0"
            core_id = _text(f"{topology}/core_id") or str(cpu)
            threads = cores.setdefault(socket_id, {})
            threads[core_id] = threads.get(core_id, 0) + 1
        total += len(cpus)
        sockets_max = max(sockets_max, len(cores))
        cores_max = max(cores_max, *(len(each) for each in cores.values()))
        threads_max = max(threads_max, *(n for each in cores.values() for n in each.values()))
    if len(nodes) * sockets_max * cores_max * threads_max != total:
        return None
    return len(nodes), sockets_max, cores_max, threads_max


def _nodes(online: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the online processors of each NUMA node that has any; one node when none are told."""
    found = []
    for number in _ranges(_text(f"{_NODE}/online")):
        cpus = tuple(c for c in _ranges(_text(f"{_NODE}/node{number}/cpulist")) if c in online)
        if cpus:
            found.append(cpus)
    return found or [online]


def _mhz() -> int:
    """Return the first processor's clock: the present one, else the most it can, else 0."""
    for line in _text("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("cpu MHz", "clock"):
            return int(float(value.strip().removesuffix("MHz")))
    khz = _text(f"{_CPU}/cpu0/cpufreq/cpuinfo_max_freq")
    return int(khz) // 1000 if khz.isdecimal() else 0


def _ranges(text: str) -> tuple[int, ...]:
    """Read the kernel's list format: ``0-3,8`` is 0, 1, 2, 3, 8."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def _text(path: str) -> str:
    """Read a small file of the kernel's; "" when this kernel or container has it not."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def random_mac() -> str:
    """Return a new MAC address for a guest, in the range that QEMU and KVM guests use."""
    return "52:54:00:{:02x}:{:02x}:{:02x}".format(*secrets.token_bytes(3))
