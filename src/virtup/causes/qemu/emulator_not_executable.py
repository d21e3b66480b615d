"""The emulator is there, and QEMU's user may not execute it.

## What it means
The file lacks the execute bit, a directory on the way is closed to the account that QEMU runs as,
or its file system is mounted `noexec`.

## How to confirm
`namei -l PATH`; `findmnt -T PATH -o OPTIONS`; `runuser -u QEMU_USER -- PATH --version`.

## What to do
Put the binary where programs belong (`/usr/local/bin`), with mode 0755. A binary from a home
directory or from `/tmp` is closed to QEMU's account or `noexec` on many hosts.

## Strings it goes by
- `Cannot run QEMU binary '/opt/qemu': Permission denied`
- `cannot execute binary /opt/qemu: Permission denied`
- `Process exited prior to exec: libvirt: error : cannot execute binary`
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from functools import partial

from virtup.causes import program, revise
from virtup.causes.finding import Certainty, Finding, Fix, Safety, mend
from virtup.causes.program import NotRun
from virtup.causes.qemu.emulator_not_installed import alternatives
from virtup.causes.who import account, edit, grant, mode
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator, EmulatorFact, PathAccess, PathFact
from virtup.model.repair import SetMode

CODE = "VU032"
SLUG = "emulator-not-executable"

_OWN = "/opt/qemu/qemu-system-x86_64"
_SAID = f"Cannot run QEMU binary '{_OWN}': Permission denied"
POSITIVE = (
    Evidence(error=_SAID),
    Evidence(
        phase="exec",
        errno=errno.EACCES,
        path=_OWN,
        uid=991,
        host={
            PathAccess(_OWN, "execute", 991): PathFact(
                exists=True, blocked=_OWN, lacks="execute", owner="root", group="root", mode="0644"
            ),
            Emulator(_OWN, 991): EmulatorFact(exists=True, kind="elf"),
        },
    ),
    Evidence(
        phase="exec",
        errno=errno.EACCES,
        path="/etc/passwd",
        uid=991,
        host={
            PathAccess("/etc/passwd", "execute", 991): PathFact(
                exists=True, blocked="/etc/passwd", lacks="execute", mode="0644"
            ),
            Emulator("/etc/passwd", 991): EmulatorFact(exists=True, kind="other"),
        },
    ),
)
NEGATIVE = (
    Evidence(error=f"Cannot run QEMU binary '{_OWN}': No such file or directory"),
    Evidence(error=f"Cannot run QEMU binary '{_OWN}': Exec format error"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Emulator | PathAccess]:
    """Ask for the program, and for the way to it."""
    yield from program.probe(ev)
    if ev.ahead and ev.uid is not None:
        yield PathAccess(ev.emulator, "execute", ev.uid, ev.gids)
    refused = program.not_run(ev)
    if refused is not None and ev.uid is not None:
        yield PathAccess(refused.path, "execute", ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding when the program is refused to QEMU's account."""
    refused = program.not_run(ev)
    if refused is None or refused.errno not in {errno.EACCES, errno.EPERM}:
        return
    fact = ev.fact(PathAccess(refused.path, "execute", ev.uid, ev.gids))
    if fact is None or (fact.allowed and fact.kind != "directory"):
        look = Fix("see what keeps it out", (f"namei -l {shlex.quote(refused.path)}",))
        sentence = f"{account(ev)} may not execute the emulator '{refused.path}'."
        certainty = Certainty.LIKELY if fact is None else Certainty.POSSIBLE
        yield _found(sentence, refused.path, certainty, refused.quotes, (look,), refused.at)
        return
    yield _proven(ev, refused, fact)


def _proven(ev: Evidence, refused: NotRun, fact: PathFact) -> Finding:
    path = refused.path
    program = refused.fact
    folder = fact.kind == "directory" and fact.blocked in {"", path}
    if folder or (program is not None and program.kind in {"other", "empty"}):
        what = "a directory" if folder else "no program"
        sentence = f"'{path}', which is to be the emulator, is {what} ({mode(fact)})."
        others = alternatives(path, program) if program is not None else []
        better = f"'{others[0]}'" if others else "a real QEMU"
        fix = edit(f"change <emulator> to {better}")
        seen = f"this host: '{path}' is neither an ELF program nor a script"
        if folder:
            seen = f"this host: '{path}' is a directory"
    elif fact.blocked == path:
        sentence = f"{account(ev)} may not execute the emulator '{path}' ({mode(fact)})."
        fix = mend("make it executable", SetMode(path, "a+rx", fact.mode), safety=Safety.CONFIRM)
        seen = f"this host: '{path}' has {mode(fact)}"
    elif fact.blocked:
        sentence = (
            f"{account(ev)} may not search the directory '{fact.blocked}' ({mode(fact)}), "
            f"so it cannot run the emulator '{path}'."
        )
        fix = grant(ev, fact)
        seen = f"this host: '{fact.blocked}' has {mode(fact)}"
    else:
        sentence = f"'{fact.noexec}', which holds the emulator '{path}', is mounted noexec."
        fix = Fix("put the emulator on a file system for programs, such as /usr/local/bin")
        seen = f"this host: '{fact.noexec}' is mounted noexec"
    evidence = (*refused.quotes, seen)
    return _found(sentence, path, Certainty.PROVEN, evidence, (fix,), refused.at)


changes = revise.to_other_emulator
