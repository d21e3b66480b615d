"""The list of guests that are to come back: written before anything is done to them.

It is changed one entry at a time, each time durably, so that whatever happens to the host or to
virtup-guests nobody is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from virtup.errors import Code, Fault, VirtError
from virtup.host import disk as durable
from virtup.host.disk import Disk

How = Literal["pending", "saved", "shut down"]
"""What was done to a guest when the host went down; "pending" is nothing yet."""

VERSION = 1


class ListDamaged(VirtError):
    """The list cannot be read: who is to come back is not known."""

    code, fault = Code.OPERATION_FAILED, Fault.HOST


@dataclass(frozen=True, slots=True)
class Entry:
    """A guest that is to come back; ``why`` it is not simply restored, "" where it is."""

    uri: str
    uuid: str
    name: str
    how: How = "pending"
    why: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others."""
        return self.uri, self.uuid


class Waiting:
    """The list on disk; without entries there is no file."""

    def __init__(self, path: str, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._entries: dict[tuple[str, str], Entry] = {}
        self._durable: dict[tuple[str, str], Entry] = {}

    def load(self) -> None:
        """Read the list; one that is not there is empty. Raises ListDamaged, OSError."""
        try:
            raw = self._disk.read(self._path)
        except FileNotFoundError:
            self._entries = {}
        else:
            self._entries = _parse(raw, self._path)
        self._durable = dict(self._entries)

    def entries(self) -> list[Entry]:
        """Return who is to come back, in the order in which they were listed."""
        return list(self._entries.values())

    def of(self, uri: str) -> list[Entry]:
        """Return who is to come back to one daemon."""
        return [entry for entry in self._entries.values() if entry.uri == uri]

    def add(self, entries: list[Entry]) -> None:
        """Add guests, all at once and durably, in place of what was known of them."""
        self._entries |= {entry.key: entry for entry in entries}
        self._write()

    def note(self, key: tuple[str, str], how: How, why: str = "") -> None:
        """Note durably what was done to a listed guest."""
        self._entries[key] = replace(self._entries[key], how=how, why=why)
        self._write()

    def remove(self, key: tuple[str, str]) -> None:
        """Take a guest off, durably; one that is not listed is no error."""
        if self._entries.pop(key, None) is not None:
            self._write()

    def clear(self) -> None:
        """Take all off, durably."""
        self._entries = {}
        self._write()

    def _write(self) -> None:
        if self._entries == self._durable:
            return
        if self._entries:
            data = {"version": VERSION, "guests": [asdict(e) for e in self._entries.values()]}
            text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
            durable.write_durably(self._disk, self._path, text.encode())
        else:
            durable.remove_durably(self._disk, self._path)
        self._durable = dict(self._entries)


def _parse(raw: bytes, path: str) -> dict[tuple[str, str], Entry]:
    try:
        data = json.loads(raw)
        if data["version"] != VERSION:
            raise ListDamaged(
                f"'{path}' is of version {data['version']!r}, and this virtup-guests reads "
                f"{VERSION}: update it, or read the names there and start the guests yourself"
            )
        entries = [_entry(each) for each in data["guests"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ListDamaged(
            f"'{path}', the list of the guests that are to come back, is damaged ({error}): read "
            "the names in it, start those guests yourself, then remove it"
        ) from error
    return {entry.key: entry for entry in entries}


def _entry(data: Mapping[str, Any]) -> Entry:
    entry = Entry(**data)
    fields = (entry.uri, entry.uuid, entry.name, entry.how, entry.why)
    if not all(isinstance(each, str) for each in fields):
        raise ValueError("an entry holds what is no text")
    if entry.how not in ("pending", "saved", "shut down"):
        raise ValueError(f"an entry was '{entry.how}'")
    return entry
