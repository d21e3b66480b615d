"""libvirt's domain XML as data.

    dom = parse_domain(text, source="vm.xml")
    dom.devices.disk[0].source.path
    format_domain(dom)

`virtup.model.domain.fill.complete` makes of a definition what libvirt makes of it: defaults,
implicit devices, addresses.
"""

from __future__ import annotations

from dataclasses import replace

from virtup.errors import XmlRefused
from virtup.model.document import Place, line_of, load
from virtup.model.domain.guest import Devices, Domain
from virtup.model.field import NAMESPACES, Mode, Reader, format_element, parse_element

__all__ = ["Devices", "Domain", "format_domain", "parse_domain"]


def parse_domain(xml: str | bytes, *, source: str = "<xml>") -> Domain:
    """The definition that *xml* holds, as it is written there: nothing is added.

    Raises XmlInvalid (not well-formed, over a limit), ConfigUnsupported (an element or
    attribute that virtup does not know), XmlRefused (a value that cannot be); each names
    *source*, line and column.
    """
    root = load(xml, source)
    if root.tag != "domain":
        place = Place(source, line_of(root))
        raise XmlRefused(f"the root element is <{root.tag}>, accepted is <domain> ({place})")
    text = xml if isinstance(xml, str) else xml.decode("utf-8-sig")
    return replace(parse_element(Domain, root, Reader(source, text)), source=source)


def format_domain(
    dom: Domain, *, secure: bool = False, inactive: bool = False, id: int | None = None
) -> str:
    """*dom* as libvirt writes it; with *id* as that running guest, unless *inactive*."""
    live = id is not None and not inactive
    head = ""
    if dom.commandline is not None:
        head = f" xmlns:qemu='{NAMESPACES['qemu']}'"
    shown = replace(dom, id=id if live else None)
    text = format_element(shown, "domain", mode=Mode(live=live, secure=secure))
    if head:
        start, quote, rest = text.partition(">")
        text = f"{start}{head}{quote}{rest}"
    return text
