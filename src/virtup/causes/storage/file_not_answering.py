"""The file system of a file that the guest needs does not answer.

## What it means
Looking at a path took longer than virtup waits: a file server (NFS, SMB, Ceph, FUSE) is down or cut
off, or the device below the file system hangs. A QEMU that touches such a file hangs as well, in a
way that no signal ends, until the server is back.

## How to confirm
`timeout -s KILL 5 stat PATH` does not come back. `findmnt -T PATH` names server and file system.

## What to do
Bring the server or the path to it back. When it is gone for good: `umount -l MOUNT`, and start the
guest with its disk elsewhere.

## Strings it goes by
- `nfs: server ... not responding, still trying` (kernel log)
- `Stale file handle`
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, access, file_probes, troubles
from virtup.causes.usage import Role
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, Unanswered

CODE = "VU015"
SLUG = "file-not-answering"
ALSO = ("qemu-hangs",)

ROLES = tuple(Role)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-kernel", "/nfs/vmlinuz")
POSITIVE = (
    Evidence(
        argv=_ARGV,
        uid=991,
        host={
            PathAccess("/nfs/vmlinuz", "read", 991): Unanswered("no answer within 2 s", late=True)
        },
    ),
)
NEGATIVE = (
    Evidence(argv=_ARGV, uid=991),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={PathAccess("/nfs/vmlinuz", "read", 991): Unanswered("Permission denied")},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each path that gave no answer in time."""
    for trouble in troubles(ev, ROLES, {Kind.SILENT}):
        path, noun = trouble.use.path, trouble.use.role.value
        late = ev.unanswered(access(ev, trouble.use))
        reason = late.reason if late else "no answer"
        yield _found(
            f"The file system of the {noun} '{path}' does not answer (dead file server or device?).",
            path,
            Certainty.LIKELY,
            (*trouble.quotes, f"this host: looking at '{path}' gave {reason}"),
            (Fix("bring its server or device back", (f"findmnt -T {shlex.quote(path)}",)),),
            trouble.at,
        )
