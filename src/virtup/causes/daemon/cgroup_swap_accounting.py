"""Swap accounting is off while the domain sets a swap limit.

## What it means
`<swap_hard_limit>` needs the memory controller's swap accounting, which some kernels leave off.

## How to confirm
`ls /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes` (v1) or `/sys/fs/cgroup/*/memory.swap.max`
(v2).

## What to do
Boot with `swapaccount=1`, or remove `<swap_hard_limit>`.

## Strings it goes by
- `Unable to write to '/sys/fs/cgroup/memory/machine/x/memory.memsw.limit_in_bytes': No such file or directory`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU216"
SLUG = "cgroup-swap-accounting"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The domain limits swap, and the host's kernel does not account for it ({subject}).",
    subject="swap accounting",
    phrases=(
        r"'?(?P<subject>[^'\s]*memory\.(?:memsw\.\w+|swap\.\w+))'?[^\n]*",
        r"swap (?:limit|accounting)[^\n]{0,30}(?:not supported|disabled|not available|unsupported)",
    ),
    fixes=(
        Fix("boot the host with swapaccount=1"),
        edit("or remove <swap_hard_limit>"),
    ),
    proof=hosts.NO_SWAP_ACCOUNTING,
)
POSITIVE = (
    Evidence(
        error="Unable to write to '/sys/fs/cgroup/memory/machine/x/memory.memsw.limit_in_bytes': No such file or directory"
    ),
)
NEGATIVE = (Evidence(error="Unable to initialize /machine cgroup: Invalid argument"),)

probes = _TOLD.probes
find = _TOLD.find
