"""The host's processors, memory and caches in detail, and what names the host."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass

_CPU = "/sys/devices/system/cpu"
_NODE = "/sys/devices/system/node"
_UUIDS = (
    "/sys/class/dmi/id/product_uuid",
    "/proc/device-tree/vm,uuid",
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
)


@dataclass(frozen=True, slots=True)
class Processor:
    """One online processor; *siblings* is the kernel's list of those that share its core."""

    number: int
    socket: int
    die: int
    core: int
    siblings: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One NUMA node: memory in KiB, pages as (size in KiB, count), distances as (node, value)."""

    number: int
    memory_kib: int
    pages: tuple[tuple[int, int], ...]
    distances: tuple[tuple[int, int], ...]
    processors: tuple[Processor, ...]


@dataclass(frozen=True, slots=True)
class Cache:
    """One cache of the last level; *kind* is ``both``, ``code`` or ``data``; size in KiB."""

    number: int
    level: int
    kind: str
    size_kib: int
    cpus: str


@dataclass(frozen=True, slots=True)
class CpuModel:
    """What the first processor says of itself; numbers are -1 where it does not."""

    vendor: str = ""
    family: int = -1
    model: int = -1
    stepping: int = -1
    microcode: int = -1
    physical_bits: int = -1


def cells() -> tuple[Cell, ...]:
    """Return the NUMA nodes; one that holds everything on a kernel without NUMA."""
    online = numbers(_text(f"{_CPU}/online")) or tuple(range(os.cpu_count() or 1))
    found = [_cell(number, online) for number in numbers(_text(f"{_NODE}/online"))]
    if found:
        return tuple(found)
    memory = _meminfo(_text("/proc/meminfo"))
    processors = tuple(_processor(number) for number in online)
    return (Cell(0, memory, _pages("/sys/kernel/mm/hugepages", memory), ((0, 10),), processors),)


def caches() -> tuple[Cache, ...]:
    """Return the caches of the last level that has any beyond the second, each once."""
    found: dict[tuple[int, int, str], Cache] = {}
    for cpu in numbers(_text(f"{_CPU}/online")):
        for entry in _list(f"{_CPU}/cpu{cpu}/cache"):
            folder = f"{_CPU}/cpu{cpu}/cache/{entry}"
            level, size = _text(f"{folder}/level"), _text(f"{folder}/size")
            if not entry.startswith("index") or not level.isdecimal() or int(level) < 3:
                continue
            kind = {"Unified": "both", "Instruction": "code", "Data": "data"}.get(
                _text(f"{folder}/type"), "both"
            )
            number = _number(f"{folder}/id", 0)
            cpus = _text(f"{folder}/shared_cpu_list")
            kib = int(size.rstrip("K")) if size.rstrip("K").isdecimal() else 0
            found.setdefault((int(level), number, kind), Cache(number, int(level), kind, kib, cpus))
    top = max((cache.level for cache in found.values()), default=0)
    return tuple(found[key] for key in sorted(found) if found[key].level == top)


def cpu_model() -> CpuModel:
    """Read /proc/cpuinfo's first processor, in x86's words."""
    words: dict[str, str] = {}
    for line in _text("/proc/cpuinfo").splitlines():
        if not line.strip():
            break
        name, _, value = line.partition(":")
        words.setdefault(name.strip(), value.strip())
    bits = words.get("address sizes", "").split(" ")[0]
    return CpuModel(
        vendor={"GenuineIntel": "Intel", "AuthenticAMD": "AMD", "HygonGenuine": "Hygon"}.get(
            words.get("vendor_id", ""), ""
        ),
        family=_int(words.get("cpu family", "")),
        model=_int(words.get("model", "")),
        stepping=_int(words.get("stepping", "")),
        microcode=_int(words.get("microcode", "")),
        physical_bits=_int(bits),
    )


def page_sizes_kib() -> tuple[int, ...]:
    """Return the sizes of memory pages that the kernel offers, smallest first."""
    return tuple(size for size, _ in _pages("/sys/kernel/mm/hugepages", 0))


def host_uuid() -> str | None:
    """Return what names this machine: its firmware's UUID, else the machine id, else None.

    A UUID of one repeated digit is a vendor's filler and is passed over.
    """
    for path in _UUIDS:
        try:
            found = uuid.UUID(_text(path).rstrip("\0"))
        except ValueError:
            continue
        if len(set(found.hex)) > 1:
            return str(found)
    return None


def numbers(text: str) -> tuple[int, ...]:
    """Read the kernel's list format: ``0-3,8`` is 0, 1, 2, 3, 8."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def _cell(number: int, online: tuple[int, ...]) -> Cell:
    folder = f"{_NODE}/node{number}"
    memory = _meminfo(_text(f"{folder}/meminfo"))
    others = numbers(_text(f"{_NODE}/online"))
    distances = _text(f"{folder}/distance").split()
    return Cell(
        number=number,
        memory_kib=memory,
        pages=_pages(f"{folder}/hugepages", memory),
        distances=tuple(
            (other, int(value)) for other, value in zip(others, distances, strict=False)
        ),
        processors=tuple(
            _processor(cpu) for cpu in numbers(_text(f"{folder}/cpulist")) if cpu in online
        ),
    )


def _processor(number: int) -> Processor:
    folder = f"{_CPU}/cpu{number}/topology"
    return Processor(
        number=number,
        socket=max(_number(f"{folder}/physical_package_id", 0), 0),
        die=max(_number(f"{folder}/die_id", 0), 0),
        core=max(_number(f"{folder}/core_id", number), 0),
        siblings=_text(f"{folder}/thread_siblings_list") or str(number),
    )


def _pages(folder: str, memory_kib: int) -> tuple[tuple[int, int], ...]:
    """Return (size, count) of each page size; small pages are what huge ones leave."""
    huge = []
    for entry in _list(folder):
        size = entry.removeprefix("hugepages-").removesuffix("kB")
        if size.isdecimal():
            huge.append((int(size), _number(f"{folder}/{entry}/nr_hugepages", 0)))
    huge.sort()
    small = os.sysconf("SC_PAGE_SIZE") // 1024
    left = memory_kib - sum(size * count for size, count in huge)
    return ((small, max(left, 0) // small), *huge)


def _meminfo(text: str) -> int:
    for line in text.splitlines():
        head, _, value = line.partition("MemTotal:")
        if value and (not head or head.startswith("Node")):
            return int(value.split()[0])
    return 0


def _number(path: str, default: int) -> int:
    text = _text(path)
    return int(text) if text.lstrip("-").isdecimal() else default


def _int(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return -1


def _list(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _text(path: str) -> str:
    """Read a small file of the kernel's; "" when this kernel or container has it not."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
