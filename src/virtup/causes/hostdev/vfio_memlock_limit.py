"""The locked-memory limit for VFIO cannot be raised, or is too small.

## What it means
VFIO pins all of the guest's memory, so that QEMU's limit of locked memory (RLIMIT_MEMLOCK) has
to be above it. libvirt raises it, and may not inside of a container or as a user.

## How to confirm
`grep locked /proc/$(pidof qemu-system-x86_64)/limits`; `dmesg | grep RLIMIT_MEMLOCK`.

## What to do
Set `<memtune><hard_limit>` to the guest's memory and 1 GiB more; as a user raise memlock in
limits.conf; give the container CAP_SYS_RESOURCE.

## Strings it goes by
- `cannot limit locked memory of process 84 to 9074376704: Operation not permitted`
- `vfio_dma_map(0x55, 0x0, 0xa0000, 0x7f) = -12 (Cannot allocate memory)`
- `VFIO_MAP_DMA failed: Cannot allocate memory`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU230"
SLUG = "vfio-memlock-limit"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="QEMU may not lock as much memory as VFIO needs for this guest.",
    subject="locked memory",
    phrases=(
        r"(?:cannot|unable to|failed to) (?:limit|set|change|raise)[^\n]{0,20}(?:locked[- ]memory|memlock|RLIMIT_MEMLOCK)[^\n]*",
        r"vfio[^\n]*(?:dma_map|DMA_MAP|MAP_DMA)[^\n]*(?:-12\b|cannot allocate memory)[^\n]*",
        r"VFIO_MAP_DMA[^\n]*(?:-12\b|cannot allocate memory)[^\n]*",
        r"RLIMIT_MEMLOCK[^\n]*exceeded",
        r"failed to set up (?:guest )?memory[^\n]*locked",
    ),
    noted=(r"RLIMIT_MEMLOCK[^\n]*exceeded",),
    fixes=(
        edit("set <memtune><hard_limit> above the guest's memory"),
        Fix("give libvirt CAP_SYS_RESOURCE, or raise the memlock limit"),
    ),
    proof=hosts.MEMLOCK,
)
POSITIVE = (
    Evidence(
        error="Process exited prior to exec: libvirt: error : cannot limit locked memory of process 84 to 9074376704: Operation not permitted"
    ),
)
NEGATIVE = (Evidence(error="cannot set up guest memory 'pc.ram': Cannot allocate memory"),)

probes = _TOLD.probes
find = _TOLD.find
