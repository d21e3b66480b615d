"""The file system that holds a file answers with an error, not with the file.

## What it means
The program behind a FUSE mount died ("Transport endpoint is not connected"), an NFS server has
another file system at that place now ("Stale file handle"), or the disk below fails ("Input/output
error"). The file itself may be whole.

## How to confirm
`stat PATH` says the same; `findmnt -T PATH` names the mount; `dmesg | tail` has a disk's errors.

## What to do
Unmount it (`umount -l`, `fusermount -u`) and mount it again; after I/O errors look at the disk
before anything writes to it.

## Strings it goes by
- `Could not open '/mnt/ssh/a.qcow2': Transport endpoint is not connected`
- `Could not open '/nfs/a.qcow2': Stale file handle`
- `Could not open '/img/a.qcow2': Input/output error`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, Trouble, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU523"
SLUG = "file-system-faulty"

ROLES = tuple(Role)
_WORDS = re.compile(
    r"(?:could not open|cannot access|failed to open|unable to (?:open|stat))[^'\n]{0,40}"
    r"'(?P<path>/[^'\n]+)': "
    r"(?P<why>transport endpoint is not connected|stale (?:nfs )?file handle|input/output error)",
    re.IGNORECASE,
)
_SAID = "cannot access '/mnt/ssh': Transport endpoint is not connected"
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/mnt/ssh/a.qcow2,format=qcow2,if=virtio")
_ERROR = PathFact(error="Transport endpoint is not connected")
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(stderr="qemu-system-x86_64: -drive file=/a: Could not open '/a': Stale file handle\n"),
    Evidence(argv=_ARGV, uid=991, host={PathAccess("/mnt/ssh/a.qcow2", "write", 991): _ERROR}),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -drive file=/a: Could not open '/a': No such device\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each file whose file system errs, by the host or by the words."""
    told = {seen["path"]: seen for seen in said(ev).find_all(_WORDS)}
    faulty = list(troubles(ev, ROLES, {Kind.FAULTY}))
    below = [one for one in faulty if not any(_holds(one, other) for other in faulty)]
    for trouble in below:
        path, error = trouble.use.path, trouble.fact.error if trouble.fact else ""
        words = [seen for where, seen in told.items() if f"{path}/".startswith(f"{where}/")]
        quotes = trouble.quotes or tuple(seen.quote for seen in words[:1])
        told = {} if words else told
        sentence = (
            f"The file system of the {trouble.use.role.value} '{path}' does not work: {error}."
        )
        seen = f"this host: looking at '{path}' gave: {error}"
        at = words[0].at if words else trouble.at
        yield _found(sentence, path, Certainty.PROVEN, (*quotes, seen), _fixes(path), at)
    for path, words_of in told.items():
        sentence = f"The file system of '{path}' does not work: {words_of['why']}."
        quotes = (words_of.quote,)
        yield _found(sentence, path, Certainty.LIKELY, quotes, _fixes(path), words_of.at)


def _holds(one: Trouble, other: Trouble) -> bool:
    """Is it the mount point that is told, and the file on it is known?"""
    return other.use.path.startswith(f"{one.use.path.rstrip('/')}/")


def _fixes(path: str) -> tuple[Fix, ...]:
    where = shlex.quote(path)
    return (
        Fix("unmount it and mount it again, and see that it answers", (f"findmnt -T {where}",)),
    )
