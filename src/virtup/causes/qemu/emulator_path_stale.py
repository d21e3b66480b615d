"""The emulator element names a binary path that no longer exists.

## What it means
The definition names its emulator (`<emulator>/usr/libexec/qemu-kvm</emulator>`), and there is no
such file: it came from another distribution, or a package moved the binary. The host has another
QEMU for the same architecture.

## How to confirm
`ls -l PATH`; `ls /usr/bin/qemu-system-*`.

## What to do
Name a binary that exists, or drop the `<emulator>` element: virtup then takes the host's own.

## Strings it goes by
- `Cannot check QEMU binary '/usr/bin/kvm-spice': No such file or directory`
- `Cannot run QEMU binary '/opt/qemu/bin/qemu-system-x86_64': No such file or directory`
- `Failed to start QEMU binary '...' for probing: ... No such file or directory`
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial

from virtup.causes import program, revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.qemu.emulator_not_installed import PATH, alternatives
from virtup.causes.who import edit
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator, EmulatorFact

CODE = "VU031"
SLUG = "emulator-path-stale"

_OLD = "/usr/libexec/qemu-kvm"
POSITIVE = (
    Evidence(error=f"Cannot check QEMU binary '{_OLD}': No such file or directory"),
    Evidence(
        phase="exec",
        errno=errno.ENOENT,
        path=_OLD,
        emulator=_OLD,
        uid=991,
        host={Emulator(_OLD, 991): EmulatorFact(host_machine="x86_64", others=(PATH,))},
    ),
    Evidence(error="cannot execute binary /usr/bin/kvm-spice: No such file or directory"),
)
NEGATIVE = (
    Evidence(error=f"Cannot run QEMU binary '{_OLD}': Permission denied"),
    Evidence(
        phase="exec",
        errno=errno.ENOENT,
        path=PATH,
        uid=991,
        host={Emulator(PATH, 991): EmulatorFact(host_machine="x86_64")},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Emulator]:
    """Ask for the program when it did not run."""
    return program.probe(ev)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the named binary is gone and, once looked, another is there."""
    gone = program.not_run(ev)
    if gone is None or gone.errno != errno.ENOENT:
        return
    if gone.fact is None:
        fix = edit(f"name a QEMU that exists instead of '{gone.path}', or drop <emulator>,")
        yield _found(
            f"The emulator '{gone.path}' does not exist.",
            gone.path,
            Certainty.LIKELY,
            gone.quotes,
            (fix,),
            gone.at,
        )
        return
    others = alternatives(gone.path, gone.fact)
    if gone.fact.exists or not others:
        return
    yield _found(
        f"The emulator '{gone.path}' does not exist; this host has '{others[0]}'.",
        gone.path,
        Certainty.PROVEN,
        (*gone.quotes, f"this host has no '{gone.path}'"),
        (edit(f"change <emulator> to '{others[0]}', or drop it,"),),
        gone.at,
    )


changes = revise.to_other_emulator
