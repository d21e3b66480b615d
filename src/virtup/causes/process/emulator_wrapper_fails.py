"""The emulator is a script around QEMU, and the script goes wrong.

## What it means
`<emulator>` names a script that is to run QEMU. The shell, or a program that the script calls first
(taskset, numactl, sudo, modprobe), complains; or QEMU is run otherwise than virtup asked: its
arguments are split at blanks (`$*` in place of `"$@"`), the descriptors that it is to inherit are
closed (sudo does that), or an option of the script contradicts one of virtup's.

## How to confirm
`bash -n SCRIPT`, and read it: it has to end with `exec /usr/bin/qemu-system-x86_64 "$@"`.

## What to do
Mend the script at the line that the message names, or take it out of `<emulator>`.

## Strings it goes by
- `/usr/local/bin/qemu-wrap: line 4: numactl: command not found`
- `taskset: failed to set pid 48's affinity: Invalid argument`
- `-chardev socket,id=charmonitor,fd=20,...: File descriptor '20' is not a socket`
- `/usr/bin/env: 'python9': No such file or directory`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from virtup.causes import revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.usage import options
from virtup.causes.who import edit
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Emulator, EmulatorFact, Fact, Probe

CODE = "VU444"
SLUG = "emulator-wrapper-fails"
LAST = True

_SHELL = re.compile(r"^(?P<script>/\S+): (?:line )?(?P<line>\d+): (?P<why>[^\n]+)$", re.MULTILINE)
_ENV = re.compile(
    r"(?:^|: )(?P<who>(?:/usr/bin/)?env): [‘'\"](?P<what>[^’'\"\n]+)[’'\"]: (?P<why>[^\n]+)$",
    re.MULTILINE,
)
_OTHER = re.compile(
    r"^(?P<who>(?!qemu|kvm)[a-z][\w.-]{2,}): (?!warning)(?P<why>[^\n]+)$", re.MULTILINE
)
_SPLIT = re.compile(r"qemu\S*: (?P<word>[^\s:]+): could not open '(?P=word)'", re.IGNORECASE)
_CLOSED = re.compile(
    r"-chardev socket,id=charmonitor,fd=(?P<fd>\d+)[^\n]*(?:is not a socket|bad file descriptor)",
    re.IGNORECASE,
)
_TWICE = re.compile(r"the -accel and \"-machine accel=\" options are incompatible", re.IGNORECASE)
_SCRIPT = "/srv/bin/qemu"
_FACT: dict[Probe[Any], Fact] = {
    Emulator(_SCRIPT, 991): EmulatorFact(exists=True, executable=True, kind="script")
}
POSITIVE = (
    Evidence(stderr=f"{_SCRIPT}: line 4: numactl: command not found\n", emulator=_SCRIPT),
    Evidence(
        stderr="taskset: failed to set pid 48's affinity: Invalid argument\n",
        emulator=_SCRIPT,
        uid=991,
        host=_FACT,
    ),
    Evidence(
        stderr="qemu-system-x86_64: quiet: Could not open 'quiet': No such file or directory\n",
        argv=(_SCRIPT, "-append", "console=ttyS0 quiet"),
        emulator=_SCRIPT,
        uid=991,
        host=_FACT,
    ),
    Evidence(
        stderr="qemu-system-x86_64: -chardev socket,id=charmonitor,fd=20,server=on,wait=off: File "
        "descriptor '20' is not a socket\n",
        emulator=_SCRIPT,
        uid=991,
        host=_FACT,
    ),
)
NEGATIVE = (
    Evidence(stderr="taskset: failed to set pid 48's affinity: Invalid argument\n"),
    Evidence(stderr="/srv/other: line 4: numactl: command not found\n", emulator=_SCRIPT),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Emulator]:
    """Ask what the emulator is, where the words may be a script's."""
    if ev.emulator and ev.uid is not None and not ev.ahead and any(True for _ in _told(ev)):
        yield Emulator(ev.emulator, ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for the first thing that went wrong in the script."""
    fact = ev.fact(Emulator(ev.emulator, ev.uid, ev.gids)) if ev.uid is not None else None
    is_script = fact is not None and fact.kind == "script"
    for sentence, fix, seen, own in _told(ev):
        if not own and not is_script:
            continue
        shown = (f"this host: '{ev.emulator}' is a script",) if is_script else ()
        quotes = (seen.quote, *shown)
        certainty = Certainty.PROVEN if is_script else Certainty.LIKELY
        yield _found(sentence, ev.emulator, certainty, quotes, (Fix(fix), _out()), seen.at)
        return


changes = revise.to_other_emulator


def _out() -> Fix:
    return edit("or take the script out: name QEMU itself in <emulator>")


def _told(ev: Evidence) -> Iterator[tuple[str, str, Seen, bool]]:
    """Yield what the script does wrong, what mends it, the words, and whether they name it."""
    words, name = said(ev), ev.emulator
    mend = f"mend '{name}'"
    for seen in words.find_all(_SHELL):
        if seen["script"] == name:
            where = f"line {seen['line']}"
            what = f"The emulator '{name}' is a script, and fails at {where}: {seen['why']}."
            yield what, f"{mend} at {where}", seen, True
    for seen in words.find_all(_ENV):
        what = f"The emulator '{name}' is a script for '{seen['what']}', which is not installed."
        yield what, f"install '{seen['what']}', or correct the first line of '{name}'", seen, False
    for seen in words.find_all(_OTHER):
        what = f"The emulator '{name}' is a script, and '{seen['who']}' fails in it: {seen['why']}."
        yield what, f"{mend} where it calls '{seen['who']}'", seen, False
    for seen in words.find_all(_SPLIT):
        if any(seen["word"] in _words(one.value) for one in options(ev.argv)):
            what = f"The emulator '{name}' is a script that splits QEMU's arguments at blanks."
            yield what, f'{mend}: hand the arguments on with "$@" in double quotes', seen, False
    for seen in words.find_all(_CLOSED):
        what = (
            f"The emulator '{name}' is a script that closes descriptor {seen['fd']}, which QEMU is "
            "to inherit."
        )
        yield what, f"{mend}: 'exec' QEMU in it, and without sudo", seen, False
    for seen in words.find_all(_TWICE):
        what = f"The emulator '{name}' is a script that adds an accelerator to QEMU's options."
        yield what, f"{mend}: leave -enable-kvm and -accel to <domain type='kvm'>", seen, False


def _words(value: str) -> list[str]:
    """The words that a shell would make of an argument, if they are more than one."""
    words = value.split()
    return words if len(words) > 1 else []
