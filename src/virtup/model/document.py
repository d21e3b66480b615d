"""XML text to an element tree, hardened: no DTD, no entities, no network, bounded in all ways.

Anything that is not well-formed or passes a limit is one `XmlInvalid`, with line and column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from lxml import etree

from virtup.errors import XmlInvalid

BYTES_MAX = 4 * 1024 * 1024
"""libvirt's RPC carries no longer string, so no definition can be longer."""

DEPTH_MAX = 200
"""Deeper than any backing chain that a definition may spell out."""

TAGS_MAX = 100_000
"""More tags than a definition with thousands of devices has: what is kept of each costs memory."""

ATTRIBUTES_MAX = 256
"""More attributes than any element of libvirt's has: to read them takes the square of the time."""

_DOCTYPE = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->)*<!DOCTYPE", re.DOTALL)
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error text points: the document's name and, where known, line and column."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """In words, for the end of a sentence: ``vm.xml, line 3, column 7``."""
        parts = [self.source or "<xml>"]
        if self.line:
            parts.append(f"line {self.line}")
        if self.column:
            parts.append(f"column {self.column}")
        return ", ".join(parts)


def load(xml: str | bytes, source: str) -> etree._Element:
    """The root element of *xml*, without comments and processing instructions.

    Raises XmlInvalid: not well-formed, a DTD, more than BYTES_MAX bytes, TAGS_MAX tags or
    ATTRIBUTES_MAX attributes in one element, or deeper than DEPTH_MAX elements.
    """
    if len(xml) > BYTES_MAX:
        raise XmlInvalid(f"the document is longer than {BYTES_MAX} bytes ({Place(source)})")
    text = _decoded(xml, source)
    if _DOCTYPE.match(text):
        before, _, _ = text.partition("<!DOCTYPE")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        place = Place(source, line, column)
        raise XmlInvalid(f"a document type (DOCTYPE, DTD) is not accepted ({place})")
    if text.count("<") > TAGS_MAX:
        raise XmlInvalid(f"the document has more than {TAGS_MAX} tags ({Place(source)})")
    text = _DECLARATION.sub(lambda found: "\n" * found[0].count("\n"), text, count=1)
    try:
        root = etree.fromstring(text.encode(), _parser())
    except etree.XMLSyntaxError as exc:
        line, column = exc.position
        raise XmlInvalid(f"{_words(exc)} ({Place(source, line, column)})") from exc
    _check_shape(root, source)
    return root


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )


def line_of(element: etree._Element) -> int:
    """The line in which the start tag of *element* ends; 0 for one that was not read."""
    return cast("int | None", element.sourceline) or 0


def column_of(text: str, line: int, tag: str) -> int:
    """The column (from 1) at which ``<tag`` stands in line *line* of *text*; 0 if not there."""
    lines = text.split("\n", line)
    if not 0 < line <= len(lines):
        return 0
    return lines[line - 1].find(f"<{tag}") + 1


def _decoded(xml: str | bytes, source: str) -> str:
    if isinstance(xml, str):
        text = xml
    else:
        try:
            text = xml.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = xml.count(b"\n", 0, exc.start) + 1
            column = exc.start - xml.rfind(b"\n", 0, exc.start)
            place = Place(source, line, column)
            raise XmlInvalid(f"the document is not UTF-8 text ({place})") from exc
    bad = re.search("[\x00\ud800-\udfff]", text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        place = Place(source, line, column)
        raise XmlInvalid(f"the document has a character that XML cannot hold ({place})")
    return text


def _words(exc: etree.XMLSyntaxError) -> str:
    """libxml2's words for what is wrong, without its own line and column."""
    words = re.sub(r",? ?\(?<string>,? ?line \d+\)?", "", exc.msg or "the document is empty")
    words = re.sub(r", line \d+, column \d+$", "", words)
    if "xcessive depth" in words:
        return f"elements are nested deeper than {DEPTH_MAX}"
    return f"the document is not well-formed XML: {words}"


def _check_shape(root: etree._Element, source: str) -> None:
    level, depth = [root], 0
    while level:
        for element in level:
            if len(element.attrib) > ATTRIBUTES_MAX:
                place = Place(source, line_of(element))
                tag = str(element.tag)[:80]
                raise XmlInvalid(f"<{tag}> has more than {ATTRIBUTES_MAX} attributes ({place})")
        depth += 1
        if depth > DEPTH_MAX:
            place = Place(source, line_of(level[0]))
            raise XmlInvalid(f"elements are nested deeper than {DEPTH_MAX} ({place})")
        level = [child for element in level for child in element]
