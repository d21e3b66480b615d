"""A file that QEMU's own options name does not exist on this host.

## What it means
Beside disks, kernel and firmware QEMU opens other files by name: a pipe for a serial line, data for
the guest (`-fw_cfg`), a key for a secret, a file in `<qemu:commandline>`. One of them is not there.

## How to confirm
`ls -l PATH` on the host; the message names the path.

## What to do
Put the file there, or correct the path in the definition. A pipe is made with `mkfifo PATH.in
PATH.out`, for both directions.

## Strings it goes by
- `-chardev pipe,id=charserial0,path=/srv/p: Could not open '/srv/p': No such file or directory`
- `-fw_cfg name=opt/x,file=/srv/x: can't load /srv/x: Failed to open file`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Finding, Fix
from virtup.causes.paths import Kind, Trouble, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU442"
SLUG = "host-file-missing"
LAST = True

ROLES = (Role.OTHER,)
_PIPE = re.compile(r"-chardev pipe,")
_SAID = (
    "qemu-system-x86_64: -chardev pipe,id=charserial0,path=/srv/p: Could not open '/srv/p': "
    "No such file or directory\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PathAccess("/srv/p", "read", 991): PathFact(missing="/srv/p")},
    ),
    Evidence(
        stderr="qemu-system-x86_64: -fw_cfg name=opt/x,file=/srv/x: can't load /srv/x: Failed to "
        "open file “/srv/x”: No such file or directory\n"
    ),
)
NEGATIVE = (
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PathAccess("/srv/p", "read", 991): PathFact(exists=True, allowed=True)},
    ),
    Evidence(stderr=_SAID.replace("No such file or directory", "Permission denied")),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the file."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each file that is missing."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}):
        path, fact = trouble.use.path, trouble.fact
        seen = (f"this host has no '{fact.missing or path}'",) if fact else ()
        yield _found(
            f"The file '{path}', which QEMU is to open, does not exist.",
            path,
            trouble.certainty,
            (*trouble.quotes, *seen),
            (_fix(trouble),),
            trouble.at,
        )


def _fix(trouble: Trouble) -> Fix:
    path = trouble.use.path
    if any(_PIPE.search(quote) for quote in trouble.quotes):
        ends = f"{shlex.quote(path + '.in')} {shlex.quote(path + '.out')}"
        return Fix("make the pipe, and let QEMU's user read and write it", (f"mkfifo {ends}",))
    if path == "/dev/hwrng":
        return edit("take the random numbers from /dev/urandom: this host has no such hardware")
    return Fix(f"put the file there, or correct '{path}' in the definition")
