"""The history of a guest's starts: each of them, why the last failed, what changed since it worked.

Records stay when their guest is gone. Everything here waits for records under way, and reads in
threads.
"""

from __future__ import annotations

import asyncio
import uuid as uuids
from collections.abc import Mapping, Sequence
from typing import Any

from virtup.drivers.domains import Domains
from virtup.errors import InvalidArgument
from virtup.machine.attempts import FAILED, NOW, Attempts
from virtup.machine.launcher import Launcher
from virtup.model import history
from virtup.model.domain import parse_domain

SLOW_MS = 1000.0
"""A step that took longer than this, and most of a start's time, is named as where it went."""

Record = Mapping[str, Any]


class History:
    """The recorded starts of one daemon's guests."""

    def __init__(self, attempts: Attempts, launcher: Launcher, domains: Domains) -> None:
        self._attempts = attempts
        self._launcher = launcher
        self._domains = domains

    async def of(self, guest: str) -> list[Record]:
        """Return the recorded starts of the guest with that name or UUID, oldest first.

        Raises DomainNotFound for a guest that is not known and was never started.
        """
        return (await self._known(guest))[1]

    async def why(self, guest: str) -> dict[str, Any]:
        """Return what is known of a guest's last start.

        ``guest`` is its name, ``active`` and ``defined`` what it is now, ``attempt`` the last
        record or None. When that failed, ``findings`` are its, ``good`` is the head of the last
        start before it that went well (None: there is none) and ``changes`` what is different
        since; when it went well, ``failure`` is the head of the last one that failed, or None.
        ``slow`` is the step that most of the time went into, if it was long.
        """
        name, records = await self._known(guest)
        known = self._domains.named(name)
        last = records[-1] if records else None
        failed = last is not None and last["verdict"] == FAILED
        reply: dict[str, Any] = {
            "guest": name,
            "active": known is not None and known.active,
            "defined": known is not None and known.persistent,
            "attempt": last,
            "findings": last["findings"] if last is not None and failed else [],
            "good": None,
            "changes": [],
            "failure": None,
            "slow": None if last is None else _slow(last),
        }
        if last is not None and failed:
            good = history.last_good(records, last["number"])
            if good is not None:
                compared = await asyncio.to_thread(_compare, good, last)
                reply |= {"good": _head(good), "changes": compared["changes"]}
        else:
            reply["failure"] = _head(_last_failed(records))
        return reply

    async def diff(self, guest: str, before: str | None, after: str | None) -> dict[str, Any]:
        """Return what is different between two starts of a guest, by their numbers or ``now``.

        Without *after*, the first named is compared with the last before it that went well;
        without both, the last that failed, or else the last. The reply has ``guest``, the heads
        ``before`` (None: no start went well before, there is nothing to compare with) and
        ``after``, ``changes``, and ``definition``, the lines of the two definitions that differ.
        """
        name, records = await self._known(guest)
        if not records:
            raise InvalidArgument(f"no start of domain '{name}' is recorded")
        if after is not None:
            first: Record | None = await self._pick(name, records, str(before))
            second = await self._pick(name, records, after)
        else:
            default = _last_failed(records) or records[-1]
            second = default if before is None else await self._pick(name, records, before)
            first = history.last_good(records, second["number"])
        reply: dict[str, Any] = {"guest": name, "before": _head(first), "after": _head(second)}
        if first is None:
            return reply | {"changes": [], "definition": []}
        return reply | await asyncio.to_thread(_compare, first, second)

    # -- which ---------------------------------------------------------------------------------

    async def _known(self, guest: str) -> tuple[str, list[Record]]:
        """Return the name of a guest and its records."""
        await self._launcher.settle()
        name = await self._name_of(guest)
        records: list[Record] = [*await asyncio.to_thread(self._attempts.of, name)]
        if not records and self._domains.named(name) is None:
            raise self._domains.unknown(name, ", and none was started")
        return name, records

    async def _name_of(self, guest: str) -> str:
        """Return the name of a guest, of one that is gone by its records."""
        name = self._domains.name_of(guest)
        if self._domains.named(name) is not None:
            return name
        try:
            wanted = str(uuids.UUID(name))
        except ValueError:
            return name
        return await asyncio.to_thread(self._attempts.name_of, wanted) or name

    async def _pick(self, name: str, records: Sequence[Record], which: str) -> Record:
        if which == NOW:
            return await self._now(name, records)
        found = [one for one in records if str(one["number"]) == which]
        if not found:
            numbers = f"{records[0]['number']} to {records[-1]['number']}"
            raise InvalidArgument(
                f"no start '{which}' of domain '{name}' is recorded: there are {numbers}, and 'now'"
            )
        return found[0]

    async def _now(self, name: str, records: Sequence[Record]) -> Record:
        """Return what a start would find now, as if it were the next one."""
        guest = self._domains.named(name)
        last = records[-1]
        domain = guest.definition if guest is not None else parse_domain(last["definition"])
        record = (await self._launcher.as_now(domain)).to_dict()
        record["number"] = last["number"] + 1
        if guest is None:
            record["given"] = last["given"]
        if guest is not None and guest.active:
            record["memory_kib"] = 0  # it has its memory already
        return record


def _compare(before: Record, after: Record) -> dict[str, Any]:
    subjects = [str(one["subject"]) for one in after["findings"]]
    changes = history.changes(before, after, subjects=subjects)
    lines = history.unified(history.compared(before, after))
    return {"changes": [one.to_dict() for one in changes], "definition": lines}


def _last_failed(records: Sequence[Record]) -> Record | None:
    return next((one for one in reversed(records) if one["verdict"] == FAILED), None)


def _head(record: Record | None) -> Record | None:
    """Return what names a start in a sentence."""
    if record is None:
        return None
    names = ("number", "began", "verdict", "phase", "findings", "error")
    return {name: record[name] for name in names}


def _slow(record: Record) -> Record | None:
    longest = max(record["steps"], key=lambda step: float(step["ms"]), default=None)
    if longest is None or longest["ms"] < max(SLOW_MS, record["ms"] / 2):
        return None
    return {"step": longest["name"], "ms": longest["ms"], "of_ms": record["ms"]}
