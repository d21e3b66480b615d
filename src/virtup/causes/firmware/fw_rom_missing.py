"""An option ROM / BIOS file is not installed.

## What it means
A device needs a ROM file (network boot, VGA BIOS), and QEMU does not find it in its data directories.
The package is missing, or QEMU came from another place than its data. QEMU says the same of a
file that it may not read.

## How to confirm
`qemu-system-x86_64 -L help` lists the data directories; `ls` the file in them.

## What to do
Install the data: `apt-get install ipxe-qemu seabios` (Debian), `dnf install ipxe-roms-qemu
seavgabios-bin` (Fedora). A network card that never boots from the network: `<rom enabled='no'/>`.

## Strings it goes by
- `failed to find romfile "efi-virtio.rom"`
- `could not read keymap file: 'xx'` has a cause like it: data files of QEMU
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import packages
from virtup.causes.finding import Certainty, Finding
from virtup.causes.paths import Kind, file_probes, troubles
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact, Probe

CODE = "VU122"
SLUG = "fw-rom-missing"
ALSO = ("fw-rom-unreadable",)

ROLES = (Role.ROM,)
_WORDS = re.compile(
    r"(?:failed to find romfile \"(?P<rom>[^\"\n]+)\"|could not open option rom '(?P<option>[^'\n]+)': no such file|could not load pc bios:? ?'(?P<bios>bios(?:-\w+)?\.bin)')[^\n]*",
    re.IGNORECASE,
)
FOLDERS = ("/usr/share/qemu", "/usr/share/seabios", "/usr/lib/ipxe/qemu", "/usr/share/ipxe")
_SAID = 'qemu-system-x86_64: -device e1000: failed to find romfile "efi-e1000.rom"\n'
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={
            PathAccess(f"{folder}/efi-e1000.rom", "read", 991): PathFact(missing=folder)
            for folder in FOLDERS
        },
    ),
    Evidence(stderr="qemu: Could not open option rom 'vapic.bin': No such file or directory\n"),
)
NEGATIVE = (
    Evidence(stderr="qemu: could not load PC BIOS '/srv/bios.bin'\n"),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={PathAccess("/usr/share/qemu/efi-e1000.rom", "read", 991): PathFact(exists=True)},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for the file in the directories that distributions use."""
    yield from file_probes(ev, ROLES)
    seen = said(ev).find(_WORDS)
    if seen is not None and ev.uid is not None:
        yield from (PathAccess(path, "read", ev.uid, ev.gids) for path in _places(_name(seen)))
        yield from packages.system(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the file is in none of the usual directories, or not where it is named."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}) if ev.ahead else ():
        path = trouble.use.path
        yield _found(
            f"The ROM file '{path}', which the definition names, does not exist.",
            path,
            trouble.certainty,
            (_nowhere(path),),
            (edit(f"put the file there, or correct or remove <rom file='{path}'/>"),),
        )
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    name = _name(seen)
    facts = [ev.fact(PathAccess(path, "read", ev.uid, ev.gids)) for path in _places(name)]
    if any(fact is not None and fact.exists for fact in facts):
        return
    looked = all(fact is not None for fact in facts)
    evidence = [
        seen.quote,
        *([_nowhere(name)] if looked else []),
    ]
    sentence = f"The ROM file '{name}' is not installed where QEMU looks for it."
    fix = packages.install(ev, "roms")
    if name.startswith("/"):
        sentence = f"The ROM file '{name}', which the definition names, does not exist."
        fix = edit(f"put the file there, or correct or remove <rom file='{name}'/>")
    certainty = Certainty.PROVEN if looked else Certainty.POSSIBLE
    yield _found(sentence, name, certainty, tuple(evidence), (fix,), seen.at)


def _name(seen: Seen) -> str:
    return seen["rom"] or seen["option"] or seen["bios"]


def _places(name: str) -> list[str]:
    return [name] if name.startswith("/") else [f"{folder}/{name}" for folder in FOLDERS]


def _nowhere(name: str) -> str:
    if name.startswith("/"):
        return f"this host: '{name}' does not exist"
    return f"this host: no '{name}' in {', '.join(FOLDERS)}"
