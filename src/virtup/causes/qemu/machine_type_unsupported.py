"""The machine type does not exist in the installed QEMU.

## What it means
The definition was made with a newer QEMU (`pc-q35-9.2` on a QEMU 7.2), with another
distribution's (`pc-i440fx-rhel7.6.0`, `pc-i440fx-bionic`), or with one so old that support was
dropped. A typing error does the same.

## How to confirm
`qemu-system-x86_64 -machine help` lists what this QEMU knows; the finding names the nearest.

## What to do
Use the next version of the same family (`pc` stays i440FX, `q35` stays Q35). The guest sees
slightly other hardware then: Windows may want activation, a saved state no longer fits. Or install
the QEMU that the definition was made for.

## Strings it goes by
- `unsupported machine type 'pc-q35-99.0'` / `Use -machine help to list supported machines`
- `Emulator '/usr/bin/qemu-system-x86_64' does not support machine type 'pc-q35-99.0'`
- `the machine 'pc-q35-99.0' is not supported by emulator '/usr/bin/qemu-system-x86_64'`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.usage import machine
from virtup.causes.who import edit, nearest
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Machines, NamesFact
from virtup.model.repair import Change

CODE = "VU035"
SLUG = "machine-type-unsupported"

_WORDS = re.compile(
    r"unsupported machine type(?: '(?P<a>[^'\n]+)')?"
    r"|unknown machine type '(?P<e>[^'\n]+)'|-M (?P<f>\S+): no such machine|supported machines are:"
    r"|does not support machine type '(?P<b>[^'\n]+)'"
    r"|cannot find machine type (?P<g>\S+) for \w+/"
    r"|the machine '(?P<c>[^'\n]+)' is not supported by emulator"
    r"|machine type '(?P<d>[^'\n]+)' (?:is )?(?:not supported|does not exist|unknown)",
    re.IGNORECASE,
)
_QEMU = "/usr/bin/qemu-system-x86_64"
_SAID = (
    "qemu-system-x86_64: unsupported machine type\nUse -machine help to list supported machines\n"
)
_NAMES = NamesFact(("pc", "pc-i440fx-7.2", "q35", "pc-q35-7.2", "pc-q35-7.1", "none"))
POSITIVE = (
    Evidence(stderr=_SAID, argv=(_QEMU, "-machine", "pc-q35-99.0,accel=tcg")),
    Evidence(
        stderr="qemu-system-x86_64: -machine pc-q35-3.0,accel=kvm,usb=off: unsupported machine "
        "type 'pc-q35-3.0'\nUse -machine help to list supported machines\n"
    ),
    Evidence(
        error=f"unsupported configuration: Emulator '{_QEMU}' does not support machine type "
        "'pc-q35-99.0'",
        emulator=_QEMU,
        uid=991,
        host={Machines(_QEMU, 991): _NAMES},
    ),
    Evidence(error="Cannot find machine type pc-q35-rhel9.2.0 for hvm/x86_64 in {...}"),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: Property 'pc-i440fx-7.2-machine.frob' not found\n"),
    Evidence(
        error=f"unsupported configuration: Emulator '{_QEMU}' does not support machine type 'q35'",
        emulator=_QEMU,
        uid=991,
        host={Machines(_QEMU, 991): _NAMES},
    ),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Machines]:
    """Ask the emulator for its machine types when one was refused."""
    if said(ev).find(_WORDS) is not None and _emulator(ev) and ev.uid is not None:
        yield Machines(_emulator(ev), ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding, with the nearest machine types that this QEMU has."""
    seen = said(ev).find(_WORDS)
    if seen is None:
        return
    wanted = _wanted(seen) or machine(ev.argv)
    known = ev.fact(Machines(_emulator(ev), ev.uid, ev.gids)) if _emulator(ev) else None
    if known is not None and wanted in known.names:
        return
    near = candidates(wanted, known.names) if known and wanted else []
    noun = f"machine type '{wanted}'" if wanted else "machine type that is asked for"
    sentence = f"This QEMU has no {noun}"
    evidence = [seen.quote]
    if near:
        sentence += f"; the nearest that it has: {', '.join(near[:2])}"
        evidence.append(
            f"this host: {_emulator(ev)} lists {len(known.names) if known else 0} types"
        )
    fix = edit(f"change machine='{wanted}' to '{near[0]}'") if near else _look(ev)
    certainty = Certainty.PROVEN if known and wanted else Certainty.LIKELY
    yield _found(sentence + ".", wanted, certainty, tuple(evidence), (fix,), seen.at)


def candidates(wanted: str, names: tuple[str, ...]) -> list[str]:
    """Return the machine types to use in place of *wanted*, best first: its family, then by look.

    Of the family it is the first version after the one that was asked for, else the newest.
    """
    family = _family(wanted)
    version = () if _DISTRIBUTION.search(wanted) else _version(wanted)
    kin = [name for name in names if family and _family(name) == family and _version(name)]
    kin = [name for name in kin if not _DISTRIBUTION.search(name)] or kin
    newest = sorted(kin, key=_version, reverse=True)
    later = [name for name in newest if version and _version(name) >= version]
    return list(dict.fromkeys([*later[-1:], *newest[:1], *nearest(wanted, names)]))


_DISTRIBUTION = re.compile(
    r"[-_](?:rhel\d[\w.]*|(?:xenial|bionic|focal|jammy|noble)(?:-\w+)*|[a-z]+-hpb)$"
)
_NUMBER = re.compile(r"(?<=[-_])v?\d[\w.]*$")
_SHORT = {"pc": "pc-i440fx", "q35": "pc-q35"}
"""Names that stand for the newest of a family; versions before 1.4 had them too (pc-1.2)."""


def _family(name: str) -> str:
    """Return what is left of a machine type without its version."""
    bare = _NUMBER.sub("", _DISTRIBUTION.sub("", name)).rstrip("-_")
    return _SHORT.get(bare, bare)


def _version(name: str) -> tuple[int, ...]:
    """Return the version in a machine type, ``()`` for none."""
    named = re.search(r"\d+\.[\d.]*\d$", name)
    return tuple(map(int, named[0].split("."))) if named else ()


def _emulator(ev: Evidence) -> str:
    return ev.emulator or (ev.argv[0] if ev.argv else "")


def _wanted(seen: Seen) -> str:
    named = next((value for value in seen.match.groupdict().values() if value), "")
    if named:
        return named
    option = re.search(r"-(?:machine|M) (?:type=)?([\w.-]+)", seen.quote)
    return option[1] if option else ""


def _look(ev: Evidence) -> Fix:
    command = f"{_emulator(ev) or 'qemu-system-x86_64'} -machine help"
    return edit(f"change the machine type to one that QEMU has (`{command}` lists them)")


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Name the nearest machine type that there is."""
    return revise.renamed(
        revise.first(ev.definition, "os/type"), "machine", finding, r"change machine='.*' to '(.*)'"
    )
