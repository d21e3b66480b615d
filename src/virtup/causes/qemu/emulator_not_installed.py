"""The emulator for the domain is not (fully) installed.

## What it means
The definition needs a QEMU for its architecture, and this host has none: the package is missing, or
only some of its parts are installed.

## How to confirm
`ls /usr/bin/qemu-system-*` does not list the architecture.

## What to do
Install it: `apt-get install qemu-system-x86` (Debian, Ubuntu; `qemu-system-arm`, `-ppc`, ...),
`dnf install qemu-kvm` (Fedora, RHEL), `pacman -S qemu-full` (Arch).

## Strings it goes by
- `Cannot check QEMU binary '/usr/bin/qemu-system-x86_64': No such file or directory`
- `no supported architecture for os type 'hvm'`
- `could not find any emulator`, `unable to find any emulator to serve 'x86_64' architecture`
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

CODE = "VU030"
SLUG = "emulator-not-installed"
ALSO = ("emulator-path-stale",)

_NONE = re.compile(
    r"no supported architecture for os type '(?P<os>\w+)'"
    r"|(?:unable to|could not|cannot) find (?:any|an|a suitable) emulator"
    r"(?: to serve '(?P<serve>\w+)' architecture)?[^\n]*"
    r"|cannot find suitable emulator for '?(?P<for>\w+)'?[^\n]*"
    r"|could not find capabilities for (?:os_?type=\w+ )?arch=(?P<capable>\w+)\b(?! +(?:domain|virt)\w*=)[^\n]*"
    r"|no emulator found for arch\w* '?(?P<of>\w+)'?[^\n]*"
    r"|exec: \"?qemu-system-(?P<exec>\w+)\"?: executable file not found[^\n]*"
    r"|no QEMU (?:binary|emulator) for (?:guests of )?'?(?P<arch>\w+)'?[^\n]*",
    re.IGNORECASE,
)
PATH = "/usr/bin/qemu-system-x86_64"
GONE = Evidence(phase="exec", errno=errno.ENOENT, path=PATH, emulator=PATH, uid=991)
POSITIVE = (
    Evidence(error="internal error: no supported architecture for os type 'hvm'"),
    Evidence(
        phase="validate",
        error=f"Cannot check QEMU binary '{PATH}': No such file or directory",
        emulator=PATH,
        uid=991,
        host={Emulator(PATH, 991): EmulatorFact(others=("/usr/bin/qemu-system-arm",))},
    ),
    Evidence(error="invalid argument: could not find capabilities for arch=riscv64 "),
)
NEGATIVE = (
    Evidence(phase="exec", errno=errno.EACCES, path=PATH, emulator=PATH),
    Evidence(
        phase="exec",
        errno=errno.ENOENT,
        path="/opt/bin/qemu-system-x86_64",
        uid=991,
        host={Emulator("/opt/bin/qemu-system-x86_64", 991): EmulatorFact(others=(PATH,))},
    ),
    Evidence(
        error="invalid argument: could not find capabilities for arch=aarch64 domaintype=kvm "
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Emulator | System]:
    """Ask for the program when it did not run."""
    yield from program.probe(ev)
    if program.not_run(ev) is not None:
        yield from packages.system(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when no QEMU for the architecture is there."""
    none = said(ev).find(_NONE)
    if none is not None:
        groups = ("arch", "serve", "capable", "for", "of", "exec")
        named = next((none[one] for one in groups if none[one]), "")
        arch = f"'{named}'" if none["serve"] else named or "the guest's architecture"
        yield _found(
            f"No QEMU for {arch} is installed on this host.",
            named,
            Certainty.LIKELY,
            (none.quote,),
            (_install(ev, named),),
            none.at,
        )
    gone = program.not_run(ev)
    if gone is None or gone.fact is None or gone.fact.exists or alternatives(gone.path, gone.fact):
        return
    yield _found(
        f"QEMU is not installed: there is no '{gone.path}', nor another QEMU for its architecture.",
        gone.path,
        Certainty.PROVEN,
        (*gone.quotes, f"this host has no '{gone.path}'"),
        (_install(ev, target(gone.path)),),
        gone.at,
    )


def target(path: str) -> str:
    """Return the architecture in the name of an emulator, ``""`` for a name without one."""
    name = path.rpartition("/")[2]
    return name.removeprefix("qemu-system-") if name.startswith("qemu-system-") else ""


def alternatives(path: str, fact: EmulatorFact) -> list[str]:
    """Return the emulators of the host that serve the same architecture as *path*."""
    arch = target(path) or fact.host_machine
    native = {"qemu-kvm", "kvm"} if arch in {"", fact.host_machine} else set()
    found = []
    for other in fact.others:
        name = other.rpartition("/")[2]
        if other != path and (target(other) == arch or name in native):
            found.append(other)
    same = path.rpartition("/")[2]
    return sorted(
        found,
        key=lambda other: (
            not other.endswith(f"/{same}"),
            bool(native & {other.rpartition("/")[2]}),
        ),
    )


def _install(ev: Evidence, arch: str) -> Fix:
    return packages.install(ev, "qemu", "install QEMU", name=arch or "x86_64")
