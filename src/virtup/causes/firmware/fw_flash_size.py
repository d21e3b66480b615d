"""A firmware image has a size that the machine does not take.

## What it means
The flash chips of a PC end at 4 GiB, hold 8 MiB at most together and take multiples of 4 KiB, a
ROM (`type='rom'`) multiples of 64 KiB: a file that was cut by a full disk or a broken copy fits no
more; on other machines each has
one fixed size (64 MiB on `virt`). An image of another size, a variable store of a build with
another layout (540672 bytes beside 4 MiB), or a qcow2 image given as raw is refused.

## How to confirm
`qemu-img info CODE VARS`: compare both virtual sizes with those of the templates that the
firmware's package has.

## What to do
Use code and variables of one build and one size. Where the firmware was replaced, let the
variable store be made anew from the new template; the boot entries in it are lost.

## Strings it goes by
- `device requires 4194304 bytes, block backend provides 540672 bytes`
- `combined size of system firmware exceeds 8388608 bytes`
- `system firmware block device pflash1 has invalid size 540672`
- `info: its size must be a non-zero multiple of 0x1000`
- `qemu: could not load PC BIOS '/fw/CODE.fd'` (no multiple of 64 KiB, given as a ROM)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from virtup.causes import definition, packages
from virtup.causes.finding import NOWHERE, Certainty, Finding, Fix, Safety, mend
from virtup.causes.paths import access
from virtup.causes.phrase import Told
from virtup.causes.usage import FileUse, Role, files, value
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import PathAccess, PathFact, Probe
from virtup.model.probe_system import System
from virtup.model.repair import SetFileAside

CODE = "VU470"
SLUG = "fw-flash-size"
OVER = ("fw-loader-missing", "fw-loader-unreadable")

_PC = ("x86_64", "i386", "qemu-kvm")
_FLASH, _ROM = 4096, 65536
"""What the sizes have to be multiples of (QEMU's hw/i386/pc_sysfw.c and hw/i386/x86.c)."""
_UNLOADED = re.compile(r"could not load PC BIOS[^\n]*", re.IGNORECASE)

_TOLD = Told(
    CODE,
    SLUG,
    sentence="A firmware image has a size that the machine does not take.",
    subject="the firmware",
    phrases=(
        r"device requires (?P<subject>\d+) bytes, (?:\w+ )?(?:block|backend)[^\n]*provides \d+ bytes",
        r"combined size of system firmware exceeds (?P<subject>\d+) bytes",
        r"system firmware block device\s+(?:\S+ )?has invalid size (?P<subject>\d+)",
    ),
    fixes=(
        Fix("compare the images with those of the firmware package", ("qemu-img info IMAGE",)),
        edit("or name code and variables of one build"),
    ),
)
_ARGV = (
    "/usr/bin/qemu-system-x86_64",
    *("-machine", "pc,pflash1=f", "-blockdev"),
    '{"driver":"file","filename":"/fw/V.fd","node-name":"s"}',
    "-blockdev",
    '{"driver":"raw","file":"s","node-name":"f","read-only":false}',
)
POSITIVE = (
    Evidence(
        stderr="qemu-system-x86_64: system firmware block device  has invalid size 100352\n"
        "qemu-system-x86_64: info: its size must be a non-zero multiple of 0x1000\n",
        argv=_ARGV,
        emulator=_ARGV[0],
        uid=991,
        host={
            PathAccess("/fw/V.fd", "write", 991): PathFact(exists=True, kind="file", size=100000)
        },
    ),
    Evidence(
        stderr="qemu-system-x86_64: device requires 4194304 bytes, block backend provides 540672 bytes\n"
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: could not load PC BIOS '/fw/x.fd'\n"),
    Evidence(
        argv=_ARGV,
        emulator=_ARGV[0],
        uid=991,
        host={PathAccess("/fw/V.fd", "write", 991): PathFact(exists=True, size=540672)},
    ),
)


def probes(ev: Evidence) -> Iterator[Probe[Any]]:
    """Ask for the size of each firmware file."""
    yield from _TOLD.probes(ev)
    if ev.uid is not None and ev.emulator.endswith(_PC):
        yield from (access(ev, use) for use in _firmware(ev))
        if said(ev).find(_UNLOADED) is not None:
            yield System()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield a finding for each file whose size does not fit, else for what the words tell."""
    told = list(_TOLD.find(ev))
    first = next((one for one in told if "multiple" not in one.evidence[0]), None)
    odd = list(_odd(ev))
    seen = said(ev).find(_UNLOADED)
    for one in odd:
        if first is not None:
            yield replace(one, evidence=(*first.evidence, *one.evidence), at=first.at)
        elif seen is not None:
            yield replace(one, evidence=(seen.quote, *one.evidence), at=seen.at)
        elif ev.ahead:
            yield one
    if not odd:
        yield from told


def _firmware(ev: Evidence) -> Iterator[FileUse]:
    for use in files(ev.argv):
        if use.role is Role.FIRMWARE and use.format in {"raw", ""}:
            yield use


def _odd(ev: Evidence) -> Iterator[Finding]:
    """Yield a finding for each file of a size that a PC does not take."""
    for use in _firmware(ev) if ev.emulator.endswith(_PC) else ():
        fact = ev.fact(access(ev, use))
        rom = use.path == value(ev.argv, "bios")
        unit = _ROM if rom else _FLASH
        if (
            fact is None
            or fact.kind != "file"
            or fact.size < 0
            or not (fact.size % unit or not fact.size)
        ):
            continue
        what = "is empty (0 bytes)" if not fact.size else f"has {fact.size} bytes"
        takes = "a ROM (type='rom')" if rom else "a PC's flash"
        yield Finding(
            CODE,
            SLUG,
            f"The firmware '{use.path}' {what}, and {takes} takes a multiple of {unit} only.",
            use.path,
            Certainty.PROVEN,
            (f"this host: '{use.path}' {what}",),
            (_fix(ev, use, fact, rom=rom),),
            NOWHERE,
        )


def _fix(ev: Evidence, use: FileUse, fact: PathFact, *, rom: bool) -> Fix:
    if rom and fact.size:
        return edit("name it with type='pflash' and readonly='yes', or a firmware made as a ROM,")
    store = definition.text(ev.definition, "os/nvram") == use.path
    if store and definition.attribute(ev.definition, "os/nvram", "template"):
        text = "set the variable store aside: a new one is made from its template, without boot entries"
        return mend(text, SetFileAside(use.path), safety=Safety.CONFIRM)
    if store:
        return Fix(f"restore '{use.path}' from a backup, or make it anew from its template")
    return packages.install(ev, "ovmf", "install the firmware again, or copy it again", again=True)
