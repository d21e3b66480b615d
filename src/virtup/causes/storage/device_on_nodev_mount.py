"""A device node lies on a file system that is mounted nodev.

## What it means
The node is there and its mode lets QEMU in, and the kernel opens no device through a file system
mounted with `nodev`: a node was made or copied to `/tmp`, `/home` or a tmpfs, or into the root of
a container or a chroot.

## How to confirm
`findmnt -T NODE -o TARGET,OPTIONS` shows `nodev`.

## What to do
Name the device by its path in `/dev` (a devtmpfs). Do not mount file systems of users without
`nodev`.

## Strings it goes by
- `Could not open '/srv/dev/lv': Permission denied`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding
from virtup.causes.paths import Kind, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU521"
SLUG = "device-on-nodev-mount"

ROLES = tuple(Role)
_ARGV = (
    "/usr/bin/qemu-system-x86_64",
    "-blockdev",
    '{"driver":"host_device","filename":"/srv/dev/lv","node-name":"s","read-only":false}',
)
_FACT = PathFact(exists=True, kind="block", nodev="/srv/dev", filesystem="tmpfs", mode="0666")
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -blockdev {}: Could not open '/srv/dev/lv': Permission denied\n",
        argv=_ARGV,
        uid=991,
        host={PathAccess("/srv/dev/lv", "write", 991): _FACT},
    ),
)
NEGATIVE = (
    Evidence(
        argv=_ARGV,
        uid=991,
        host={
            PathAccess("/srv/dev/lv", "write", 991): PathFact(
                exists=True, kind="block", allowed=True
            )
        },
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each node through which the kernel opens no device."""
    for trouble in troubles(ev, ROLES, {Kind.NODEV}):
        path, fact = trouble.use.path, trouble.fact
        if fact is None:
            continue
        yield _found(
            f"The device '{path}' lies on '{fact.nodev}', which is mounted nodev: no device opens "
            "through it.",
            path,
            Certainty.PROVEN,
            (
                *trouble.quotes,
                f"this host: '{fact.nodev}' ({fact.filesystem}) is mounted nodev",
            ),
            (edit("name the device by its path in /dev"),),
            trouble.at,
        )
