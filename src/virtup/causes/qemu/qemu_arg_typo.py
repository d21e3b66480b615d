"""A typing error in a raw QEMU argument.

## What it means
QEMU does not understand an option, a property or a value that it was given. When the definition has
`<qemu:commandline>`, the fault is almost always there: virtup's own options are checked against
what the emulator says that it knows.

## How to confirm
The message quotes the argument. `qemu-system-x86_64 -help` lists the options,
`qemu-system-x86_64 -device NAME,help` the properties of a device.

## What to do
Correct or remove the `<qemu:arg>`. A JSON value must be whole JSON; a comma inside a value of the
`key=value` form is written twice.

## Strings it goes by
- `-frobnicate: invalid option`, `-device: requires an argument`
- `Property 'virtio-blk-pci.drvie' not found`, `Property '...' doesn't take value '...'`
- `Invalid parameter '...'`, `Parameter '...' does not accept value '...'`, `Parameter '...' is missing`
- `JSON parse error`, `Duplicate ID '...' for device`, `drive with bus=..., unit=... exists`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from virtup.causes import revise
from virtup.causes.finding import Certainty, Finding
from virtup.causes.usage import options
from virtup.causes.who import edit, nearest
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import NamesFact, Options
from virtup.model.repair import Change

CODE = "VU037"
SLUG = "qemu-arg-typo"

_WORDS = re.compile(
    r"(?:^|(?<=\s))(?P<option>-[a-zA-Z][\w-]*)(?P<args>[^\n]*?): "
    r"(?:(?P<invalid>invalid option)|(?P<bare>requires an argument)"
    r"|property '(?P<property>[^'\n]+)' not found"
    r"|property '(?P<takes>[^'\n]+)' doesn't take value '(?P<value>[^'\n]*)'"
    r"|invalid parameter '(?P<parameter>[^'\n]+)'"
    r"|parameter '(?P<accepts>[^'\n]+)' (?:does not accept value|expects)[^\n]*"
    r"|parameter '(?P<missing>[^'\n]+)' is missing"
    r"|parameter '(?P<extra>[^'\n]+)' is unexpected"
    r"|block (?:format|protocol) '[^'\n]+' (?:used by [^\n]*? )?does(?:n't| not) support the option '(?P<unknown>[^'\n]+)'"
    r"|(?P<json>JSON parse error[^\n]*)"
    r"|duplicate ID '(?P<twice>[^'\n]+)')",
    re.IGNORECASE | re.MULTILINE,
)
_MACHINE = re.compile(
    r"property '(?P<property>[\w.-]+-(?:machine|cpu)\.[\w-]+)' not found", re.IGNORECASE
)
_QEMU = "/usr/bin/qemu-system-x86_64"
POSITIVE = (
    Evidence(stderr="qemu-system-x86_64: -frobnicate: invalid option\n"),
    Evidence(
        stderr="qemu-system-x86_64: -frobnicate: invalid option\n",
        definition="<domain><qemu:commandline><qemu:arg value='-frobnicate'/></qemu:commandline>",
    ),
    Evidence(stderr="qemu-system-x86_64: -device: requires an argument\n"),
    Evidence(
        stderr="qemu-system-x86_64: -device virtio-blk-pci,drvie=x: Property "
        "'virtio-blk-pci.drvie' not found\n"
    ),
    Evidence(
        stderr="qemu-system-x86_64: -device ide=hd,bus=sata.4: Parameter 'driver' is missing\n"
    ),
    Evidence(
        stderr='qemu-system-x86_64: -blockdev {"driver":"file",}: JSON parse error, expecting value\n'
    ),
    Evidence(stderr="qemu-system-x86_64: Property 'pc-i440fx-7.2-machine.frob' not found\n"),
    Evidence(
        stderr="qemu-system-x86_64: -nodefalts: invalid option\n",
        emulator=_QEMU,
        uid=991,
        host={Options(_QEMU, 991): NamesFact(("nodefaults", "no-reboot", "device"))},
    ),
    Evidence(
        stderr="qemu-system-x86_64: -drive file=/v/a,frmat=raw: Block format 'raw' does not support the option 'frmat'\n"
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: -device frob: 'frob' is not a valid device model name\n"),
    Evidence(stderr="qemu-system-x86_64: -vnc 127.0.0.1:7: Failed to find an available port\n"),
)

_found = partial(Finding, CODE, SLUG)


def probes(ev: Evidence) -> Iterator[Options]:
    """Ask the emulator for its options when it refused one, or a person wrote some."""
    if _raw(ev) and ev.uid is not None:
        yield Options(ev.emulator, ev.uid, ev.gids)
    seen = said(ev).find(_WORDS)
    if seen is not None and seen["invalid"] and ev.emulator and ev.uid is not None:
        yield Options(ev.emulator, ev.uid, ev.gids)


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for the first argument that QEMU did not understand."""
    yield from _foreseen(ev)
    words = said(ev)
    seen = words.find(_WORDS)
    if seen is None:
        seen = words.find(_MACHINE)
        if seen is not None:
            name = seen["property"]
            if "-cpu." in name.lower():
                yield _feature(ev, name.rpartition(".")[2], seen)
                return
            sentence = f"QEMU does not understand its arguments: there is no property '{name}'."
            fix = edit(f"remove what sets '{name.rpartition('.')[2]}'")
            sure = _certainty(ev, name.rpartition(".")[2])
            yield _found(sentence, name, sure, (seen.quote,), (fix,), seen.at)
        return
    option = seen["option"]
    near, proven = _options(ev, seen)
    sentence = f"QEMU does not understand its argument '{option}': {_why(seen)}"
    if near:
        sentence += f" (did you mean '-{near[0]}'?)"
    evidence = [seen.quote]
    if proven:
        evidence.append(f"this host: {ev.emulator} lists no option '{option}'")
    fix = edit(f"correct or remove <qemu:arg value='{option}'/>")
    if not _is_raw(ev, option):
        fix = edit(f"correct what gives '{option}', or use a QEMU that knows it,")
    certainty = Certainty.PROVEN if proven else _certainty(ev, option)
    yield _found(sentence + ".", option, certainty, tuple(evidence), (fix,), seen.at)


def _feature(ev: Evidence, name: str, seen: Seen) -> Finding:
    """Return the finding for a processor's feature that QEMU does not know by that name."""
    root = revise.first(ev.definition, "cpu")
    named = root.find(f"feature[@name='{name}']") if root is not None else None
    shown = (f"the definition has <feature name='{name}'/>",) if named is not None else ()
    return _found(
        f"This QEMU knows no CPU feature '{name}'.",
        name,
        Certainty.PROVEN if shown else _certainty(ev, name),
        (seen.quote, *shown),
        (edit(f"correct or remove <feature name='{name}'/>", *revise.dropped(named)),),
        seen.at,
    )


def _raw(ev: Evidence) -> list[str]:
    """Return the options that a person wrote, of a start that was not tried yet."""
    named = [f"-{option.name}" for option in options(ev.argv) if option.name]
    return [option for option in named if _is_raw(ev, option)] if ev.ahead else []


def _foreseen(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for what ``-help`` does not list; QEMU has a few more options than that."""
    for option in _raw(ev):
        known = ev.fact(Options(ev.emulator, ev.uid, ev.gids))
        if known is None or not known.names or option[1:] in known.names:
            continue
        near = nearest(option[1:], known.names, 1, 0.75)
        hint = f" (did you mean '-{near[0]}'?)" if near else ""
        yield _found(
            f"QEMU does not understand its argument '{option}': there is no such option{hint}.",
            option,
            Certainty.LIKELY,
            (f"this host: {ev.emulator} lists no option '{option}'",),
            (edit(f"correct or remove <qemu:arg value='{option}'/>"),),
        )


def _options(ev: Evidence, seen: Seen) -> tuple[list[str], bool]:
    name = seen["option"].lstrip("-")
    known = ev.fact(Options(ev.emulator, ev.uid, ev.gids)) if ev.emulator else None
    if not seen["invalid"] or known is None or not known.names or name in known.names:
        return [], False
    return nearest(name, known.names, 1, 0.75), True


def _is_raw(ev: Evidence, option: str) -> bool:
    return "commandline" in ev.definition and option in ev.definition


def _certainty(ev: Evidence, option: str) -> Certainty:
    """An argument that no person wrote may as well be one that this QEMU is too old for."""
    return Certainty.LIKELY if _is_raw(ev, option) else Certainty.POSSIBLE


def _why(seen: Seen) -> str:
    reasons = (
        ("invalid", "there is no such option"),
        ("bare", "it needs a value after it"),
        ("property", "there is no property '{}'"),
        ("takes", "property '{}' does not take that value"),
        ("parameter", "there is no parameter '{}'"),
        ("extra", "there is no parameter '{}'"),
        ("unknown", "there is no option '{}' of a disk"),
        ("accepts", "parameter '{}' does not take that value"),
        ("missing", "parameter '{}' is missing"),
        ("json", "its value is not whole JSON"),
        ("twice", "the id '{}' is used twice"),
    )
    return next(text.format(seen[group]) for group, text in reasons if seen[group])


def changes(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Remove the argument that a person wrote, with the value after it."""
    root = revise.first(ev.definition, ".")
    words = list(root.iterfind(f"{_QEMU}commandline/{_QEMU}arg")) if root is not None else []
    values = [str(one.get("value", "")) for one in words]
    places = [at for at, value in enumerate(values) if value == finding.subject]
    if not places:
        return ()
    # of several such options it is the one whose value QEMU quotes
    quoted = " ".join(finding.evidence)
    told = [at for at in places if f"{values[at]} {''.join(values[at + 1 : at + 2])}: " in quoted]
    at = (told or places)[0]
    follows = values[at + 1 : at + 2]
    count = 2 if follows and not follows[0].startswith("-") else 1
    return revise.dropped(*words[at : at + count])


_QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
