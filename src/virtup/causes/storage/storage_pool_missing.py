"""The storage pool that is asked for is not defined.

## What it means
A volume is named by its pool (`<source pool='default' volume='a'/>`, virt-install, vagrant,
terraform), and this connection has no such pool. The pools of `qemu:///system` are not those of
`qemu:///session`.

## How to confirm
`virsh -c URI pool-list --all`.

## What to do
`virsh pool-define-as default dir --target /var/lib/libvirt/images`, `virsh pool-build default`,
`virsh pool-start default`, `virsh pool-autostart default`; or name a pool that exists.

## Strings it goes by
- `Storage pool not found: no storage pool with matching name 'default'`
- `failed to get pool 'default'`
"""

from __future__ import annotations

from virtup.causes import pools
from virtup.causes.finding import Fix, Safety
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU256"
SLUG = "storage-pool-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="There is no storage pool '{subject}' on this connection.",
    subject="the pool",
    phrases=(
        r"no storage pool with matching (?:name|uuid) '(?P<subject>[^'\n]+)'",
        r"(?:failed to get(?= (?:storage )?pool:? ['\x22])|can't (?:find|retrieve)|could not find|couldn't find|unable to find) (?:storage )?pool:? ['\x22]?(?P<subject>[\w.-]+)",
        r"storage pool ['\x22]?(?P<subject>[\w.-]+)['\x22]? (?:not found|does not exist|doesn't exist)",
        r"TASK ERROR: storage '(?P<subject>[^'\n]+)' does not exist",
        r"storage pool not found(?!: no storage pool with)",
    ),
    fixes=(
        Fix(
            "define it",
            (
                "virsh pool-define-as {subject} dir --target /var/lib/libvirt/images",
                "virsh pool-start {subject}",
            ),
            Safety.CONFIRM,
        ),
    ),
    proof=pools.MISSING,
)
POSITIVE = (
    Evidence(
        error="error: failed to get pool 'default'\nerror: Storage pool not found: no storage pool with matching name 'default'"
    ),
)
NEGATIVE = (
    Evidence(error="Requested operation is not valid: storage pool 'default' is not active"),
    Evidence(error="error: Failed to get pool autostart state"),
)

probes = _TOLD.probes
find = _TOLD.find
