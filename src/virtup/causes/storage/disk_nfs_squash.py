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

from collections.abc import Iterator
from shlex import quote
from typing import Any

from virtup.causes import contents
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, Trouble, troubles
from virtup.causes.phrase import Told
from virtup.causes.proof import here
from virtup.causes.usage import Role
from virtup.causes.who import account
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact, Probe
from virtup.model.probe_system import Open, OpenFact

CODE = "VU252"
SLUG = "disk-nfs-squash"
OVER = ("disk-apparmor-denied",)
ROLES = (Role.DISK, Role.BACKING, Role.KERNEL, Role.INITRD, Role.FIRMWARE, Role.OTHER)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="The file server does not let libvirt hand '{subject}' to QEMU's account (root squash).",
    subject="the image",
    phrases=(
        r"(?:unable to set|cannot set|failed to set|chown)[^\n]*?'(?P<subject>/[^'\n]*\bnfs\d?\b[^'\n]*)'?:? [^\n]*(?:not permitted|permission denied|invalid argument|not supported)",
        r"(?<!no_)(?<!no )root[_ ]?squash[^\n]*",
    ),
    doubtful=(
        r"unable to set (?:user and group|ownership)[^\n]*? on '(?P<subject>/[^'\n]+)': (?:operation not permitted|permission denied|invalid argument|operation not supported)",
    ),
    backed=r"\bnfs4?\b",
    fixes=(
        Fix("see what is mounted there", ("findmnt -T {subject}",)),
        Fix("give the file to QEMU's account on the server, or set dynamic_ownership = 0"),
    ),
    proof=contents.NOT_OURS_TO_GIVE,
)
POSITIVE = (
    Evidence(
        error="unable to set user and group to '107:107' on '/mnt/nfs/a.qcow2': Operation not permitted"
    ),
    Evidence(
        error="unable to set user and group to '107:107' on '/srv/a.qcow2': Operation not permitted"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/srv/a.qcow2: Could not open '/srv/a.qcow2': "
        "Permission denied\n",
        uid=991,
        host={
            PathAccess("/srv/a.qcow2", "read", 991): PathFact(
                exists=True, allowed=True, filesystem="nfs4"
            ),
            Open("/srv/a.qcow2", uid=991): OpenFact("EACCES", "nfs4", "/srv"),
        },
    ),
)
NEGATIVE = (
    Evidence(error="echo '/srv 10.0.0.2(rw,no_root_squash)' >> /etc/exports: exit status 1"),
    Evidence(
        error="Cannot access storage file '/img/a' (as uid:107, gid:107): No such file or directory"
    ),
)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for what the words name, and open as QEMU what is refused although its modes allow it."""
    yield from _TOLD.probes(ev)
    yield from (_opened(ev, trouble) for trouble in _refused(ev))


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield a finding for what libvirt may not give away, and for what the server refuses QEMU."""
    yield from _TOLD.find(ev)
    for trouble in _refused(ev):
        fact = ev.fact(_opened(ev, trouble))
        path, noun = trouble.use.path, trouble.use.role.value
        if fact is None or fact.error not in {"EACCES", "EPERM"}:
            continue
        yield Finding(
            CODE,
            SLUG,
            f"The file server of '{fact.mount}' refuses {account(ev)} the {noun} '{path}'.",
            path,
            Certainty.PROVEN,
            (
                *trouble.quotes,
                here(f"'{fact.mount}' is {fact.filesystem}, and the modes of '{path}' allow it"),
                here(f"opening it as uid {ev.uid} fails with {fact.error}"),
            ),
            (
                Fix(
                    "let the server's export give it to that account",
                    (f"findmnt -T {quote(path)}",),
                ),
            ),
            trouble.at,
        )


def _refused(ev: Evidence) -> Iterator[Trouble]:
    for trouble in troubles(ev, ROLES, {Kind.DENIED_ALTHOUGH}):
        if trouble.fact is not None and contents.on_file_server(trouble.fact.filesystem):
            yield trouble


def _opened(ev: Evidence, trouble: Trouble) -> Open:
    return Open(trouble.use.path, uid=ev.uid, gids=ev.gids)
