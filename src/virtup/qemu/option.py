"""Options of QEMU's command line as data; the only place where they become text.

A device file yields `Option`s and never joins strings: JSON and the doubling of commas happen
here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, and its value if it takes one."""

    name: str
    value: str | None = None

    def words(self) -> tuple[str, ...]:
        """The arguments of the command line."""
        return (self.name,) if self.value is None else (self.name, self.value)


def flag(name: str) -> Option:
    """An option without a value."""
    return Option(name)


def plain(name: str, value: str) -> Option:
    """An option whose value QEMU takes as it stands: a path, a name, a number."""
    return Option(name, value)


def keyed(name: str, head: str | None, pairs: Iterable[tuple[str, object | None]]) -> Option:
    """An option in QEMU's ``head,key=value`` form; pairs whose value is None are left out."""
    parts = [] if head is None else [escape(head)]
    parts.extend(f"{key}={escape(word(value))}" for key, value in pairs if value is not None)
    return Option(name, ",".join(parts))


def as_json(name: str, content: Mapping[str, Any]) -> Option:
    """An option in QEMU's JSON form; members that are None are left out."""
    kept = {key: value for key, value in content.items() if value is not None}
    return Option(name, json.dumps(kept, separators=(",", ":"), ensure_ascii=False))


def device(driver: str, content: Mapping[str, Any]) -> Option:
    """``-device``, in the order of *content*."""
    return as_json("-device", {"driver": driver} | dict(content))


def object_(kind: str, content: Mapping[str, Any]) -> Option:
    """``-object`` of the QOM type *kind*."""
    return as_json("-object", {"qom-type": kind} | dict(content))


def word(value: object) -> str:
    """*value* as QEMU's key=value form has it: on and off for a bool."""
    if isinstance(value, bool):
        return on_off(value)
    return str(value)


def on_off(value: bool) -> str:
    """QEMU's words for a bool."""
    return "on" if value else "off"


def escape(text: str) -> str:
    """*text* as a value of the ``key=value`` form: a comma is doubled."""
    return text.replace(",", ",,")
