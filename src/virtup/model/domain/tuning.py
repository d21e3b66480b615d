"""How a guest is bound to its host: pages of its memory, NUMA nodes, processors of its threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.field import Element, at

PAGE_KIB = 4
"""The size of an x86 processor's ordinary page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HugePage(Element):
    """The size of the pages that the memory is made of."""

    size_kib: int = at("@size", scalar.KIB, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HugePages(Element):
    """Memory of pages that the host has reserved; without a size, of its default one."""

    page: tuple[HugePage, ...] = at("page")

    def problems(self) -> Iterator[str]:
        """Sizes of which none is for a part of the memory."""
        if len(self.page) > 1:
            yield "<hugepages> has more than one <page>, and the memory is of one piece"
        for one in self.page:
            if one.size_kib.bit_count() != 1:
                yield f"no processor has huge pages of {one.size_kib} KiB: a size is a power of two"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBacking(Element):
    """Where the guest's memory comes from."""

    hugepages: HugePages | None = at("hugepages")
    nosharepages: bool = at("nosharepages", scalar.FLAG)
    locked: bool = at("locked", scalar.FLAG)

    @property
    def page_kib(self) -> int | None:
        """The size of the huge pages, 0 for the host's default, None for ordinary memory."""
        if self.hugepages is None:
            return None
        if not self.hugepages.page:
            return 0
        size_kib = self.hugepages.page[0].size_kib
        return None if size_kib == PAGE_KIB else size_kib


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaMemory(Element):
    """From which of the host's NUMA nodes the memory is taken."""

    mode: Literal["strict", "preferred", "interleave"] | None = at("@mode")
    placement: Literal["static"] | None = at("@placement")
    nodeset: str | None = at("@nodeset", scalar.CPUSET)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaNode(Element):
    """From which of the host's NUMA nodes the memory of one of the guest's is taken."""

    cellid: int = at("@cellid", scalar.UINT, required=True)
    mode: Literal["strict", "preferred", "interleave"] | None = at("@mode")
    nodeset: str = at("@nodeset", scalar.CPUSET, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaTune(Element):
    """How the guest uses the host's NUMA nodes."""

    memory: NumaMemory | None = at("memory")
    memnode: tuple[NumaNode, ...] = at("memnode")

    def problems(self) -> Iterator[str]:
        """A policy for no nodes, or two for one of the guest's."""
        if self.memory is not None and self.memory.nodeset is None:
            yield "nodeset for NUMA memory tuning must be set: <memory> in <numatune> names none"
        ids = [one.cellid for one in self.memnode]
        for number in sorted({one for one in ids if ids.count(one) > 1}):
            yield f"<memnode> is given more than once for cell {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaCell(Element):
    """One NUMA node of the guest's: its virtual CPUs and its memory."""

    id: int | None = at("@id", scalar.number(0, 127))
    cpus: str | None = at("@cpus", scalar.CPUSET)
    memory_kib: int = at("@memory", scalar.KIB, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxMemory(Element):
    """Up to how much memory the guest can be given while it runs, in how many pieces."""

    slots: int = at("@slots", scalar.number(1, 256), required=True)
    kib: int = at(".", scalar.KIB, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class VcpuPin(Element):
    """On which of the host's processors one virtual CPU runs."""

    vcpu: int = at("@vcpu", scalar.UINT, required=True)
    cpuset: str = at("@cpuset", scalar.CPUSET, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class IoThreadPin(Element):
    """On which of the host's processors one thread for disks runs."""

    iothread: int = at("@iothread", scalar.POSITIVE, required=True)
    cpuset: str = at("@cpuset", scalar.CPUSET, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTune(Element):
    """On which of the host's processors QEMU's threads run.

    The pin of a virtual CPU that the guest does not have waits for one that it gets.
    """

    vcpupin: tuple[VcpuPin, ...] = at("vcpupin")
    emulatorpin: str | None = at("emulatorpin/@cpuset", scalar.CPUSET)
    iothreadpin: tuple[IoThreadPin, ...] = at("iothreadpin")

    def problems(self) -> Iterator[str]:
        """A thread that is pinned twice."""
        for what, numbers in (
            ("vCPU", [one.vcpu for one in self.vcpupin]),
            ("I/O thread", [one.iothread for one in self.iothreadpin]),
        ):
            for number in sorted({one for one in numbers if numbers.count(one) > 1}):
                yield f"{what} {number} is pinned more than once"
