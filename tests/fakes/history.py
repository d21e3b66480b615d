"""The real history of starts over records in memory: nothing was ever started."""

from __future__ import annotations

import uuid as uuids
from types import SimpleNamespace
from typing import Any, cast

from virtup.drivers.domains import Domains
from virtup.drivers.history import History
from virtup.machine.attempts import Attempt, Attempts, Step
from virtup.machine.launcher import Launcher

UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
DEFINITION = """<domain type='qemu'>
  <name>db</name>
  <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
  <memory unit='KiB'>131072</memory>
  <os>
    <type arch='x86_64'>hvm</type>
  </os>
  <devices>
    <emulator>/q</emulator>
  </devices>
</domain>
"""
FINDING = {
    "code": "VU001",
    "slug": "kernel-file-missing",
    "sentence": "The kernel '/k' does not exist.",
    "subject": "/k",
    "certainty": "proven",
    "evidence": ["qemu: could not open kernel file '/k'"],
    "fixes": [{"text": "put it back", "commands": ["ls /k"], "safety": "manual", "undo": []}],
}
FILE = {"use": "file", "write": False, "kind": "file", "size": 10, "mtime_ns": 1, "inode": 5}
GONE = {"use": "file", "write": False, "error": "No such file or directory"}


class OneGuest:
    """The registry of the one guest of *starts*, with the real one's way to know a name."""

    named = Domains.named
    name_of = Domains.name_of
    unknown = Domains.unknown
    store = SimpleNamespace(why_aside=lambda _name: "")

    def __init__(self, starts: Starts) -> None:
        self._starts = starts

    def all(self) -> list[Any]:
        """Return the guest, unless it is gone."""
        return [] if self._starts.guest is None else [self._starts.guest]


class Starts:
    """The guest ``db``, the records of its starts, and the history that tells of them.

    ``settled`` counts how often the records under way were waited for.
    """

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.guest: SimpleNamespace | None = SimpleNamespace(
            name="db",
            uuid=uuids.UUID(UUID).bytes,
            active=False,
            persistent=True,
            definition=SimpleNamespace(name="db"),
        )
        self.now: dict[str, Any] = {}
        self.settled = 0
        self.history = History(
            cast("Attempts", self), cast("Launcher", self), cast("Domains", OneGuest(self))
        )

    def start(self, verdict: str, **facts: Any) -> dict[str, Any]:
        """Have a start that ended so."""
        record = self.attempt(verdict, number=len(self.records) + 1, **facts).to_dict()
        self.records.append(record)
        return record

    def attempt(self, verdict: str, **facts: Any) -> Attempt:
        """Return a start that is not recorded."""
        known: dict[str, Any] = {
            "ms": 41.6,
            "definition": DEFINITION,
            "emulator": "/q",
            "qemu_version": "7.2.0",
            "kernel": "6.1",
            "memory_kib": 131072,
            "files": {"/k": FILE},
            "steps": [Step("exec", 5.0), Step("monitor", 30.2)],
        }
        return Attempt(
            guest="db",
            uuid=UUID,
            began="2026-01-02T03:04:05.678Z",
            verdict=verdict,
            **{**known, **facts},
        )

    def fail(self, **facts: Any) -> dict[str, Any]:
        """Have a start that failed for want of its kernel."""
        known = {
            "phase": "exec",
            "error": "internal error: gone\ncause: more",
            "findings": [FINDING],
            "files": {"/k": GONE},
        }
        return self.start("failed", **{**known, **facts})

    # -- what the history asks

    def of(self, guest: str) -> list[dict[str, Any]]:
        return self.records if guest == "db" else []

    def name_of(self, uuid: str) -> str:
        return "db" if self.records and uuid == UUID else ""

    async def settle(self) -> None:
        self.settled += 1

    async def as_now(self, domain: Any) -> Attempt:
        assert domain.name == "db"
        return self.attempt("now", **self.now)
