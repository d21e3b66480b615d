"""What of the host an element of the definition asks for, and the words when the host lacks it.

For elements that virtup cannot give a guest: they are refused before anybody looks at the host,
and elsewhere the guest would fail for what is missing here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree

from virtup.causes import contradictions, definition, packages
from virtup.causes.finding import Fix
from virtup.causes.who import edit, nearest
from virtup.model.evidence import Evidence
from virtup.model.probe import BlockDrivers, Link, Probe
from virtup.model.probe_devices import PciDevice
from virtup.model.probe_network import Network
from virtup.model.probe_system import Program

QEMU = "/usr/bin/qemu-system-x86_64"
_TOO = "; any other program would stumble over that too"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is asked for: the probe that looks, whether it is lacking, and the words.

    Without a probe it is the definition itself that lacks it.
    """

    probe: Probe[Any] | None
    lacks: Callable[[Any], bool]
    words: str
    fix: Fix | None = None


def need(ev: Evidence, element: etree._Element) -> Need | None:
    """Return what *element* asks of the host; None when nothing is known of that."""
    find = _NEEDS.get(str(element.tag))
    return find(ev, element) if find else None


def lacking(ev: Evidence, one: Need | None) -> tuple[tuple[str, ...], tuple[Fix, ...]]:
    """Return the line of evidence and the fix for what the host lacks; nothing for what it has."""
    if one is None:
        return (), ()
    fact = ev.fact(one.probe) if one.probe is not None else None
    if one.probe is not None and (fact is None or not one.lacks(fact)):
        return (), ()
    return (f"{one.words}{_TOO}",), (one.fix,) if one.fix else ()


def _tpm(ev: Evidence, element: etree._Element) -> Need | None:
    if _attribute(element, "backend", "type") != "emulator":
        return None
    fix = packages.install(ev, "swtpm", "for libvirt: install the TPM emulator")
    words = "this host: the program 'swtpm' is not installed"
    return Need(Program("swtpm"), lambda fact: not fact.path, words, fix)


def _hostdev(_ev: Evidence, element: etree._Element) -> Need | None:
    inner = element.find("source/address")
    address = contradictions.pci_numbers(inner) if inner is not None else ""
    if element.get("type") != "pci" or not address:
        return None
    words = f"this host has no PCI device {address}"
    return Need(PciDevice(address), lambda fact: not fact.exists, words)


def _interface(_ev: Evidence, element: etree._Element) -> Need | None:
    name = _attribute(element, "source", "dev")
    if element.get("type") == "direct" and name:
        fix = edit(f"correct <source dev='{name}'/>: name an existing interface")
        words = f"this host: the network device '{name}' does not exist"
        return Need(Link(name), lambda fact: not fact.exists, words, fix)
    name = _attribute(element, "source", "network")
    if element.get("type") == "network" and name:
        words = f"this host: libvirt's network '{name}' is not defined"
        return Need(Network(name), lambda fact: not fact.defined, words)
    return None


def _disk(ev: Evidence, element: etree._Element) -> Need | None:
    protocol = _attribute(element, "source", "protocol")
    if element.get("type") != "network" or not protocol:
        return None
    emulator = ev.emulator or QEMU
    fix = packages.install(
        ev, "block drivers", f"for libvirt: install QEMU's '{protocol}' driver", name=protocol
    )
    words = f"this host: '{emulator}' has no block driver '{protocol}': it is not installed"
    probe = BlockDrivers(emulator, ev.uid, ev.gids)
    return Need(probe, lambda fact: not nearest(protocol, fact.names, 1, 1.0), words, fix)


def _driver(ev: Evidence, element: etree._Element) -> Need | None:
    shared = definition.has(ev.definition, "memoryBacking/access[@mode='shared']")
    if element.get("type") != "virtiofs" or shared or definition.has(ev.definition, "cpu/numa"):
        return None
    words = "the guest's memory is not shared, and virtiofs needs that"
    fix = edit("for libvirt: add <memoryBacking><source type='memfd'/><access mode='shared'/>")
    return Need(None, bool, words, fix)


def _attribute(element: etree._Element, path: str, name: str) -> str:
    found = element.find(path)
    return str(found.get(name, "")) if found is not None else ""


_NEEDS: dict[str, Callable[[Evidence, etree._Element], Need | None]] = {
    "tpm": _tpm,
    "hostdev": _hostdev,
    "interface": _interface,
    "disk": _disk,
    "driver": _driver,
}
