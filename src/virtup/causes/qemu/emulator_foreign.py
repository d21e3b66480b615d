"""The emulator is made for another machine, or is no program.

## What it means
The kernel does not know how to run the file: it is a binary for another processor architecture
(copied from an ARM host, a wrong download), it is empty or cut off, or it is a text file without
a `#!` line.

## How to confirm
`file -L PATH` tells what it is, `uname -m` what this host runs.

## What to do
Install the emulator for this host's processor. To run guests of another architecture one still
needs an emulator made *for this host*: `qemu-system-aarch64` from an x86_64 package.

## Strings it goes by
- `Cannot run QEMU binary '/opt/qemu': Exec format error`
- `cannot execute binary file: Exec format error`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import program, revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.qemu.emulator_not_installed import alternatives
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator, EmulatorFact

CODE = "VU033"
SLUG = "emulator-foreign"

_OWN = "/opt/qemu/qemu-system-x86_64"
POSITIVE = (
    Evidence(error=f"Cannot run QEMU binary '{_OWN}': Exec format error: it is made for another"),
    Evidence(
        phase="exec",
        errno=errno.ENOEXEC,
        path=_OWN,
        uid=991,
        host={
            Emulator(_OWN, 991): EmulatorFact(
                exists=True, executable=True, kind="elf", machine="aarch64", host_machine="x86_64"
            )
        },
    ),
)
NEGATIVE = (
    Evidence(error=f"Cannot run QEMU binary '{_OWN}': Permission denied"),
    Evidence(phase="exec", errno=errno.ENOENT, path=_OWN),
)

_found = partial(Finding, CODE, SLUG)
_WHAT = {"empty": "is an empty file", "other": "is no program", "script": "is a script"}


def probes(ev: Evidence) -> Iterator[Emulator]:
    """Ask for the program when it did not run."""
    return program.probe(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the kernel knows no way to run the program."""
    refused = program.not_run(ev)
    if refused is None or refused.errno != errno.ENOEXEC:
        return
    fact, path = refused.fact, refused.path
    seen: tuple[str, ...] = ()
    if fact is None or not fact.exists:
        what = "is made for another machine, or is no program"
    elif fact.kind == "elf":
        what = f"is made for {fact.machine}, and this host is {fact.host_machine}"
        seen = (f"this host: '{path}' is an ELF program for {fact.machine}",)
    else:
        what = _WHAT.get(fact.kind, "is no program")
        seen = (f"this host: '{path}' {what}",)
    others = alternatives(path, fact) if fact else []
    fix = (
        edit(f"change <emulator> to '{others[0]}'") if others else Fix("install QEMU for this host")
    )
    yield _found(
        f"The emulator '{path}' {what}.",
        path,
        Certainty.PROVEN if seen else Certainty.LIKELY,
        (*refused.quotes, *seen),
        (fix,),
        refused.at,
    )


changes = revise.to_other_emulator
