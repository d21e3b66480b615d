"""The record of every start: what was asked, what it used, how long each step took, how it ended.

One JSON file an attempt, in a directory of the guest's own under the attempts directory, newest
``kept`` retained. A record never holds a secret: the definition is the one without passwords.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from virtup.host import disk
from virtup.host.disk import Disk

log = logging.getLogger(__name__)

RUNNING = "running"
FAILED = "failed"


@dataclass
class Step:
    """One step of a start and how long it took, in milliseconds; ``error`` is "" when it held."""

    name: str
    ms: float
    error: str = ""


@dataclass
class Attempt:
    """One start of one guest. Times are ISO 8601 in UTC; ``files`` are fingerprints by path.

    ``notes`` are what the person who starts the guest should know of a start that succeeded.
    """

    guest: str
    uuid: str
    began: str
    verdict: str = ""
    phase: str = ""
    error: str = ""
    ms: float = 0.0
    definition: str = ""
    emulator: str = ""
    qemu_version: str = ""
    kernel: str = ""
    argv: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: str = ""
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready data."""
        return asdict(self)


class Attempts:
    """The attempts of every guest below one directory."""

    def __init__(self, directory: str, disk: Disk, *, kept: int) -> None:
        self._directory = directory
        self._disk = disk
        self._kept = kept

    def keep(self, attempt: Attempt) -> None:
        """Write *attempt* durably and drop the oldest beyond the number kept."""
        folder = self._folder(attempt.guest)
        self._disk.make_dir(folder, 0o700)
        name = attempt.began.replace(":", "").replace("-", "")
        text = json.dumps(attempt.to_dict(), ensure_ascii=False, separators=(",", ":"))
        disk.write_durably(self._disk, f"{folder}/{name}.json", text.encode(), mode=0o600)
        for old in self._names(folder)[: -self._kept]:
            disk.remove_durably(self._disk, f"{folder}/{old}")

    def sweep(self) -> None:
        """Remove what a daemon was writing when it was killed; before any :meth:`keep`."""
        for folder in self._disk.list_dir(self._directory):
            disk.sweep(self._disk, f"{self._directory}/{folder}")

    def of(self, guest: str) -> list[dict[str, Any]]:
        """Return the attempts of *guest*, oldest first; an unreadable record is logged and left."""
        folder = self._folder(guest)
        found = []
        for name in self._names(folder):
            try:
                record = json.loads(self._disk.read(f"{folder}/{name}"))
            except (OSError, ValueError) as error:
                log.warning("attempt record '%s/%s' cannot be read: %s", folder, name, error)
                continue
            if isinstance(record, Mapping):
                found.append(dict(record))
        return found

    def _folder(self, guest: str) -> str:
        # a name may begin with a dot or be one: the prefix keeps it a plain entry
        return f"{self._directory}/guest-{guest}"

    def _names(self, folder: str) -> list[str]:
        return sorted(name for name in self._disk.list_dir(folder) if name.endswith(".json"))


def now() -> str:
    """Return the present time as an attempt's ``began``."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
