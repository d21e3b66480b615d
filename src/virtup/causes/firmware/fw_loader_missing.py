"""The firmware (loader) file does not exist at the configured path.

## What it means
`<loader>` (or a BIOS given with raw arguments) names a firmware image, such as OVMF for UEFI, and
there is none at that path: the package is missing, or this distribution keeps it elsewhere.

## How to confirm
`ls -l PATH`; `ls /usr/share/OVMF /usr/share/edk2/ovmf /usr/share/qemu/firmware`.

## What to do
Install it (`apt-get install ovmf`, `dnf install edk2-ovmf`), or correct the path.

## Strings it goes by
- `qemu: could not load PC BIOS '/usr/share/ovmf/OVMF.fd'`
- `Could not open '/usr/share/OVMF/OVMF_CODE.fd': No such file or directory`
- `Couldn't find one of the required UEFI firmware files` (Incus, LXD)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import packages, revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.paths import Kind, failures, file_probes, look_at, troubles, unsaid
from virtup.causes.usage import Role
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact
from virtup.model.probe_system import System
from virtup.model.repair import Change

CODE = "VU120"
SLUG = "fw-loader-missing"
ALSO = ("fw-loader-unreadable",)
OVER = ("fw-nvram-template-unknown",)

ROLES = (Role.FIRMWARE,)
_TOOLS = re.compile(
    r"firmware (?:\w+ )?file missing: \"?(?P<file>/[^\"\n]+)|(?:could not|couldn't|unable to|failed to|cannot) (?:find|locate)(?! any master var)[^\n]{0,40}"
    r"(?:(?:UEFI |EFI )?firmware (?:files?|images?|binar\w+|code)|(?P<name>\S*(?:OVMF|AAVMF|edk2)[\w.-]*))"
    r"[^\n]*",
    re.IGNORECASE,
)
_NO_STORE = re.compile(
    r"unable to find any master var store for\s+loader: '?(?P<path>/[^\s']+)[^\n]*"
)
_PATH = "/usr/share/OVMF/OVMF.fd"
_NO_STORE_SAID = f"operation failed: unable to find any master var store for loader: {_PATH}"
_SAID = f"qemu: could not load PC BIOS '{_PATH}'\n"
POSITIVE = (
    Evidence(stderr=_SAID),
    Evidence(stderr=_SAID, uid=991, host={PathAccess(_PATH, "read", 991): PathFact(missing=_PATH)}),
    Evidence(
        error="Error: Couldn't find one of the required UEFI firmware files: [{code:OVMF.fd}]"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/fw/CODE.fd,if=pflash,format=raw,readonly=on: Could "
        "not open '/fw/CODE.fd': No such file or directory\n"
    ),
    Evidence(error=_NO_STORE_SAID, host={PathAccess(_PATH): PathFact(missing=_PATH)}),
)
NEGATIVE = (
    Evidence(error=_NO_STORE_SAID, host={PathAccess(_PATH): PathFact(exists=True)}),
    Evidence(
        stderr=_SAID,
        uid=991,
        host={
            PathAccess(_PATH, "read", 991): PathFact(
                exists=True, blocked=_PATH, lacks="read", mode="0600", owner="a", group="a"
            )
        },
    ),
    Evidence(stderr="qemu: could not open kernel file '/boot/k': No such file or directory\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[PathAccess | System]:
    """Ask for the firmware files."""
    yield from file_probes(ev, ROLES)
    told = said(ev).find(_NO_STORE)
    if told is not None:
        yield PathAccess(told["path"])
    if failures(ev) or told is not None:
        yield from packages.system(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield one finding for each firmware file that is missing; QEMU gives no reason for a BIOS."""
    for trouble in troubles(ev, ROLES, {Kind.MISSING}):
        path, fact = trouble.use.path, trouble.fact
        yield _missing(ev, path, fact, (trouble.certainty, trouble.quotes, trouble.at))
    store = said(ev).find(_NO_STORE)
    looked = ev.fact(PathAccess(store["path"])) if store is not None else None
    if store is not None and looked is not None and looked.missing:
        # nobody has a template for a firmware that is not there
        how = (Certainty.PROVEN, (store.quote,), store.at)
        yield _missing(ev, store["path"], looked, how)
    for failure in unsaid(ev, ROLES):
        yield _found(
            f"The firmware '{failure.path}' cannot be loaded: perhaps it does not exist.",
            failure.path,
            Certainty.POSSIBLE,
            (failure.seen.quote,),
            (look_at(failure.path),),
            failure.seen.at,
        )
    told = said(ev).find(_TOOLS)
    if told is not None:
        yield _found(
            "The UEFI firmware is not installed where the tool looks for it.",
            told["file"] or told["name"] or "UEFI firmware",
            Certainty.LIKELY,
            (told.quote,),
            (_install(ev, ""),),
            told.at,
        )


def _missing(
    ev: Evidence, path: str, fact: PathFact | None, how: tuple[Certainty, tuple[str, ...], int]
) -> Finding:
    """The finding of a firmware that is not there: how sure it is, what was said, and where."""
    certainty, quotes, at = how
    seen = (f"this host has no '{fact.missing or path}'",) if fact else ()
    fixes = [_install(ev, path)]
    if fact and fact.nearby:
        fixes.insert(0, edit(f"did you mean '{fact.nearby[0]}'? Correct <loader>"))
    sentence = f"The firmware '{path}' does not exist."
    return _found(sentence, path, certainty, (*quotes, *seen), tuple(fixes), at)


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Name the firmware that there is."""
    near = revise.named_in(finding, r"did you mean '(.*?)'")
    loader = revise.first(ev.definition, "os/loader")
    if not near or loader is None or (loader.text or "").strip() != finding.subject:
        return ()
    return revise.written(loader, near)


def _install(ev: Evidence, path: str) -> Fix:
    """A BIOS lies with QEMU's ROMs, UEFI in a package of its architecture's own."""
    what = "roms" if "bios" in path.lower() else "aavmf" if "AAVMF" in path else "ovmf"
    return packages.install(ev, what, "install the firmware")
