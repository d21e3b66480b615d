"""Options of the guest's memory: how much, of which pages, from which NUMA nodes of the host.

A guest without NUMA nodes of its own has one memory object, which the machine takes as its RAM; one
with nodes has an object for each. QEMU takes whole MiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtup.errors import ConfigUnsupported
from virtup.model.document import Place
from virtup.model.domain.caps import Caps
from virtup.model.domain.guest import Domain
from virtup.model.domain.tuning import MemoryBacking, NumaCell, NumaMemory, NumaNode
from virtup.model.scalar import format_cpuset, parse_cpuset
from virtup.qemu.option import Option, keyed, object_
from virtup.qemu.runtime import Runtime

MIB_KIB = 1024
POLICIES = {"strict": "bind", "preferred": "preferred", "interleave": "interleave"}
"""QEMU's words for how memory is taken from NUMA nodes."""


def machine_object(dom: Domain, caps: Caps) -> str | None:
    """The id of the memory object that is the machine's RAM; None where it has another."""
    found = caps.machine(dom.os.machine or "")
    return found.default_ram_id if found and not dom.cells else None


def memory(dom: Domain, caps: Caps, run: Runtime) -> Iterator[Option]:
    """``-m``, the memory object of a guest without nodes, and whether all of it is locked."""
    most = dom.max_memory
    pairs: list[tuple[str, Any]] = [("size", f"{whole_kib(dom)}k")]
    if most is not None:
        pairs += [("slots", most.slots), ("maxmem", f"{_whole(most.kib)}k")]
    yield keyed("-m", None, pairs)
    backing = dom.memory_backing or MemoryBacking()
    name = machine_object(dom, caps)
    wanted = dom.numatune.memory if dom.numatune else None
    if name is not None:
        yield _object(name, whole_kib(dom), dom, wanted, run)
    elif backing.page_kib is not None and not dom.cells:
        raise ConfigUnsupported(
            f"<hugepages> is not supported with this QEMU's machine type '{dom.os.machine}'"
        )
    yield keyed("-overcommit", None, [("mem-lock", backing.locked)])


def nodes(dom: Domain, caps: Caps, run: Runtime) -> Iterator[Option]:
    """``-numa`` and the memory object of every node of the guest's."""
    found = caps.machine(dom.os.machine or "")
    wanted = {one.cellid: one for one in dom.numatune.memnode} if dom.numatune else {}
    common = dom.numatune.memory if dom.numatune else None
    huge = dom.memory_backing is not None and dom.memory_backing.page_kib is not None
    objects = huge or common or wanted or not (found and found.numa)
    for cell in dom.cells:
        size_kib = _whole(cell.memory_kib)
        given: list[tuple[str, Any]] = [("nodeid", cell.id), *_cpus(cell)]
        if objects:
            name = f"ram-node{cell.id}"
            yield _object(name, size_kib, dom, wanted.get(cell.id or 0, common), run)
            yield keyed("-numa", "node", [*given, ("memdev", name)])
        else:
            # older machine types have no other way that a guest could be migrated to and from
            yield keyed("-numa", "node", [*given, ("mem", size_kib // MIB_KIB)])


def whole_kib(dom: Domain) -> int:
    """The memory that QEMU is given: that of the guest's nodes, or all, in whole MiB."""
    return sum(_whole(cell.memory_kib) for cell in dom.cells) or _whole(dom.memory_kib)


def _whole(size_kib: int) -> int:
    return -(-size_kib // MIB_KIB) * MIB_KIB


def _cpus(cell: NumaCell) -> Iterator[tuple[str, Any]]:
    if cell.cpus:
        for part in format_cpuset(parse_cpuset(cell.cpus)).split(","):
            yield "cpus", part


def _object(
    name: str, size_kib: int, dom: Domain, wanted: NumaMemory | NumaNode | None, run: Runtime
) -> Option:
    """One memory object, of huge pages where the definition asks for them."""
    tail: dict[str, Any] = {"size": size_kib * 1024}
    if wanted is not None and wanted.nodeset is not None:
        tail["host-nodes"] = list(parse_cpuset(wanted.nodeset))
        tail["policy"] = POLICIES[wanted.mode or "strict"]
    backing = dom.memory_backing
    if backing is None or backing.page_kib is None:
        return object_("memory-backend-ram", {"id": name} | tail)
    if size_kib % (backing.page_kib or MIB_KIB):
        what = f"{size_kib} KiB of memory are no whole number of pages of {backing.page_kib} KiB"
        raise ConfigUnsupported(f"{what} ({Place(dom.source, backing.line or dom.line)})")
    pages = {
        "id": name,
        "mem-path": run.memory_dir,
        "x-use-canonical-path-for-ramblock-id": None if dom.cells else False,
        "prealloc": True,
    }
    return object_("memory-backend-file", pages | tail)
