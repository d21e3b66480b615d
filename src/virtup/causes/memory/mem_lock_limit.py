"""QEMU may not lock the guest's memory.

## What it means
`<memoryBacking><locked/>` keeps all of QEMU's memory from being swapped, and QEMU may lock no more
than its limit (RLIMIT_MEMLOCK). The daemon lifts the limit for such a guest, which it may as root,
but not as a user beyond the user's own limit, nor in a container without CAP_SYS_RESOURCE.

## How to confirm
`ulimit -H -l` as the daemon's user, or `grep locked /proc/$(pidof -x virtupd)/limits`; QEMU itself
needs the guest's memory and about 1 GiB beside it.

## What to do
Raise the hard limit where the daemon is started: `LimitMEMLOCK=infinity` in its unit, `memlock` in
`/etc/security/limits.conf` for a user (then log in anew), CAP_SYS_RESOURCE or `--ulimit memlock=-1`
for a container. Or remove `<locked/>`.

## Strings it goes by
- `mlockall: Cannot allocate memory`, `mlock: Cannot allocate memory`
- `locking memory failed`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix
from virtup.causes.memory.mem_host_ram_short import mib
from virtup.causes.usage import memory_kib, value
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Memory, MemoryFact

CODE = "VU072"
SLUG = "mem-lock-limit"

_WORDS = re.compile(r"(?:\bmlock(?:all)?: |locking memory failed)[^\n]*", re.IGNORECASE)
_SAID = (
    "qemu-system-x86_64: mlockall: Cannot allocate memory\n"
    "qemu-system-x86_64: locking memory failed\n"
)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-m", "size=1048576k", "-overcommit", "mem-lock=on")
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr="mlockall: Operation not permitted\n"),
    Evidence(
        stderr=_SAID, argv=_ARGV, uid=991, host={Memory(): MemoryFact(lock_limit_kib=8 << 10)}
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory\n"
    ),
    Evidence(stderr="VFIO_MAP_DMA failed: Cannot allocate memory\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Memory]:
    """Ask for the limit when QEMU could not lock its memory."""
    if ev.uid is not None and (said(ev).find(_WORDS) is not None or _ahead(ev)):
        yield Memory()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding; proven when the limit is below the guest's memory."""
    seen = said(ev).find(_WORDS)
    asked, fact = memory_kib(ev.argv), ev.fact(Memory())
    limit = fact.lock_limit_kib if fact is not None else -1
    if seen is None and not (_ahead(ev) and 0 <= limit <= asked):
        return
    evidence = [seen.quote] if seen else []
    if limit >= 0:
        evidence.append(f"this host: QEMU may lock {mib(limit)} at most (ulimit -H -l)")
    size = f" of {mib(asked)}" if asked else ""
    yield _found(
        f"QEMU may not lock the guest's memory{size}, as <locked/> in <memoryBacking> asks.",
        "locked memory",
        Certainty.PROVEN if 0 <= limit <= asked else Certainty.LIKELY,
        tuple(evidence),
        (
            Fix(
                "raise the daemon's limit (LimitMEMLOCK=infinity in its unit, memlock in "
                "limits.conf), or remove <locked/> in the definition"
            ),
        ),
        seen.at if seen else NOWHERE,
    )


def _ahead(ev: Evidence) -> bool:
    """Would this start lock its memory?"""
    return ev.ahead and "mem-lock=on" in value(ev.argv, "overcommit")
