"""The definition as a tree, for causes that it shows by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from virtup.errors import XmlInvalid
from virtup.model import document

_SECRET = re.compile(r"\b(passwd|password)\s*=\s*(?:'[^']*'?|\"[^\"]*\"?|[^\s/>]*)")
LINE_MAX = 120

_X86 = {"x86_64", "i686", ""}


def line(xml: str, number: int) -> str:
    """Return a line of the definition as a terminal shows it, "" when it has no such line.

    Passwords are left out, also in a definition that is no XML. Bytes that are no UTF-8 are
    shown as their numbers.
    """
    found = "".join(xml.splitlines()[number - 1 : number]) if number > 0 else ""
    plain = _SECRET.sub(r"\1='...'", found).strip()[:LINE_MAX]
    return plain.encode("utf-8", "backslashreplace").decode()


@lru_cache(maxsize=16)
def tree(xml: str) -> etree._Element | None:
    """Return the root of the definition, None when there is none or it cannot be read."""
    if "<domain" not in xml:
        return None
    try:
        root = document.load(xml, "<xml>")
    except XmlInvalid:
        return None
    return root if root.tag == "domain" else None


def devices(xml: str, tag: str = "*") -> Iterator[etree._Element]:
    """Yield the devices of the definition, those of *tag* only when it is given."""
    root = tree(xml)
    if root is not None:
        yield from root.findall(f"devices/{tag}")


def attribute(xml: str, path: str, name: str) -> str:
    """Return the attribute *name* of the first element at *path*, ``""`` without one."""
    root = tree(xml)
    found = root.find(path) if root is not None else None
    return str(found.get(name, "")) if found is not None else ""


def text(xml: str, path: str) -> str:
    """Return the text of the first element at *path*, ``""`` without one."""
    root = tree(xml)
    return (root.findtext(path) or "").strip() if root is not None else ""


def has(xml: str, path: str) -> bool:
    """Has the definition an element at *path*?"""
    root = tree(xml)
    return root is not None and root.find(path) is not None


def machine(xml: str) -> str:
    """Return the machine type that the definition names."""
    return attribute(xml, "os/type", "machine")


def architecture(xml: str) -> str:
    """Return the architecture that the definition names."""
    return attribute(xml, "os/type", "arch")


def is_x86(xml: str) -> bool:
    """Is the guest's architecture x86, or not said?"""
    return architecture(xml) in _X86


def place(element: etree._Element) -> str:
    """Return how a line of evidence names an element: its tag and line."""
    return f"<{element.tag}> (line {document.line_of(element)})"
