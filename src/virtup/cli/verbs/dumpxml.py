"""dumpxml."""

from __future__ import annotations

from typing import Any

from virtup.cli.grammar import Failure, flag, guest, text
from virtup.cli.run import Run
from virtup.cli.verb import verb

FLAGS = {"security_info": 1, "inactive": 2, "update_cpu": 4, "migratable": 8}
"""``virDomainXMLFlags``."""


@verb(
    "dumpxml",
    "print the definition of a domain",
    guest(),
    flag("inactive", "the kept definition, not the running guest's"),
    flag("security-info", "with passwords"),
    flag("update-cpu", "with the CPU as this host completes it"),
    flag("migratable", "as another host can take it"),
    text("xpath", "print only what this XPath expression finds", positional=False),
    flag("wrap", "put what the XPath expression finds into one root element"),
)
def dumpxml(run: Run, *, domain: str, xpath: str | None, wrap: bool, **given: bool) -> None:
    """Print the XML of a guest, or what an XPath expression finds in it."""
    handle = run.guest(domain)
    flags = sum(bit for name, bit in FLAGS.items() if given[name])
    xml = run.conn.call("DOMAIN_GET_XML_DESC", dom=handle, flags=flags)["xml"]
    show(run, xml, xpath, wrap=wrap)


def show(run: Run, xml: str, xpath: str | None, *, wrap: bool) -> None:
    """Print a document, or what *xpath* finds in it."""
    if xpath is not None:
        xml = "".join(f"{part}\n" for part in _select(xml, xpath, wrap=wrap))
    run.document({"xml": xml}) if run.json else run.out(xml)


def _select(xml: str, xpath: str, *, wrap: bool) -> list[str]:
    """What *xpath* finds in *xml*, each part as XML."""
    from lxml import etree

    root = etree.fromstring(xml.encode())
    try:
        found: Any = root.getroottree().xpath(xpath)
    except etree.XPathError as exc:
        raise Failure(f"Incorrect xpath '{xpath}': {exc}") from exc
    if not isinstance(found, list):
        raise Failure(f"internal error: Incorrect xpath '{xpath}'")
    if not wrap:
        return [_shown(part) for part in found]
    nodes = etree.Element("nodes")
    for part in found:
        if isinstance(part, str):
            _wrap_text(nodes, part)
        else:
            nodes.append(part)
    etree.indent(nodes)
    return [etree.tostring(nodes, encoding="unicode")]


def _shown(part: Any) -> str:
    from lxml import etree

    if isinstance(part, str):
        name = getattr(part, "attrname", None)
        return f' {name}="{part}"' if name else str(part)
    part.tail = None
    _strip_indent(part)
    return etree.tostring(part, encoding="unicode")


def _wrap_text(nodes: Any, part: Any) -> None:
    name = getattr(part, "attrname", None)
    if name:
        nodes.set(name, part)
    elif len(nodes):
        nodes[-1].tail = (nodes[-1].tail or "") + part
    else:
        nodes.text = (nodes.text or "") + part


def _strip_indent(part: Any) -> None:
    """Indent *part* as a document of its own."""
    from lxml import etree

    etree.indent(part)
