"""A path is a loop of symbolic links.

## What it means
The path of a disk, kernel or other file leads through symbolic links that come back to themselves;
the kernel gives up after 40.

## How to confirm
`namei -l PATH` ends in "Too many levels of symbolic links"; `readlink PATH` step by step shows the
circle.

## What to do
Point the link at the real file: `ln -sfn REAL LINK`.

## Strings it goes by
- `Could not open '/img/current.qcow2': Too many levels of symbolic links`
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Finding, Fix
from virtup.causes.paths import Kind, file_probes, troubles
from virtup.causes.usage import Role
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU014"
SLUG = "file-symlink-loop"

ROLES = tuple(Role)
_SAID = (
    'qemu-system-x86_64: -blockdev {"driver":"file","filename":"/img/l1"}: Could not open '
    "'/img/l1': Too many levels of symbolic links\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID, uid=991, host={PathAccess("/img/l1", "read", 991): PathFact(loop="/img/l2")}
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -blockdev {}: Could not open '/a': Not a directory\n"),
    Evidence(uid=991, host={PathAccess("/img/l1", "read", 991): PathFact(loop="/img/l2")}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each file behind a loop."""
    for trouble in troubles(ev, ROLES, {Kind.LOOP}):
        path, noun, fact = trouble.use.path, trouble.use.role.value, trouble.fact
        loop = (fact.loop if fact else "") or path
        seen = (f"this host: the symbolic links of '{loop}' lead in a circle",) if fact else ()
        yield _found(
            f"The path '{path}' of the {noun} is a loop of symbolic links.",
            path,
            trouble.certainty,
            (*trouble.quotes, *seen),
            (
                Fix(
                    "point the link at the real file",
                    (f"namei -l {shlex.quote(path)}", f"ln -sfn REAL_FILE {shlex.quote(loop)}"),
                ),
            ),
            trouble.at,
        )
