"""The program that is to be the emulator is no QEMU that runs guests.

## What it means
`<emulator>` names another program: one of QEMU's tools (`qemu-img`, `qemu-nbd`), a user-mode
emulator (`qemu-x86_64`), or something else altogether. It runs, and does not know what it is asked.

## How to confirm
`PATH --version`: an emulator says `QEMU emulator version ...`.

## What to do
Name QEMU's system emulator, `/usr/bin/qemu-system-x86_64`, or leave `<emulator>` out.

## Strings it goes by
- `Failed to start QEMU binary '/usr/bin/qemu-img' for probing: exit status 1: qemu-img: unrecognized option '-S'`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.qemu.emulator_not_installed import alternatives
from virtup.causes.who import edit
from virtup.causes.words import said
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator
from virtup.model.probe_files import Run, RunFact

CODE = "VU446"
SLUG = "emulator-not-qemu"
OVER = ("emulator-probe-failed", "qemu-exit-silent")

_WORDS = re.compile(
    r"failed to start QEMU binary '(?P<path>/[^'\n]+)' for probing: exit status[^\n]*",
    re.IGNORECASE,
)
_VERSION = re.compile(r"QEMU(?: PC)? emulator version", re.IGNORECASE)
_PATH = "/usr/bin/qemu-img"
_SAID = f"Failed to start QEMU binary '{_PATH}' for probing: exit status 1: qemu-img: unrecognized"
POSITIVE = (
    Evidence(
        error=_SAID, uid=991, host={Run(_PATH, 991): RunFact(True, 0, "qemu-img version 7.2.22")}
    ),
)
NEGATIVE = (
    Evidence(error=_SAID),
    Evidence(
        error=_SAID,
        uid=991,
        host={Run(_PATH, 991): RunFact(True, 0, "QEMU emulator version 7.2.22")},
    ),
    Evidence(error=_SAID, uid=991, host={Run(_PATH, 991): RunFact(True, 127, "not found")}),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Run | Emulator]:
    """Ask the program for its version, and the host for its emulators."""
    seen = said(ev).find(_WORDS)
    if seen is not None and ev.uid is not None:
        yield Run(seen["path"], ev.uid, ev.gids)
        yield Emulator(seen["path"], ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for a program that calls itself something else."""
    seen = said(ev).find(_WORDS)
    if seen is None or ev.uid is None:
        return
    path = seen["path"]
    ran = ev.fact(Run(path, ev.uid, ev.gids))
    if ran is None or ran.status != 0 or not ran.words.strip() or _VERSION.search(ran.words):
        return
    fact = ev.fact(Emulator(path, ev.uid, ev.gids))
    others = alternatives(path, fact) if fact is not None else []
    better = f"'{others[0]}'" if others else "QEMU's system emulator"
    own = ran.words.strip().splitlines()[0][:80]
    yield _found(
        f"'{path}', which is to be the emulator, is no QEMU that runs guests.",
        path,
        Certainty.PROVEN,
        (seen.quote, f"this host: '{path} --version' says: {own}"),
        (edit(f"change <emulator> to {better}"),),
        seen.at,
    )


changes = revise.to_other_emulator
