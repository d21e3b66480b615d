"""Changes of a definition that mend it, worked out from the definition itself.

None are offered where the definition is not there to be looked at, or does not have what is to be
changed: a person then has the sentence alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from virtup.causes import definition
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
