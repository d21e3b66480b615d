"""Too few free huge pages.

## What it means
`<memoryBacking><hugepages/>` takes the guest's memory from a pool that the administrator reserved,
and the pool is too small, used by other guests, or reserved for another page size.

## How to confirm
`grep -i huge /proc/meminfo`; `grep . /sys/kernel/mm/hugepages/*/{nr,free}_hugepages`.

## What to do
Reserve more (`sysctl vm.nr_hugepages=N`; 1 GiB pages best on the kernel's command line, before
memory is fragmented), or drop `<hugepages/>`.

## Strings it goes by
- `unable to map backing store for guest RAM: Cannot allocate memory`
- `can't create backing store for hugepage`
- `hugetlbfs filesystem is not mounted or disabled by administrator config` (libvirt)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety, mend
from virtup.causes.memory.mem_host_ram_short import mib
from virtup.causes.usage import memory_kib
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import HugePages, Memory, MemoryFact
from virtup.model.repair import ReserveHugePages

CODE = "VU071"
SLUG = "mem-hugepages-short"

_WORDS = re.compile(
    r"(?:unable to map backing store for guest RAM(?!: (?!cannot (?:allocate|\.\.\.)))|insufficient free host memory pages|hugepage allocation failed|can't mmap RAM pages|preallocating memory failed)[^\n]*",
    re.IGNORECASE,
)
_HUGE = re.compile(r"hugepages?|hugetlb|-mem-path", re.IGNORECASE)
_SAID = "qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate memory\n"
_ARGV = (
    "/usr/bin/qemu-system-x86_64",
    "-m",
    "96",
    "-mem-path",
    "/dev/hugepages/virtup/qemu/1-vm1",
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, argv=_ARGV),
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={Memory(): MemoryFact(huge=(HugePages(2048, 0, 0, ("/dev/hugepages",)),))},
    ),
    Evidence(
        stderr="kvm: -mem-path /dev/hugepages/libvirt/qemu: can't mmap RAM pages: Cannot allocate memory\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory\n"
    ),
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={Memory(): MemoryFact(huge=(HugePages(2048, 99, 99, ("/dev/hugepages",)),))},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Memory]:
    """Ask for the pools when QEMU got no backing store, or will want one."""
    words = ev.uid is not None and said(ev).find(_WORDS) is not None
    if words or (ev.ahead and _HUGE.search("\n".join(ev.argv))):
        yield Memory()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding; without a sign of huge pages it is only possible."""
    seen = said(ev).find(_WORDS)
    if seen is None and not ev.ahead:
        return
    signs = ("\n".join(ev.argv), ev.definition, seen.line if seen else "")
    named = any(map(_HUGE.search, signs))
    fact = ev.fact(Memory())
    pool = _pool(ev, fact) if fact and named else None
    if pool is not None:
        yield from _counted(ev, pool, seen)
    elif seen is not None:
        yield _found(
            "The host has too few free huge pages for the guest's memory.",
            "huge pages",
            Certainty.LIKELY if named else Certainty.POSSIBLE,
            (seen.quote,),
            (Fix("see what is reserved and free", ("grep -i huge /proc/meminfo",)),),
            seen.at,
        )


def _counted(ev: Evidence, pool: HugePages, seen: Seen | None) -> Iterator[Finding]:
    """Yield the finding when the pool has too few pages for the guest's memory."""
    need = -(-memory_kib(ev.argv) // pool.size_kib)
    if pool.free >= need:
        return
    want = pool.total + need - pool.free
    quotes = (seen.quote,) if seen else ()
    yield _found(
        f"The guest needs {need} huge pages of {mib(pool.size_kib)}, and the host has {pool.free} free.",
        f"{mib(pool.size_kib)} huge pages",
        Certainty.PROVEN,
        (*quotes, f"this host: {pool.total} pages of {mib(pool.size_kib)}, {pool.free} free"),
        (
            mend(
                f"have {want} huge pages of {mib(pool.size_kib)}",
                ReserveHugePages(pool.size_kib, want, pool.total),
                safety=Safety.CONFIRM,
            ),
        ),
        seen.at if seen else NOWHERE,
    )


def _pool(ev: Evidence, fact: MemoryFact) -> HugePages | None:
    """Return the pool whose mount the command line names, else the only one."""
    words = "\n".join(ev.argv)
    for pool in fact.huge:
        if any(f"{mount.rstrip('/')}/" in words for mount in pool.mounts):
            return pool
    return fact.huge[0] if len(fact.huge) == 1 else None
