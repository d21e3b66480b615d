"""A device node of the host that the guest is given does not exist.

## What it means
`<serial type='dev'>`, `<parallel>` or the like names a device of the host (`/dev/ttyUSB0`), and it is
not there: not plugged in, or it came up under another number.

## How to confirm
`ls -l DEVICE`; `ls -l /dev/serial/by-id/`.

## What to do
Plug it in, or correct the path; `/dev/serial/by-id/...` does not change with the order of plugging.

## Strings it goes by
- `-chardev serial,id=charserial0,path=/dev/ttyUSB0: Could not open '/dev/ttyUSB0': No such file or directory`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import definition, revise
from virtup.causes.finding import Finding, Fix
from virtup.causes.paths import Kind, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact
from virtup.model.repair import Change

CODE = "VU130"
SLUG = "host-device-node-missing"

ROLES = (Role.CHARDEV,)
_SAID = (
    "qemu-system-x86_64: -chardev serial,id=c,path=/dev/ttyUSB0: Could not open '/dev/ttyUSB0': "
    "No such file or directory\n"
)
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        argv=("/usr/bin/qemu-system-x86_64", "-chardev", "serial,id=c,path=/dev/ttyUSB0"),
        host={PathAccess("/dev/ttyUSB0", "write", 991): PathFact(missing="/dev/ttyUSB0")},
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID.replace("No such file or directory", "Permission denied")),
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/dev/vg/a: Could not open '/dev/vg/a': No such file or directory\n"
    ),
)

_LINE = re.compile(r"/dev/(?:tty|lp|parport|serial)")
"""What is plugged in: a serial line or a printer's port."""
_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the device."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each device that is missing."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}):
        path, fact = trouble.use.path, trouble.fact
        fixes = [
            Fix(
                f"plug the device in, or correct '{path}' in the definition: "
                "`ls -l /dev/serial/by-id` shows what is there"
            ),
            edit("or start without it: <serial type='pty'>"),
        ]
        if not _LINE.match(path):
            fixes = [Fix(f"make '{path}' again, or correct it in the definition")]
        seen = (f"this host has no '{fact.missing or path}'",) if fact else ()
        yield _found(
            f"The host's device '{path}' does not exist.",
            path,
            trouble.certainty,
            (*trouble.quotes, *seen),
            tuple(fixes),
            trouble.at,
        )


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Give the guest a terminal that leads to `virtup console` in place of the device."""
    made: tuple[Change, ...] = ()
    for tag in ("serial", "console", "parallel"):
        for device in definition.devices(ev.definition, tag):
            source = device.find("source")
            if source is not None and source.get("path") == finding.subject:
                made += revise.given(device, "type", "pty") + revise.dropped(source)
    return made
