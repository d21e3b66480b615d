"""A disk asks for io='native' with a cache that it cannot have.

## What it means
Native asynchronous I/O of Linux works only on files that are opened past the page cache. QEMU
since 2.8 refuses it with any other cache.

## How to confirm
The `<driver io='native' cache=.../>` of the disks in the definition.

## What to do
Set `cache='none'` or `'directsync'`, or leave `io` out.

## Strings it goes by
- `aio=native was specified, but it requires cache.direct=on, which was not specified.`
- `native I/O needs either no disk cache or directsync cache mode, QEMU will fallback to aio=threads (libvirt)`
"""

from __future__ import annotations

from virtup.causes import contradictions
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU465"
SLUG = "disk-aio-native-cache"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A disk has io='native', which needs cache='none' or 'directsync'.",
    subject="io='native'",
    phrases=(
        r"aio=native was specified, but it requires cache\.direct=on",
        r"native I/O needs either no disk cache or directsync cache mode",
    ),
    fixes=(edit("set cache='none' on the <driver> with io='native'"),),
    proof=contradictions.NATIVE_CACHED,
)
POSITIVE = (
    Evidence(
        stderr="qemu-kvm: -drive file=/v/a.raw,if=none,aio=native,cache=writeback: aio=native was specified, but it requires cache.direct=on, which was not specified.\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr="qemu-kvm: -drive file=/v/a.raw,aio=native: aio=native was specified, but is not supported in this build.\n"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
