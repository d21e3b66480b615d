"""The host cannot give the guest its RAM.

## What it means
QEMU reserves the guest's memory at the start, and the kernel refused: the size is beyond what the
host can ever give (a unit that was mixed up: `<memory unit='GiB'>` for MiB), other guests have taken
it, overcommit is off, or a limit of the process or its control group is lower.

## How to confirm
`free -m`; `cat /proc/sys/vm/overcommit_memory`; `ulimit -v`; `cat
/sys/fs/cgroup/machine.slice/memory.max`.

## What to do
Give the guest less memory, end other guests, add swap, or raise the limit.

## Strings it goes by
- `cannot set up guest memory 'pc.ram': Cannot allocate memory`
- `Cannot set up guest memory 'pc.ram': Cannot allocate memory`, `Failed to allocate 1 bytes`
- `mmap: Cannot allocate memory`, `unable to start vcpu thread`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.usage import memory_kib
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Memory, MemoryFact

CODE = "VU070"
SLUG = "mem-host-ram-short"

_WORDS = re.compile(
    r"(?:cannot set up guest memory '(?P<name>[^'\n]*)'(?!: (?!cannot allocate|resource temp))|failed to allocate (?:memory for guest|memory: cannot|\d+ B: cannot)"
    r"|allocate \d+ bytes for jit buffer: cannot allocate"
    r"|(?<!can't )mmap[^\n]{0,20}: cannot allocate memory|cannot allocate memory for guest)[^\n]*",
    re.IGNORECASE,
)
_SAID = "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory\n"
_ARGV = ("/usr/bin/qemu-system-x86_64", "-m", "size=943718400k")
_HOST = MemoryFact(total_kib=8 << 20, available_kib=6 << 20)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, argv=_ARGV, uid=991, host={Memory(): _HOST}),
    Evidence(
        stderr="qemu-system-x86_64: -accel tcg: allocate 1073741824 bytes for jit buffer: Cannot "
        "allocate memory\n",
        argv=(_ARGV[0], "-m", "size=98304k"),
        uid=991,
        host={Memory(): _HOST},
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate memory\n"
    ),
    Evidence(stderr="qemu-system-x86_64: Could not allocate dirty bitmap\n"),
)

_LIMIT = "ulimit -v"

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Memory]:
    """Ask for the host's memory when QEMU got none."""
    if ev.ahead or (ev.uid is not None and said(ev).find(_WORDS) is not None):
        yield Memory()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding; proven when the guest's memory exceeds what there is."""
    seen = said(ev).find(_WORDS)
    asked, fact = memory_kib(ev.argv), ev.fact(Memory())
    refused = _refused(asked, fact) if ev.ahead and fact else ""
    if seen is None and not refused:
        return
    evidence = [seen.quote] if seen else []
    sentence = "The host cannot give the guest its memory"
    short = ""
    if asked:
        sentence = f"The host cannot give the guest its {mib(asked)} of memory"
    if fact is not None:
        short = refused or _short(asked, fact)
        free = f"{mib(fact.available_kib)} of {mib(fact.total_kib)} are available"
        swap = f", {mib(fact.swap_free_kib)} of swap" if fact.swap_free_kib else ""
        evidence.append(f"this host: {free}{swap}")
    certainty = Certainty.PROVEN if short else Certainty.LIKELY
    if asked and fact is not None and not short and fact.available_kib > asked + _OWN_KIB:
        sentence = "QEMU is refused memory that the host has: it runs under a limit (ulimit -v)"
        way = "raise the limit: 'ulimit -v' in the emulator's script, LimitAS= of the unit"
    else:
        way = f"lower <memory> in the definition, or {_other(short)}"
    yield _found(
        f"{sentence}: {short}." if short else sentence + ".",
        f"{mib(asked)}" if asked else "memory",
        certainty,
        tuple(evidence),
        (Fix(way),),
        seen.at if seen else NOWHERE,
    )


def _other(short: str) -> str:
    return "raise the daemon's limit" if _LIMIT in short else "free memory on the host"


def mib(kib: int) -> str:
    """Return a size for people."""
    return f"{kib >> 20} GiB" if kib >= 10 << 20 else f"{kib >> 10} MiB"


def _refused(asked: int, fact: MemoryFact) -> str:
    """Return why the kernel will refuse to map *asked*, "" when it will not.

    It does not look at what is available, unless it is told to (overcommit-accounting.rst): by
    default it refuses what is more than all of the host's memory and swap.
    """
    if 0 <= fact.address_limit_kib <= asked:
        return f"a process may have {mib(fact.address_limit_kib)} ({_LIMIT})"
    total = fact.total_kib + fact.swap_total_kib
    if fact.overcommit == 0 and asked > total > 0:
        return f"it has {mib(total)} in all"
    if fact.overcommit == 2 and asked > fact.commit_free_kib >= 0:
        return "overcommit is off (vm.overcommit_memory=2) and the limit is reached"
    return ""


_OWN_KIB = 1 << 20
"""What QEMU itself maps beside the guest's memory: its libraries, stacks, TCG's translations."""


def _short(asked: int, fact: MemoryFact) -> str:
    if not asked:
        return ""
    if 0 <= fact.address_limit_kib < asked + _OWN_KIB:
        return f"a process may have {mib(fact.address_limit_kib)} ({_LIMIT})"
    if asked > fact.total_kib + fact.swap_free_kib:
        return f"it has {mib(fact.total_kib)} in all"
    if asked > fact.available_kib + fact.swap_free_kib:
        return f"{mib(fact.available_kib)} are available"
    if fact.overcommit == 2 and asked > fact.commit_free_kib >= 0:
        return "overcommit is off (vm.overcommit_memory=2) and the limit is reached"
    return ""
