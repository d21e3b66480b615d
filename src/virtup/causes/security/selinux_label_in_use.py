"""libvirt refuses a second SELinux label on a file in use.

## What it means
Each guest's files get a label of its own, and a file that two guests share can have only one: it
has to be `<shareable/>` or `<readonly/>`. After a crash a remembered label may be left over.

## How to confirm
`getfattr -m trusted.libvirt -d FILE`; `virsh list` for a guest that has it.

## What to do
`<readonly/>` or `<shareable/>` on the shared disk, an overlay for each guest, or remove the
left-over attributes.

## Strings it goes by
- `Setting different SELinux label on /img/base.qcow2 which is already in use`
"""

from __future__ import annotations

from virtup.causes import denied
from virtup.causes.phrase import Told
from virtup.causes.who import edit
from virtup.model.evidence import Evidence

CODE = "VU321"
SLUG = "selinux-label-in-use"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="libvirt refuses a second SELinux label on '{subject}', which is in use.",
    phrases=(
        r"setting different SELinux label on '?(?P<subject>[^\n]+?)'? which is already in use",
    ),
    fixes=(edit("mark the disk <readonly/> or <shareable/>, or give each guest an overlay"),),
    proof=denied.remembered("selinux"),
)
POSITIVE = (
    Evidence(
        error="Requested operation is not valid: Setting different SELinux label on /img/base.qcow2 which is already in use"
    ),
)
NEGATIVE = (
    Evidence(error="Setting different DAC user or group on /img/a which is already in use"),
)

probes = _TOLD.probes
find = _TOLD.find
