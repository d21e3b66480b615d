"""A device node is there, and no device answers behind it.

## What it means
The file in `/dev` is only a pair of numbers; the kernel has no driver, or no device, for them: the
module is not loaded, a network block device (`/dev/nbd0`) is not connected, a drive was unplugged,
or the node was copied from another host.

## How to confirm
`ls -l NODE` shows the numbers, `cat /proc/devices` who answers for the first of them.

## What to do
Load the module, connect or plug in the device; correct the path in the definition when it has
another name now.

## Strings it goes by
- `Could not open '/dev/nbd0': No such device or address`
- `Could not open '/dev/ttyS9': No such device`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import access, failures, uses
from virtup.causes.usage import Role
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU533"
SLUG = "device-without-driver"

ROLES = (Role.DISK, Role.CHARDEV, Role.OTHER)
_ARGV = (
    "/usr/bin/qemu-system-x86_64",
    "-blockdev",
    '{"driver":"host_device","filename":"/dev/nbd0","node-name":"s","read-only":false}',
)
_SAID = "qemu-system-x86_64: -blockdev {}: Could not open '/dev/nbd0': No such device or address\n"
POSITIVE = (
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={PathAccess("/dev/nbd0", "write", 991): PathFact(exists=True, kind="block")},
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID, argv=_ARGV),
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={PathAccess("/dev/nbd0", "write", 991): PathFact(exists=True, kind="socket")},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for what answered that it is no device."""
    if ev.uid is not None and any(one.errno in _NO_DEVICE for one in failures(ev)):
        yield from (access(ev, use) for use, failure in uses(ev, ROLES) if failure is not None)


_NO_DEVICE = {errno.ENXIO, errno.ENODEV}


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each node that opens to nothing."""
    for use, failure in uses(ev, ROLES):
        fact = ev.fact(access(ev, use))
        node = fact is not None and fact.kind in {"block", "char"}
        if failure is None or failure.errno not in _NO_DEVICE or not node:
            continue
        path = use.path
        yield _found(
            f"The node '{path}' is there, and there is no device behind it (module not loaded, or "
            "not connected?).",
            path,
            Certainty.PROVEN,
            (failure.seen.quote, f"this host: '{path}' is a {fact.kind} device" if fact else ""),
            (
                Fix(
                    "load its module or connect the device, or correct the path in the definition",
                    (f"ls -l {path}", "cat /proc/devices"),
                ),
            ),
            failure.seen.at,
        )
