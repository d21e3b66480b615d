"""The record of every repair: written before the repair is done, so that it can be taken back.

One JSON file a transaction, in a directory of the guest's own. What a step found on the host is
durable before the step changes anything; one that a crash cut short is taken back like one that
was done. The records are the daemon's own (mode 0600): they may hold a whole definition.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from virtup.host import disk
from virtup.host.disk import Disk
from virtup.machine.attempts import now
from virtup.model.repair import Repair, from_dict

log = logging.getLogger(__name__)

KEPT = 20
"""How many transactions of a guest are kept that were taken back."""


class StepState(StrEnum):
    """What became of one repair."""

    BEGUN = "begun"
    """The record is on disk; the repair may be done, in part or not at all."""
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    CHANGED = "changed since"
    """Not taken back: somebody else changed it, and it stays as they made it."""


@dataclass
class Step:
    """One repair; ``before`` and ``after`` are what it found and left, for its undoing."""

    code: str
    text: str
    repair: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any] = field(default_factory=dict)
    state: StepState = StepState.BEGUN
    error: str = ""

    @property
    def stands(self) -> bool:
        """Is there something to take back?"""
        return self.state in {StepState.BEGUN, StepState.DONE}

    def act(self) -> Repair:
        """Return the repair itself."""
        return from_dict(self.repair)


@dataclass
class Transaction:
    """The repairs of one call of ``fix``; ``began`` is its name, ISO 8601 in UTC."""

    guest: str
    uuid: str
    began: str
    steps: list[Step] = field(default_factory=list)
    undone: str = ""

    @property
    def stands(self) -> bool:
        """Is there something to take back?"""
        return any(step.stands for step in self.steps)

    def summary(self) -> dict[str, Any]:
        """Return what clients are told: all but what the host was like."""
        told = [
            {key: value for key, value in asdict(step).items() if key not in {"before", "after"}}
            for step in self.steps
        ]
        return {**asdict(self), "steps": told, "stands": self.stands}


class Repairs:
    """The transactions of every guest below one directory."""

    def __init__(self, directory: str, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk

    def begin(self, guest: str, uuid: str) -> Transaction:
        """Return a new transaction, which is on disk with its first step."""
        return Transaction(guest, uuid, now())

    def write(self, transaction: Transaction) -> None:
        """Make the record of *transaction* durable. Raises OSError."""
        folder = self._folder(transaction.guest)
        self._disk.make_dir(self._directory, 0o700)
        self._disk.make_dir(folder, 0o700)
        text = json.dumps(asdict(transaction), ensure_ascii=False, separators=(",", ":"))
        path = f"{folder}/{_file(transaction)}"
        disk.write_durably(self._disk, path, text.encode("utf-8", "replace"), mode=0o600)

    def of(self, guest: str) -> list[Transaction]:
        """Return the transactions of *guest*, oldest first; unreadable ones are logged and left."""
        folder = self._folder(guest)
        found = []
        for name in sorted(self._disk.list_dir(folder)):
            if not name.endswith(".json"):
                continue
            try:
                found.append(_read(json.loads(self._disk.read(f"{folder}/{name}"))))
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("repair record '%s/%s' cannot be read: %s", folder, name, error)
        return found

    def last(self, guest: str) -> Transaction | None:
        """Return the newest transaction of *guest* that has something to take back."""
        return next((one for one in reversed(self.of(guest)) if one.stands), None)

    def prune(self, guest: str) -> None:
        """Drop the oldest transactions with nothing to take back, beyond the number kept."""
        over = [one for one in self.of(guest) if not one.stands][:-KEPT]
        for one in over:
            disk.remove_durably(self._disk, f"{self._folder(guest)}/{_file(one)}")

    def sweep(self) -> None:
        """Remove what a daemon was writing when it was killed; before any :meth:`write`."""
        for folder in self._disk.list_dir(self._directory):
            disk.sweep(self._disk, f"{self._directory}/{folder}")

    def _folder(self, guest: str) -> str:
        # a name may begin with a dot or be one: the prefix keeps it a plain entry
        return f"{self._directory}/guest-{guest}"


def _file(transaction: Transaction) -> str:
    return transaction.began.replace(":", "").replace("-", "") + ".json"


def _read(data: dict[str, Any]) -> Transaction:
    steps = [Step(**{**one, "state": StepState(one["state"])}) for one in data["steps"]]
    return Transaction(**{**data, "steps": steps})
