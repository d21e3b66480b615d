"""The QEMU account cannot reach or read the firmware file (plain permissions).

## What it means
The firmware image is there, and the account that QEMU runs as is kept from it by a directory on the
way or by its mode: it lies in a home directory, or was copied with mode 0600.

## How to confirm
`namei -l PATH`.

## What to do
Use the distribution's firmware below `/usr/share`, or let the account through.

## Strings it goes by
- `qemu: could not load PC BIOS '/home/me/OVMF.fd'`
- `Could not open '/home/me/OVMF_CODE.fd': Permission denied`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.firmware.fw_loader_missing import ROLES
from virtup.causes.paths import Kind, barrier, failures, file_probes, troubles
from virtup.causes.usage import Role
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU121"
SLUG = "fw-loader-unreadable"
ALSO = ("fw-loader-missing",)

_PATH = "/home/me/OVMF.fd"
_SAID = f"qemu: could not load PC BIOS '{_PATH}'\n"
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={
            PathAccess(_PATH, "read", 991): PathFact(
                exists=True, blocked="/home/me", lacks="search", mode="0700", owner="me", group="me"
            )
        },
    ),
)
NEGATIVE = (
    Evidence(stderr=_SAID, uid=991, host={PathAccess(_PATH, "read", 991): PathFact(missing=_PATH)}),
    Evidence(stderr="qemu: could not open kernel file '/boot/k': Permission denied\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for the firmware files."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each firmware file that is closed to QEMU."""
    for trouble in troubles(ev, ROLES, {Kind.SEARCH, Kind.MODE, Kind.DENIED}):
        sentence, evidence, fixes = barrier(ev, trouble)
        path = trouble.use.path
        if trouble.above:
            sentence += f", so it cannot read the firmware '{path}'"
        certainty = trouble.certainty if trouble.fact else Certainty.POSSIBLE
        yield _found(sentence + ".", path, certainty, evidence, fixes, trouble.at)
    for failure in failures(ev):
        unproven = (
            ev.uid is None or PathAccess(failure.path, "read", ev.uid, ev.gids) not in ev.host
        )
        if failure.role is Role.FIRMWARE and failure.errno is None and unproven:
            yield _found(
                f"The firmware '{failure.path}' cannot be loaded: perhaps QEMU may not read it.",
                failure.path,
                Certainty.POSSIBLE,
                (failure.seen.quote,),
                (Fix("see who may read it", (f"namei -l {failure.path}",)),),
                failure.seen.at,
            )
