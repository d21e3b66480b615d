"""A shared library, loader or interpreter that the emulator needs is missing.

## What it means
The emulator's file is there, and the program cannot be put together: a shared library was removed
or has another version (a half-done upgrade, a binary from another distribution), or the loader or
script interpreter that it names does not exist. The kernel then says "No such file or directory"
of a file that plainly exists.

## How to confirm
`ldd PATH` prints "not found" for the missing ones; `file PATH` names the interpreter.

## What to do
Finish the upgrade or install the package that has the library (`apt-file search NAME`,
`dnf provides '*/NAME'`). Reinstalling QEMU brings its dependencies along.

## Strings it goes by
- `error while loading shared libraries: libfdt.so.1: cannot open shared object file`
- `symbol lookup error: ... undefined symbol`
- `Cannot run QEMU binary '...': the file exists, and the loader or interpreter that it names does not`
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import packages, program
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator, EmulatorFact
from virtup.model.probe_system import System

CODE = "VU034"
SLUG = "emulator-library-missing"

_WORDS = re.compile(
    r"(?P<program>[^\s:]+): (?:error while loading shared libraries: (?P<library>[^\s:]+)"
    r"|symbol lookup error: (?P<from>[^\s:]+): undefined symbol: (?P<symbol>\S+))"
    r"|(?P<needs>/[^\s:]+): (?:(?P<in>/[^\s:]+): )?version [`'](?P<version>[\w.]+)' not found"
    r"|error loading shared library (?P<musl>[^\s:]+)"
)
_OWN = "/opt/qemu/qemu-system-x86_64"
POSITIVE = (
    Evidence(
        stderr=f"{_OWN}: error while loading shared libraries: libfdt.so.1: cannot open shared "
        "object file: No such file or directory\n",
        exit_status=127,
    ),
    Evidence(
        stderr="/usr/bin/qemu-system-x86_64: symbol lookup error: /lib/libspice-server.so.1: "
        "undefined symbol: g_module_open_full\n",
        exit_status=127,
    ),
    Evidence(
        phase="exec",
        errno=errno.ENOENT,
        path=_OWN,
        uid=991,
        host={
            Emulator(_OWN, 991): EmulatorFact(
                exists=True,
                executable=True,
                kind="elf",
                interpreter="/lib/ld-musl-x86_64.so.1",
                interpreter_exists=False,
            )
        },
    ),
    Evidence(
        stderr="/usr/bin/qemu-system-x86_64: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /usr/bin/qemu-system-x86_64)\n"
    ),
)
NEGATIVE = (
    Evidence(error=f"Cannot run QEMU binary '{_OWN}': Exec format error"),
    Evidence(stderr='qemu-system-x86_64: failed to find romfile "vgabios-cirrus.bin"\n'),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Emulator | System]:
    """Ask for the program when it did not run, or its loader complains."""
    yield from program.probe(ev)
    if program.not_run(ev) is not None:
        yield from packages.system(ev)
    seen = said(ev).find(_WORDS)
    if seen is not None and ev.emulator and ev.uid is not None:
        yield Emulator(ev.emulator, ev.uid, ev.gids)
        yield from packages.system(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for the loader's complaint, or for an interpreter that is missing."""
    seen = said(ev).find(_WORDS)
    if seen is not None:
        yield from _complaint(ev)
        return
    yield from _foreseen(ev)
    refused = program.not_run(ev)
    fact = refused.fact if refused else None
    if refused is None or fact is None or not fact.exists or fact.interpreter_exists:
        return
    noun = "interpreter" if fact.kind == "script" else "loader"
    yield _found(
        f"The emulator '{refused.path}' needs the {noun} '{fact.interpreter}', which is missing.",
        refused.path,
        Certainty.PROVEN,
        (*refused.quotes, f"this host has no '{fact.interpreter}'"),
        (Fix(f"install what has '{fact.interpreter}', or an emulator made for this host"),),
        refused.at,
    )


def _foreseen(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for what the loader misses before anybody ran the program."""
    whole = ev.fact(Emulator(ev.emulator, ev.uid, ev.gids)) if ev.ahead else None
    for name in whole.libraries[:1] if whole else ():
        yield _found(
            f"The emulator '{ev.emulator}' needs the shared library '{name}', which this host does "
            "not have.",
            ev.emulator,
            Certainty.PROVEN,
            (f"this host: the loader finds no '{name}'",),
            _fixes(ev, ev.emulator),
        )


def _fixes(ev: Evidence, path: str) -> tuple[Fix, ...]:
    return (
        Fix("install what has it, or reinstall QEMU", (f"ldd {path} | grep 'not found'",)),
        packages.install(ev, "qemu", "or install it again", name=_architecture(path), again=True),
    )


def _architecture(path: str) -> str:
    return path.rpartition("qemu-system-")[2] if "qemu-system-" in path else "x86_64"


def _complaint(ev: Evidence) -> Iterator[Finding]:
    seen = said(ev).find(_WORDS)
    assert seen is not None
    name = seen["library"] or seen["musl"] or seen["symbol"] or seen["version"]
    fact = ev.fact(Emulator(ev.emulator, ev.uid, ev.gids)) if ev.uid is not None else None
    proven = fact is not None and name in fact.libraries
    path = ev.emulator or seen["program"] or seen["needs"]
    noun = "symbol" if seen["symbol"] else "version" if seen["version"] else "shared library"
    yield _found(
        f"The emulator '{path}' needs the {noun} '{name}', which this host does not have.",
        path,
        Certainty.PROVEN if proven else Certainty.LIKELY,
        (seen.quote, *((f"this host: the loader finds no '{name}'",) if proven else ())),
        _fixes(ev, path),
        seen.at,
    )
