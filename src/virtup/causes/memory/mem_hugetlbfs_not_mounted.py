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

from virtup.causes import hosts
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

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
    ),
    fixes=(
        Fix(
            "mount it, then restart the daemon",
            ("systemctl start dev-hugepages.mount",),
            Safety.CONFIRM,
        ),
    ),
    proof=hosts.NO_HUGETLBFS,
)
POSITIVE = (
    Evidence(
        error="internal error: hugetlbfs filesystem is not mounted or disabled by administrator config"
    ),
)
NEGATIVE = (Evidence(stderr="unable to map backing store for guest RAM: Cannot allocate memory\n"),)

probes = _TOLD.probes
find = _TOLD.find
