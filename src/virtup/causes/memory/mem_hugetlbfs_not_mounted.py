"""No hugetlbfs is mounted where it is expected.

## What it means
`<hugepages/>` needs a mount of hugetlbfs with the page size that is asked for; libvirt looks for
mounts when it starts.

## How to confirm
`findmnt -t hugetlbfs`.

## What to do
`systemctl start dev-hugepages.mount`, or `mount -t hugetlbfs -o pagesize=1G none
/dev/hugepages1G`; then restart the daemon.

## Strings it goes by
- `hugetlbfs filesystem is not mounted or disabled by administrator config`
- `Unable to find any usable hugetlbfs mount for 1048576 KiB`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from virtup.causes import hosts, revise
from virtup.causes.finding import Finding, Fix, Safety, mend
from virtup.causes.memory.mem_host_ram_short import mib
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Memory
from virtup.model.repair import Change, MountHugePages

CODE = "VU308"
SLUG = "mem-hugetlbfs-not-mounted"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="No hugetlbfs is mounted for the huge pages that the guest asks for ({subject}).",
    subject="hugetlbfs",
    phrases=(
        r"hugetlbfs filesystem is not mounted[^\n]*",
        r"unable to find (?:any )?(?:usable )?hugetlbfs mount(?: for (?P<subject>\d+ ?\w+))?[^\n]*",
        r"(?:-mem-path|mem-path)[^\n]*not (?:a |on )?hugetlbfs[^\n]*",
        r"huge ?pages? (?:size )?'?(?P<subject>\d+ ?\w*)'? (?:is )?not (?:supported|mounted|available)[^\n]*",
        r"hugepages are disabled by administrator config",
    ),
    fixes=(
        Fix(
            "mount it (libvirt looks for mounts when its daemon starts)",
            ("systemctl start dev-hugepages.mount",),
            Safety.CONFIRM,
        ),
    ),
    proof=hosts.NO_HUGETLBFS,
)
POSITIVE = (
    Evidence(
        error="unsupported configuration: Unable to find any usable hugetlbfs mount for 1048576 KiB"
    ),
    Evidence(
        error="internal error: hugetlbfs filesystem is not mounted or disabled by administrator config"
    ),
)
NEGATIVE = (Evidence(stderr="unable to map backing store for guest RAM: Cannot allocate memory\n"),)

probes = _TOLD.probes


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding; where the size of the pages is known, with the mount that has it."""
    for finding in _TOLD.find(ev):
        size = re.fullmatch(r"(\d+) ?KiB", finding.subject)
        if size is None:
            yield finding
            continue
        known = ev.fact(Memory())
        sizes = [one.size_kib for one in known.huge] if known is not None else [int(size[1])]
        named = int(size[1])
        yield _sized(finding, named) if named in sizes else _without(finding, named, sizes)


def _without(finding: Finding, size_kib: int, sizes: list[int]) -> Finding:
    """The host's processor or kernel has no pages of that size, so that none can be mounted."""
    fixes = (edit("remove <hugepages>"),)
    if sizes:
        fixes = (edit(f"use pages of {' or '.join(map(mib, sizes))}, or remove <hugepages>"),)
    what = f"The guest asks for huge pages of {mib(size_kib)}, and this host has none of that size."
    return replace(finding, sentence=what, fixes=fixes)


def _sized(finding: Finding, size_kib: int) -> Finding:
    fixes = (
        mend(
            f"mount one with pages of {mib(size_kib)}",
            MountHugePages(size_kib, f"/dev/hugepages-{size_kib}kB"),
            safety=Safety.CONFIRM,
        ),
        edit("or remove <hugepages>"),
    )
    what = (
        f"No hugetlbfs with pages of {mib(size_kib)} is mounted, and the guest asks for such pages."
    )
    return replace(finding, sentence=what, fixes=fixes)


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Do without huge pages."""
    return revise.dropped(revise.first(ev.definition, "memoryBacking/hugepages"))
