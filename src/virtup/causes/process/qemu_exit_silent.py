"""QEMU exited before its monitor came up, and said nothing.

## What it means
The program ended by itself without a word. QEMU always says why it gives up, so what ran was most
likely a wrapper script that ended (status 0: it did something else than run QEMU; 126 or 127: it did
not find it), or QEMU's words went elsewhere.

## How to confirm
Run the emulator by hand: `EMULATOR --version; echo $?`. `file -L EMULATOR` tells a script.

## What to do
Repair the wrapper so that it `exec`s QEMU with all arguments, or name the real binary.

## Strings it goes by
- `process exited while connecting to monitor` (with nothing after it)
- `early end of file from monitor: possible problem:` (with nothing after it)
- `qemu unexpectedly closed the monitor` (with nothing after it)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.signals import whose
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator, EmulatorFact

CODE = "VU057"
SLUG = "qemu-exit-silent"

_SHIM = "/opt/wrapper"
POSITIVE = (
    Evidence(phase="monitor", exit_status=0, emulator=_SHIM),
    Evidence(
        phase="monitor",
        exit_status=3,
        emulator=_SHIM,
        uid=991,
        host={Emulator(_SHIM, 991): EmulatorFact(exists=True, executable=True, kind="script")},
    ),
)
NEGATIVE = (
    Evidence(phase="monitor", exit_status=1, stderr="qemu-system-x86_64: -x: invalid option\n"),
    Evidence(phase="monitor", signal=9),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Emulator]:
    """Ask what the emulator is."""
    if _silent(ev) and ev.emulator and ev.uid is not None:
        yield Emulator(ev.emulator, ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for an exit without words."""
    if not _silent(ev):
        return
    fact = ev.fact(Emulator(ev.emulator, ev.uid, ev.gids)) if ev.uid is not None else None
    program = f"'{ev.emulator}'" if ev.emulator else "the emulator"
    evidence = [f"{whose(ev)} exited with status {ev.exit_status} and wrote nothing"]
    sentence = f"QEMU exited with status {ev.exit_status} without a word before its monitor came up"
    if fact is not None and fact.kind == "script":
        evidence.append(f"this host: {program} is a script")
        sentence += f": {program} is a script, a wrapper"
    run = Fix(
        f"run {program} by hand and see", (f"{ev.emulator or 'EMULATOR'} --version; echo $?",)
    )
    yield _found(sentence + ".", program.strip("'"), Certainty.PROVEN, tuple(evidence), (run,), 0)


def _silent(ev: Evidence) -> bool:
    spoke = said(Evidence(stderr=ev.stderr)).lines or "terminating on signal" in ev.stderr
    return bool(ev.phase) and ev.exit_status is not None and not spoke
