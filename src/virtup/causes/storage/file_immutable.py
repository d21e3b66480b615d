"""The attribute "immutable" or "append only" keeps everybody from changing a file.

## What it means
`chattr +i` forbids everybody, root as well, to write to a file, to give it another owner or mode,
and to make files in a directory; `chattr +a` allows no more than to append. Somebody set it to
protect an image or a configuration, or a backup program did and was cut off.

## How to confirm
`lsattr -d PATH` shows an `i` or an `a` among the letters.

## What to do
Find out why it was set; then `chattr -i PATH` (or `-a`). An image that is to stay as it is
becomes the backing file of an overlay, or is declared `<readonly/>`.

## Strings it goes by
- `Could not open '/img/a.qcow2': Operation not permitted`
- `Failed to make the NVRAM file '/var/lib/nvram/vm.fd': Operation not permitted`
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes import places
from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.causes.paths import Kind, file_probes, troubles
from virtup.causes.usage import Role
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact

CODE = "VU520"
SLUG = "file-immutable"

ROLES = tuple(Role)
_ARGV = ("/usr/bin/qemu-system-x86_64", "-drive", "file=/img/a.qcow2,format=qcow2,if=virtio")
_FACT = PathFact(exists=True, kind="file", frozen="immutable", mode="0644", owner="root")
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/img/a.qcow2,format=qcow2,if=virtio: Could not open "
        "'/img/a.qcow2': Operation not permitted\n",
        argv=_ARGV,
        uid=991,
        host={PathAccess("/img/a.qcow2", "write", 991): _FACT},
    ),
    Evidence(
        phase="prepare",
        error="Failed to make the NVRAM file '/srv/nvram/vm.fd': Operation not permitted",
        uid=991,
        host={
            PathAccess("/srv/nvram/vm.fd", "create"): PathFact(
                kind="directory", target="/srv/nvram", frozen="immutable"
            )
        },
    ),
)
NEGATIVE = (
    Evidence(
        argv=_ARGV,
        uid=991,
        host={PathAccess("/img/a.qcow2", "write", 991): PathFact(exists=True, allowed=True)},
    ),
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/img/a: Could not open '/img/a': Operation not "
        "permitted\n"
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess]:
    """Ask for every file, and for the place where the daemon could not write."""
    yield from file_probes(ev, ROLES)
    yield from places.probes(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each file, or directory, that nobody may change."""
    for trouble in troubles(ev, ROLES, {Kind.FROZEN}):
        if trouble.fact is not None:
            noun = f"{trouble.use.role.value} '{trouble.use.path}'"
            yield _finding(noun, trouble.fact, trouble.use.path, trouble.quotes, trouble.at)
    for refused in places.refused(ev):
        fact = refused.fact
        if fact is not None and fact.frozen:
            noun = f"directory '{fact.target}', in which '{refused.path}' is to be made,"
            yield _finding(noun, fact, fact.target, refused.quotes, refused.at)


def _finding(noun: str, fact: PathFact, path: str, quotes: tuple[str, ...], at: int) -> Finding:
    letter = "i" if fact.frozen == "immutable" else "a"
    where = shlex.quote(path)
    fix = Fix(
        f"find out who protects it and why, then let '{path}' be changed",
        (f"chattr -{letter} {where}",),
        Safety.CONFIRM,
        (f"chattr +{letter} {where}",),
    )
    return _found(
        f"The {noun} has the attribute '{fact.frozen}' (chattr +{letter}): nobody may change it, "
        "root neither.",
        path,
        Certainty.PROVEN,
        (*quotes, f"this host: '{path}' has the attribute '{fact.frozen}'"),
        (fix,),
        at,
    )
