"""The storage pool has no volume of that name or path, as far as libvirt knows.

## What it means
libvirt keeps a list of each pool's volumes and looks a name or a path up in it. The volume was
deleted, has another name, or was made behind libvirt's back since the pool was last refreshed.
virtup looks into the pool's directory each time: there, the file is missing.

## How to confirm
`virsh vol-list POOL`; `ls -l` in the pool's directory.

## What to do
`virsh pool-refresh POOL` when the file is there; otherwise make the volume again or correct the name.
`<disk type='file'>` with the path needs no pool.

## Strings it goes by
- `Storage volume not found: no storage vol with matching name 'a.qcow2'`
- `Storage volume not found: no storage vol with matching path '/img/a.qcow2'`
- `no storage vol with matching name 'a.qcow2' in pool 'default' ('/img')`
- `no storage vol with matching key`
"""

from __future__ import annotations

from virtup.causes import pools
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU379"
SLUG = "storage-volume-missing"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="libvirt knows no storage volume '{subject}' in that pool.",
    otherwise="libvirt knows no such storage volume.",
    subject="the volume",
    phrases=(
        r"no storage vol(?:ume)? with matching (?:name|path|key)(?: '(?P<subject>[^'\n]+)')?",
        r"volume '(?P<subject>[\w.-]+:[^'\n]+)' does not exist",
        r"storage volume not found(?!: no storage vol)[^\n]*",
    ),
    fixes=(
        Fix("have the pool looked through again", ("virsh pool-refresh POOL",)),
        edit("correct the volume's name, or name the file by <disk type='file'>"),
    ),
    proof=pools.NO_VOLUME,
)
POSITIVE = (
    Evidence(error="error: Storage volume not found: no storage vol with matching name 'a.qcow2'"),
    Evidence(error="Storage volume not found"),
)
NEGATIVE = (
    Evidence(error="Storage pool not found: no storage pool with matching name 'default'"),
    Evidence(error="Cannot access storage file '/img/a.qcow2': No such file or directory"),
)

probes = _TOLD.probes
find = _TOLD.find
