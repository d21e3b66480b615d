"""The storage pool is defined but not active.

## What it means
A disk names its pool, and the pool is not started: no autostart, or its directory, mount or
volume group was missing when the host came up. virtup starts a pool of its own as a repair
(`virtup fix`), which `virtup fix --undo` stops again.

## How to confirm
`virsh pool-list --all`; `virsh pool-start NAME` says what it lacks.

## What to do
`virsh pool-start NAME` and `virsh pool-autostart NAME`.

## Strings it goes by
- `Requested operation is not valid: storage pool 'default' is not active`
- `unsupported configuration: storage pool 'default' containing volume 'a' is not active`
"""

from __future__ import annotations

from virtup.causes import pools
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU257"
SLUG = "storage-pool-inactive"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The storage pool '{subject}' is not active.",
    phrases=(
        r"(?:storage )?pool '(?P<subject>[^'\n]+)' (?:containing volume '[^'\n]*' |\S+ )?(?:is not|isn't) active",
    ),
    fixes=(
        Fix(
            "start it, now and at every boot",
            (
                "virsh pool-start {subject}",
                "virsh pool-autostart {subject}",
            ),
            Safety.CONFIRM,
        ),
    ),
    proof=pools.INACTIVE,
)
POSITIVE = (
    Evidence(error="Requested operation is not valid: storage pool 'default' is not active"),
    Evidence(
        error="unsupported configuration: storage pool 'p' containing volume 'a' is not active"
    ),
)
NEGATIVE = (Evidence(error="network 'default' is not active"),)

probes = _TOLD.probes
find = _TOLD.find
