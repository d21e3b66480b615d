"""Changes of a definition that mend it, worked out from the definition itself.

None are offered where the definition is not there to be looked at, or does not have what is to be
changed: a person then has the sentence alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

from virtup.causes import definition
from virtup.causes.contradictions import pci_address
from virtup.causes.finding import Finding
from virtup.model.evidence import Evidence
from virtup.model.repair import Change
from virtup.model.revision import path_of, shown


def dropped(*elements: etree._Element | None) -> tuple[Change, ...]:
    """Return the changes that remove *elements*; those that are None are left out."""
    return tuple(
        Change(path_of(element), old=shown(element)) for element in elements if element is not None
    )


def given(element: etree._Element | None, attribute: str, new: str | None) -> tuple[Change, ...]:
    """Return the change that gives *element* an attribute, or takes it (None)."""
    if element is None or element.get(attribute) == new:
        return ()
    return (Change(path_of(element), attribute, element.get(attribute), new),)


def below(element: etree._Element | None, tag: str, attribute: str, new: str) -> tuple[Change, ...]:
    """Return the change that gives the child *tag* of *element*, made if need be, an attribute."""
    if element is None:
        return ()
    child = element.find(tag)
    if child is not None:
        return given(child, attribute, new)
    return (Change(f"{path_of(element)}/{tag}".lstrip("/"), attribute, None, new),)


def written(element: etree._Element | None, new: str) -> tuple[Change, ...]:
    """Return the change that gives *element* a text."""
    if element is None:
        return ()
    return (Change(path_of(element), "", (element.text or "").strip() or None, new),)


def first(xml: str, path: str) -> etree._Element | None:
    """Return the first element at *path* of the definition *xml*, None without one."""
    root = definition.tree(xml)
    return root.find(path) if root is not None else None


def with_value(
    elements: Iterable[etree._Element], attribute: str, value: str
) -> etree._Element | None:
    """Return the first of *elements* whose attribute has *value*."""
    return next((one for one in elements if one.get(attribute) == value), None)


def written_below(element: etree._Element, tag: str, new: str) -> tuple[Change, ...]:
    """Return the change that gives the child *tag* of *element*, made if need be, a text."""
    child = element.find(tag)
    if child is not None:
        return written(child, new)
    return (Change(f"{path_of(element)}/{tag}".lstrip("/"), "", None, new),)


def at_pci_address(xml: str, address: str) -> list[etree._Element]:
    """Return the devices that have the PCI address *address*, as messages write one."""
    wanted = address.rstrip(".").lower()
    having = [one for one in definition.devices(xml) if pci_address(one)]
    return [one for one in having if pci_address(one).lower().endswith(wanted)] if wanted else []


def named_in(finding: Finding, pattern: str) -> str | None:
    """Return the name that the first fix of *finding* proposes in the words of *pattern*."""
    for fix in finding.fixes:
        named = re.match(pattern, fix.text)
        if named is not None:
            return named[1]
    return None


def renamed(
    element: etree._Element | None, attribute: str, finding: Finding, pattern: str
) -> tuple[Change, ...]:
    """Return the change that gives *element* the attribute which a fix of *finding* proposes."""
    new = named_in(finding, pattern)
    return given(element, attribute, new) if new else ()


def without_kvm(xml: str) -> tuple[Change, ...]:
    """Return the changes that have a guest of KVM run without it, slowly, on a CPU of QEMU's."""
    root = first(xml, ".")
    if root is None or root.get("type") != "kvm":
        return ()
    cpu = root.find("cpu")
    hosts_own = cpu is not None and str(cpu.get("mode", "")).startswith("host-")
    return given(root, "type", "qemu") + (dropped(cpu) if hosts_own else ())


def to_user_network(xml: str, attribute: str, name: str) -> tuple[Change, ...]:
    """Return the changes that put the interfaces whose source is *name* on QEMU's own network."""
    made: tuple[Change, ...] = ()
    for nic in definition.devices(xml, "interface"):
        source = nic.find("source")
        if source is not None and source.get(attribute) == name:
            made += given(nic, "type", "user")
            made += dropped(source, nic.find("target"), nic.find("virtualport"))
    return made


def to_other_emulator(ev: Evidence, finding: Finding) -> tuple[Change, ...]:
    """Return the change that names the emulator which a fix of *finding* proposes."""
    other = named_in(finding, r"change <emulator> to '(.*?)'")
    return written(first(ev.definition, "devices/emulator"), other) if other else ()
