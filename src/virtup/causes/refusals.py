"""Definitions that virtup itself refuses by a sentence: the change of them that plainly mends it."""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

from virtup.causes import definition, revise
from virtup.causes.finding import Fix
from virtup.causes.who import edit, mistyped
from virtup.model import document
from virtup.model.evidence import Evidence
from virtup.model.repair import Change

DISPENSABLE = frozenset(
    [
        "uuid",
        "title",
        "description",
        "metadata",
        "wwn",
        "vendor",
        "product",
        "serial",
        "maxMemory",
        "launchSecurity",
        "tpm",
        "hostdev",
        "redirdev",
        "redirfilter",
        "rng",
        "watchdog",
        "sound",
        "smartcard",
        "shmem",
        "panic",
        "vsock",
        "iommu",
        "hub",
        "seclabel",
        "resource",
        "cputune",
        "numatune",
        "blkiotune",
        "memtune",
        "perf",
        "idmap",
        "keywrap",
        "sysinfo",
        "throttlegroups",
        "iotune",
        "geometry",
    ]
)
"""Elements without which a guest starts all the same, lacking what they give."""

_UNITS = {
    "byte": "bytes",
    "kilobyte": "KB",
    "megabyte": "MB",
    "gigabyte": "GB",
    "terabyte": "TB",
    "kibibyte": "KiB",
    "mebibyte": "MiB",
    "gibibyte": "GiB",
    "tebibyte": "TiB",
}
_LACKED = frozenset(["type", "name", "mode", "model", "bus"])
"""What says which kind of thing is meant: libvirt knows more kinds than virtup gives."""
_NAMED = {"vhd": "vpc"}
"""Names of old for what QEMU calls otherwise."""

_WORD = re.compile(
    r"(?:attribute '(?P<key>[\w:]+)' of )?<(?P<tag>[\w:.-]+)> is '(?P<value>[^'\n]*)', "
    r"accepted is (?P<accepted>'[^\n]*)"
)
_PLACE = re.compile(r"line (?P<line>\d+)(?:, column \d+)?\)")
_LIKE = re.compile(r"is not supported; did you mean (?P<meant><[^>\n]+>|'[^'\n]+')\?")
_LIBVIRTS = ("element <vcpus>", "element <smbios>")
"""What libvirt knows, and looks like something else."""
_VALUE = re.compile(r"<(?P<tag>[\w:.-]+)> is '(?P<value>[^']*)', accepted is ")
_UNKNOWN = re.compile(r"element <(?P<tag>[\w:.-]+)> in <(?P<above>[\w:.-]+)> is not supported")
_NETWORK = re.compile(r"attribute 'type' of <interface> is '(?P<value>[^']*)', accepted is ")

Mended = tuple[str, tuple[Change, ...]]
"""What is done, for a person, and the changes that do it."""


def ways_out(ev: Evidence) -> tuple[Fix, ...]:
    """Return the fix of the definition that was refused with ``ev.error``, none if none is plain."""
    for pattern, mend in _WAYS:
        seen = pattern.search(ev.error)
        if seen is not None:
            text, changes = mend(ev.definition, seen)
            if changes:
                return (edit(text, *changes),)
    return ()


def hint(message: str) -> Fix | None:
    """Return the fix for a name that nobody knows and that is like a known one, else None."""
    seen = _LIKE.search(message)
    if seen is None or any(one in message for one in _LIBVIRTS):
        return None
    return edit(f"write {seen['meant']} there, if that was meant,")


def choices(message: str) -> list[str]:
    """Return the words that a refusal says are accepted, none where it is no choice of words."""
    _, _, accepted = message.rpartition("accepted is ")
    accepted, _, _ = accepted.partition(" (")
    return re.findall(r"'([^']*)'", accepted) if accepted.startswith("'") else []


def meant(ev: Evidence) -> str:
    """Return the word that was meant where another one was refused, ``""`` when none is near."""
    seen = _WORD.search(ev.error)
    return _meant(seen) if seen is not None else ""


def _meant(seen: re.Match[str]) -> str:
    words = choices(seen[0])
    other = _NAMED.get(seen["value"], "")
    return other if other in words else mistyped(seen["value"], words)


def is_lacking(ev: Evidence) -> bool:
    """Was a kind of thing refused that libvirt may know, and not a slip of the keys?"""
    seen = _WORD.search(ev.error)
    return seen is not None and seen["key"] in _LACKED and not _meant(seen)


def element_of(ev: Evidence, tag: str, line: str) -> etree._Element | None:
    """Return the element *tag* that the message *line* is about, None when it is not there."""
    place = _PLACE.search(line)
    if place is None:
        return None
    named = _elements(ev.definition, tag.rpartition(":")[2])
    return next((one for one in named if document.line_of(one) == int(place["line"])), None)


def _word(xml: str, seen: re.Match[str]) -> Mended:
    """Write the word that was meant."""
    new = _meant(seen)
    having = [one for one in _elements(xml, seen["tag"]) if _holds(one, seen)]
    if not new or not having:
        return "", ()
    text = f"change '{seen['value']}' to '{new}'"
    if seen["key"]:
        return text, revise.given(having[0], seen["key"], new)
    return text, revise.written(having[0], new)


def _holds(element: etree._Element, seen: re.Match[str]) -> bool:
    there = element.get(seen["key"]) if seen["key"] else (element.text or "").strip()
    return there == seen["value"]


def _value(xml: str, seen: re.Match[str]) -> Mended:
    """Leave out what can be, correct a unit that was spelled out."""
    tag, value = seen["tag"], seen["value"]
    having = [one for one in _elements(xml, tag) if value in _texts(one)]
    one = having[0] if having else None
    if one is None:
        return "", ()
    unit = _UNITS.get(str(one.get("unit", "")).lower().removesuffix("s"))
    if unit is not None and unit != one.get("unit"):
        return f"write the unit as '{unit}'", revise.given(one, "unit", unit)
    return _without(tag, one)


def _unknown(xml: str, seen: re.Match[str]) -> Mended:
    """Leave out what virtup does not know and a guest starts without."""
    within = [one for one in _elements(xml, seen["tag"]) if _above(one) == seen["above"]]
    return _without(seen["tag"], within[0] if within else None)


def _network(xml: str, seen: re.Match[str]) -> Mended:
    """Put the interface on QEMU's own network."""
    made: tuple[Change, ...] = ()
    for nic in definition.devices(xml, "interface"):
        if nic.get("type") == seen["value"]:
            gone = [one for one in nic if one.tag in {"source", "target", "virtualport"}]
            made += revise.given(nic, "type", "user") + revise.dropped(*gone)
    return "for now use <interface type='user'> instead (out to the network, not in)", made


def _without(tag: str, element: etree._Element | None) -> Mended:
    if tag not in DISPENSABLE or element is None:
        return "", ()
    return f"to start without what it gives, remove <{tag}>", revise.dropped(element)


def _elements(xml: str, tag: str) -> list[etree._Element]:
    root = definition.tree(xml)
    return list(root.iter(tag)) if root is not None else []


def _texts(element: etree._Element) -> tuple[str, str]:
    """Return the element's text as a message has it: alone, or with its unit."""
    text = (element.text or "").strip()
    return text, f"{text} {element.get('unit', '')}".strip()


def _above(element: etree._Element) -> str:
    above = element.getparent()
    return str(above.tag) if above is not None else ""


_WAYS: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], Mended]], ...] = (
    (_WORD, _word),
    (_NETWORK, _network),
    (_UNKNOWN, _unknown),
    (_VALUE, _value),
)
