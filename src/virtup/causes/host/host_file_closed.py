"""QEMU's account may not use a file, device or shared directory that the guest is given.

## What it means
What is no disk, kernel or firmware is not lent to QEMU's account as those are where it is a
directory, or it lies below a directory that keeps that account out: a shared directory in a home,
the source of random numbers, a table of the firmware, a host's serial device.

## How to confirm
`namei -l PATH` and `getfacl` of the component that is named; `runuser -u QEMU_USER -- ls PATH`.

## What to do
Give that one account what it lacks with an access list.

## Strings it goes by
- `cannot initialize fsdev 'fsdev-fs0': failed to open '/home/me/share': Permission denied`
- `-chardev serial,id=c,path=/dev/ttyS0: Could not open '/dev/ttyS0': Permission denied`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding
from virtup.causes.paths import Kind, barrier, file_probes, troubles
from virtup.causes.usage import Role, files
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU530"
SLUG = "host-file-closed"
OVER = ("qemu-argument-refused",)
ALSO = ("usb-device-closed",)

ROLES = (Role.SHARE, Role.CHARDEV, Role.OTHER)
OWN = ("/dev/kvm", "/dev/net/tun", "/dev/bus/usb/")
"""Devices that have causes of their own."""
_ARGV = ("/usr/bin/qemu-system-x86_64", "-fsdev", "local,id=f,path=/home/me/share")
_CLOSED = PathFact(
    exists=True, blocked="/home/me", lacks="search", owner="me", group="me", mode="0700"
)
_SAID = (
    "qemu-system-x86_64: -device virtio-9p-pci,fsdev=f: cannot initialize fsdev 'f': failed to open "
    "'/home/me/share': Permission denied\n"
)
POSITIVE = (
    Evidence(
        stderr=_SAID,
        argv=_ARGV,
        uid=991,
        host={PathAccess("/home/me/share", "read", 991): _CLOSED},
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        phase="prepare",
        error="cannot access '/var/log/virtup/g.log': Is a directory",
        uid=991,
        host={
            PathAccess("/var/log/virtup/g.log", "read", 991): PathFact(
                exists=True, blocked="/var/log/virtup", lacks="search", mode="0700"
            )
        },
    ),
    Evidence(
        argv=_ARGV,
        uid=991,
        host={PathAccess("/home/me/share", "read", 991): PathFact(exists=True, allowed=True)},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every such file."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each that a mode or an access list closes."""
    opened = {use.path for use in files(ev.argv)}  # by QEMU: what the daemon opens is its own
    for trouble in troubles(ev, ROLES, {Kind.SEARCH, Kind.MODE}):
        path, noun = trouble.use.path, trouble.use.role.value
        if path.startswith(OWN) or path not in opened:
            continue
        sentence, evidence, fixes = barrier(ev, trouble)
        if trouble.above:
            sentence += f", so it cannot reach the {noun} '{path}'"
        yield _found(sentence + ".", path, Certainty.PROVEN, evidence, fixes, trouble.at)
