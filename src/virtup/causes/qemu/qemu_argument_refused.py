"""QEMU refuses one of its arguments, for a reason that only its own words tell.

## What it means
QEMU names the argument that it stops at: a device, a disk, a back end. virtup knows what of the
definition that argument was made from, or that a person wrote it (`<qemu:commandline>`). What
is wrong with it stands in QEMU's message; no other cause of this list fits.

## How to confirm
`virtup attempts NAME` shows the whole command line; the message quotes the argument.

## What to do
Correct that element, or that `<qemu:arg>`, by what QEMU says of it.

## Strings it goes by
- `-device {"driver":"isa-serial",...}: Max. supported number of ISA serial ports is 4.`
- `invalid queue-size property (1000), must be a power of 2 (max 1024)`
- `Property 'e1000.netdev' can't find value 'hostnet9'`
- `unknown vga type: cirus`, `can't apply global PIIX4_PM.disable_s9=1`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from lxml import etree

from virtup.causes import definition, revise
from virtup.causes.finding import Certainty, Finding, Fix
from virtup.causes.usage import Option, options
from virtup.causes.who import edit
from virtup.causes.words import Seen, said
from virtup.model.evidence import Evidence
from virtup.model.probe import Fact, Probe
from virtup.model.repair import Change

CODE = "VU441"
SLUG = "qemu-argument-refused"
LAST = True

_QUOTED = re.compile(
    r"(?<!\S)-(?P<name>[a-zA-Z][\w-]*) (?P<value>[^\n]+?): (?P<why>[^\n]+)$", re.MULTILINE
)
_PLAIN = re.compile(r"^\S*(?:qemu|kvm)[\w.-]*: (?P<why>[^\n]+)$", re.MULTILINE)
_ALIAS = re.compile(
    r"^(?:char|host|obj|fsdev-)?(?P<kind>net|serial|parallel|channel|console|input|video|sound|rng"
    r"|watchdog|fs|balloon|hostdev|redir)(?P<number>\d+)(?:-codec\d+)?$"
)
_TAGS = {"net": "interface", "fs": "filesystem", "balloon": "memballoon", "redir": "redirdev"}
_ARG = "{http://libvirt.org/schemas/domain/qemu/1.0}"
_LINE = ("/usr/bin/qemu-system-x86_64", "-device", '{"driver":"isa-serial","id":"serial0"}')
_XML = (
    "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><devices><serial type='pty'/>"
    "</devices><qemu:commandline><qemu:arg value='-vga'/><qemu:arg value='cirus'/>"
    "</qemu:commandline></domain>"
)
POSITIVE = (
    Evidence(
        stderr='qemu-system-x86_64: -device {"driver":"isa-serial","id":"serial0"}: Max. supported '
        "number of ISA serial ports is 4.\n",
        argv=_LINE,
        definition=_XML,
    ),
    Evidence(
        stderr="qemu-system-x86_64: unknown vga type: cirus\n",
        argv=(_LINE[0], "-vga", "cirus"),
        definition=_XML,
    ),
)
NEGATIVE = (
    Evidence(stderr="qemu-system-x86_64: unknown vga type: cirus\n"),
    Evidence(
        stderr="qemu-system-x86_64: -device {}: Max. supported number of ISA serial ports is 4.\n",
        argv=_LINE,
        definition=_XML,
    ),
)

_found = partial(Finding, CODE, SLUG)


@dataclass(frozen=True, slots=True)
class _Refused:
    """An argument that QEMU stopped at, and why; ``raw`` are the words that a person wrote."""

    option: Option
    why: str
    seen: Seen
    raw: tuple[etree._Element, ...] = ()


def probes(_ev: Evidence) -> tuple[Probe[Fact], ...]:
    """Ask for nothing: QEMU has spoken, and nobody knows what of."""
    return ()


def find(ev: Evidence) -> Iterator[Finding]:
    """Yield the finding for the first argument that QEMU's words are about."""
    refused = _refused(ev)
    if refused is None:
        return
    why = refused.why.rstrip(".")
    if refused.raw:
        shown = " ".join(f"<qemu:arg value='{one.get('value')}'/>" for one in refused.raw)
        subject = str(refused.raw[-1].get("value"))
        sentence = f"QEMU refuses what <qemu:commandline> gives it, '{subject}': {why}."
        fix = edit(f"correct or remove {shown}")
    else:
        element = _element(ev, refused.option)
        alias = _named(refused.option)
        noun = definition.place(element) if element is not None else ""
        subject = _target(element) or alias or refused.option.name
        sentence = f"QEMU refuses {noun or 'its argument'} ('{subject}'): {why}."
        fix = edit(f"correct {noun}") if noun else Fix("see what the option asks of the host")
    quotes = (refused.seen.quote,)
    yield _found(sentence, subject, Certainty.LIKELY, quotes, (fix,), refused.seen.at)


def changes(ev: Evidence, _finding: Finding) -> tuple[Change, ...]:
    """Remove the argument that a person wrote."""
    refused = _refused(ev)
    return revise.dropped(*refused.raw) if refused is not None else ()


def _refused(ev: Evidence) -> _Refused | None:
    words = said(ev)
    written = tuple(_written(ev))
    for seen in words.find_all(_QUOTED):
        for option in options(ev.argv):
            head = f"-{option.name} {option.value}: "
            at = seen.line.find(head)
            if option.value and at >= 0:
                raw = next((pair for pair in written if _is(pair, option)), ())
                return _Refused(option, seen.line[at + len(head) :], seen, raw)
    for seen in words.find_all(_PLAIN):
        for pair in written:
            if any(_stands_in(seen["why"], word) for word in _telling(pair)):
                name, *more = (str(one.get("value", "")) for one in pair)
                option = Option(name.lstrip("-"), more[0] if more else "")
                return _Refused(option, seen["why"], seen, pair)
    return None


def _written(ev: Evidence) -> Iterator[tuple[etree._Element, ...]]:
    """Yield the arguments that a person wrote, each option with its value."""
    root = revise.first(ev.definition, ".")
    pair: tuple[etree._Element, ...] = ()
    for one in root.iterfind(f"{_ARG}commandline/{_ARG}arg") if root is not None else ():
        if pair and (len(pair) == 2 or str(one.get("value", "")).startswith("-")):
            yield pair
            pair = ()
        pair += (one,)
    if pair:
        yield pair


def _is(pair: tuple[etree._Element, ...], option: Option) -> bool:
    words = [str(one.get("value", "")) for one in pair]
    return words == [f"-{option.name}", option.value]


def _telling(pair: tuple[etree._Element, ...]) -> Iterator[str]:
    """Yield the words of an argument by which a message may name it."""
    for one in pair:
        for word in re.split(r"[,=]", str(one.get("value", ""))):
            yield word.lstrip("-")


def _stands_in(message: str, word: str) -> bool:
    bounds = rf"(?<![\w/-]){re.escape(word)}(?![\w/-])"
    return len(word) > 3 and re.search(bounds, message) is not None


def _named(option: Option) -> str:
    fields = option.fields()
    return str(fields.get("id") or fields.get("node-name") or fields.get("") or "")


def _element(ev: Evidence, option: Option) -> etree._Element | None:
    """Return what of the definition an argument was made from, as far as its name tells."""
    alias = _ALIAS.match(_named(option))
    if alias is None:
        return _disk(ev, option)
    tag = _TAGS.get(alias["kind"], alias["kind"])
    every = list(definition.devices(ev.definition, tag))
    number = int(alias["number"])
    return every[number] if number < len(every) else None


def _disk(ev: Evidence, option: Option) -> etree._Element | None:
    """Return the disk that a device shows, or a node opens."""
    nodes = {
        str(one.fields().get("node-name", "")): one.fields()
        for one in options(ev.argv)
        if one.name == "blockdev"
    }
    fields = option.fields()
    while fields and not fields.get("filename"):
        fields = nodes.pop(str(fields.get("drive") or fields.get("file") or ""), {})
    path = fields.get("filename")
    for disk in definition.devices(ev.definition, "disk"):
        source = disk.find("source")
        if source is not None and path and path in {source.get("file"), source.get("dev")}:
            return disk
    return None


def _target(element: etree._Element | None) -> str:
    target = element.find("target") if element is not None else None
    return str(target.get("dev", "")) if target is not None else ""
