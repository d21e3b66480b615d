"""Changes to the text of a definition: found by path, checked against what is there, applied.

Everything that is not changed stays as it was written, blanks included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

from virtup.errors import OperationInvalid
from virtup.model.document import load
from virtup.model.repair import Change

_STEP = re.compile(r"(?P<tag>[\w.:-]+)(?:\[(?P<at>\d+)\])?")


def revised(xml: str, changes: Iterable[Change]) -> str:
    """Return *xml* with *changes* made.

    Raises OperationInvalid when a change does not fit what is there: somebody was faster.
    """
    root = load(xml, "<xml>")
    found = [(one, _find(root, one)) for one in changes]
    for change, element in found:
        _check(change, element)
    for change, element in found:
        _apply(root, change, element)
    return etree.tostring(root, encoding="unicode")


def path_of(element: etree._Element) -> str:
    """Return where *element* is, as `Change.path` names it."""
    steps: list[str] = []
    here = element
    while (above := here.getparent()) is not None:
        same = above.findall(str(here.tag))
        steps.append(f"{here.tag}[{same.index(here) + 1}]" if len(same) > 1 else str(here.tag))
        here = above
    return "/".join(reversed(steps))


def shown(element: etree._Element) -> str:
    """Return what a `Change` that drops *element* has for ``old``: its attributes, or its text."""
    attributes = " ".join(f"{name!s}='{value!s}'" for name, value in element.attrib.items())
    return attributes or (element.text or "").strip()


def _find(root: etree._Element, change: Change) -> etree._Element | None:
    return root.find(change.path) if change.path else root


def _check(change: Change, element: etree._Element | None) -> None:
    """Refuse a change of what is not, or no longer, as the change has it."""
    if change.attribute:
        now = element.get(change.attribute) if element is not None else None
    elif change.new is None:
        if element is None:
            raise OperationInvalid(f"the definition has no '{change.path}' any more")
        now = shown(element)
    else:
        now = (element.text or "").strip() or None if element is not None else None
    if now != change.old:
        there = f"'{now}'" if now is not None else "nothing"
        raise OperationInvalid(
            f"the definition has {there} at '{change.path}"
            f"{' ' + change.attribute if change.attribute else ''}' by now, not "
            + (f"'{change.old}'" if change.old is not None else "nothing")
        )


def _apply(root: etree._Element, change: Change, element: etree._Element | None) -> None:
    if change.new is None:
        if element is None:
            return
        if change.attribute:
            del element.attrib[change.attribute]
        else:
            _drop(element)
        return
    if element is None:
        element = _make(root, change.path)
    if change.attribute:
        element.set(change.attribute, change.new)
    else:
        element.text = change.new


def _drop(element: etree._Element) -> None:
    above = element.getparent()
    if above is not None:
        above.remove(element)


def _make(root: etree._Element, path: str) -> etree._Element:
    """Make what is missing of *path*, at the end of what it belongs into."""
    here = root
    for step in path.split("/"):
        below = here.find(step)
        if below is None:
            named = _STEP.fullmatch(step)
            assert named is not None, f"'{step}' is no step of a path"
            below = etree.SubElement(here, named["tag"])
        here = below
    return here
