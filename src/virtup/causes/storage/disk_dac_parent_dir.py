"""A directory above the image is not searchable for the QEMU account.

## What it means
To open a file, an account must be allowed to search (`x`) every directory on the way. Home
directories, `/root`, and what desktops mount below `/media` and `/run/media` are open to their
owner only; the mode of the image itself does not matter then.

## How to confirm
`namei -l PATH` shows every component; the finding names the first that is closed, and to whom.

## What to do
Let the one account pass that one directory (`setfacl -m u:USER:--x DIR`; it may then pass, not
list), or move the image to a directory that is open to it, such as `/var/lib/virtup/images`.

## Strings it goes by
- `Could not open '/home/me/a.qcow2': Permission denied`
- `Cannot access storage file '/home/me/a.qcow2' (as uid:107, gid:107): Permission denied`
- `may not be accessible by the hypervisor` (virt-install)
- `The emulator may not have search permissions for the path` (virt-install)
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, barrier, file_probes, troubles
from virtup.causes.storage.disk_dac_file_mode import ROLES, SAID
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU005"
SLUG = "disk-dac-parent-dir"
ALSO = ("disk-dac-file-mode", "disk-apparmor-denied")

_WARNED = re.compile(
    r"(?P<path>/[^\n]*?) may not be accessible by the hypervisor"
    r"|may not have search permissions for the path '(?P<old>/[^'\n]+)'",
    re.IGNORECASE,
)
_CLOSED = PathFact(
    exists=True, blocked="/home/me", lacks="search", owner="me", group="me", mode="0700"
)
POSITIVE = (
    Evidence(
        error="Cannot access storage file '/home/me/a.qcow2' (as uid:64055, gid:127): "
        "Permission denied"
    ),
    Evidence(
        stderr=SAID.replace("/img/", "/home/me/"),
        user="virtup-qemu",
        uid=991,
        host={PathAccess("/home/me/a.qcow2", "read", 991): _CLOSED},
    ),
)
NEGATIVE = (
    Evidence(
        error="Cannot access storage file '/img/a' (as uid:107, gid:107): No such file or directory"
    ),
    Evidence(
        stderr=SAID,
        uid=991,
        host={
            PathAccess("/img/a.qcow2", "read", 991): PathFact(
                exists=True, blocked="/img/a.qcow2", lacks="read", mode="0600"
            )
        },
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every image."""
    return file_probes(ev, ROLES)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each image behind a closed directory."""
    for trouble in troubles(ev, ROLES, {Kind.SEARCH, Kind.DENIED}):
        sentence, evidence, fixes = barrier(ev, trouble)
        path, noun = trouble.use.path, trouble.use.role.value
        if trouble.fact is None:
            sentence += ", perhaps by a directory on the way"
        else:
            sentence += f", so it cannot reach the {noun} '{path}'"
        certainty = Certainty.PROVEN if trouble.fact else Certainty.POSSIBLE
        yield _found(sentence + ".", path, certainty, evidence, fixes, trouble.at)
    yield from _warned(ev)


def _warned(ev: Evidence) -> Iterator[Finding]:
    """Yield what virt-install foresees: it looked at the directories, before any start."""
    seen = said(ev).find(_WARNED)
    if seen is not None:
        path = seen["path"] or seen["old"]
        yield _found(
            f"A directory on the way to '{path}' may not be searched by QEMU's account.",
            path,
            Certainty.POSSIBLE,
            (seen.quote,),
            (Fix("see which component keeps it out", (f"namei -l {shlex.quote(path)}",)),),
            seen.at,
        )
