"""Root squash on NFS stops libvirt or QEMU from owning or reading the image.

## What it means
libvirt gives an image to QEMU's account as root, and an NFS server with root squash (as well as
CIFS, FUSE and FAT) refuses that.

## How to confirm
`findmnt -T PATH` prints nfs; as root, `chown` on the file fails.

## What to do
Give the file to QEMU's account on the server, export with `no_root_squash` or
`all_squash,anonuid=` of QEMU, or `dynamic_ownership = 0` in `/etc/libvirt/qemu.conf`.

## Strings it goes by
- `unable to set user and group to '107:107' on '/mnt/nfs/a.qcow2': Operation not permitted`
"""

from __future__ import annotations

from virtup.causes import hosts
from virtup.causes.finding import Fix
from virtup.causes.phrase import Told
from virtup.model.evidence import Evidence

CODE = "VU252"
SLUG = "disk-nfs-squash"

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The file server does not let libvirt hand '{subject}' to QEMU's account (root squash).",
    subject="the image",
    phrases=(
        r"(?:unable to set|cannot set|failed to set|chown)[^\n]*?'(?P<subject>/[^'\n]*\bnfs\d?\b[^'\n]*)'?:? [^\n]*(?:not permitted|permission denied|invalid argument|not supported)",
        r"root[_ ]?squash[^\n]*",
    ),
    doubtful=(
        r"unable to set (?:user and group|ownership)[^\n]*? on '(?P<subject>/[^'\n]+)': (?:operation not permitted|permission denied|invalid argument|operation not supported)",
    ),
    backed=r"\bnfs4?\b",
    fixes=(
        Fix("see what is mounted there", ("findmnt -T {subject}",)),
        Fix("give the file to QEMU's account on the server, or set dynamic_ownership = 0"),
    ),
    proof=hosts.ROOT_REFUSED,
)
POSITIVE = (
    Evidence(
        error="unable to set user and group to '107:107' on '/mnt/nfs/a.qcow2': Operation not permitted"
    ),
    Evidence(
        error="unable to set user and group to '107:107' on '/srv/a.qcow2': Operation not permitted"
    ),
)
NEGATIVE = (
    Evidence(
        error="Cannot access storage file '/img/a' (as uid:107, gid:107): No such file or directory"
    ),
)

probes = _TOLD.probes
find = _TOLD.find
