"""A directory that virtup writes to is on a full file system.

## What it means
A start writes a little: the guest's log, its sockets and state. The file system of one of these
directories has no space, no free inodes, or the account's quota is used up.

## How to confirm
`df -h DIR` and `df -i DIR`; the finding says which of the two ran out.

## What to do
Free space there (`du -xh --max-depth=2 MOUNT | sort -h | tail`; old logs and crash dumps first), or
grow the file system.

## Strings it goes by
- `No space left on device`, `Disk quota exceeded`
- `Failed to open domain log file`, `Unable to create directory`
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes import places
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.places import Refused
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU101"
SLUG = "host-directory-full"

_LOG = "/var/log/virtup/vm1.log"
POSITIVE = (
    Evidence(phase="prepare", errno=errno.ENOSPC, path=_LOG),
    Evidence(
        phase="prepare",
        error=f"cannot access '{_LOG}': No space left on device",
        uid=991,
        host={
            PathAccess(_LOG, "create"): PathFact(
                exists=True, allowed=True, target="/var/log/virtup", free_bytes=0, free_inodes=0
            )
        },
    ),
    Evidence(
        error="error: Unable to create directory '/var/lib/x/domain-1': No space left on device"
    ),
)
NEGATIVE = (
    Evidence(phase="prepare", errno=errno.EROFS, path=_LOG),
    Evidence(phase="prepare", errno=errno.EACCES, path=_LOG),
)

_found = partial(Finding, CODE, SLUG)
_FULL = {errno.ENOSPC, errno.EDQUOT}


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the directory."""
    return places.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a place without space or inodes."""
    refused = [*places.refused(ev)] or [*filter(None, [places.told(ev)])]
    for one in refused:
        if one.errno in _FULL:
            yield _finding(one)


def _finding(refused: Refused) -> Finding:
    fact = refused.fact
    directory = (fact.target if fact else "") or refused.path.rpartition("/")[0] or "/"
    what = "quota" if refused.errno == errno.EDQUOT else "space"
    evidence = list(refused.quotes)
    proven = False
    if fact is not None and fact.free_bytes >= 0:
        inodes = fact.free_inodes if fact.free_inodes >= 0 else "enough"
        evidence.append(
            f"this host: '{directory}' has {fact.free_bytes} bytes and {inodes} inodes free"
        )
        proven = fact.free_bytes < 65536 or fact.free_inodes == 0
        if fact.free_inodes == 0 and fact.free_bytes >= 65536:
            what = "free inodes"
    where = shlex.quote(directory)
    return _found(
        f"The file system of the directory '{directory}' is full: no {what} left for '{refused.path}'.",
        directory,
        Certainty.PROVEN if proven else Certainty.LIKELY,
        tuple(evidence),
        (Fix(f"free space there: `df -h {where}` and `df -i {where}` tell what is left"),),
        refused.at,
    )
