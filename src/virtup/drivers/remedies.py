"""What can be done about that which keeps a guest from starting, judged by what holds now.

The present is checked, and the words of the last start that failed are judged again by what the
host shows now: what was mended meanwhile is not mended twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.drivers.checks import Checks
from virtup.drivers.guest import Guest
from virtup.drivers.mending import GuestMender
from virtup.errors import VirtError
from virtup.host.mending import CannotRepair
from virtup.machine import attempts as records
from virtup.machine import recall
from virtup.machine.attempts import Attempts
from virtup.machine.check import Outlook, Verdict
from virtup.machine.diagnose import diagnose
from virtup.machine.failure import UNKNOWN
from virtup.machine.launcher import Launcher
from virtup.model.domain import format_domain
from virtup.model.repair import EditDefinition, Repair
from virtup.model.revision import revised


@dataclass(frozen=True)
class Option:
    """One way out of one finding that virtup can go; ``obstacle`` is why it cannot after all."""

    finding: Finding
    fix: Fix
    obstacle: str = ""

    @property
    def key(self) -> str:
        """What a client names it by: the same repair of the same cause has the same key."""
        acts = [one.to_dict() for one in self.fix.repair]
        text = json.dumps([self.finding.code, self.finding.subject, acts], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return the option as JSON-ready data."""
        changes = [
            str(change)
            for one in self.fix.repair
            if isinstance(one, EditDefinition)
            for change in one.changes
        ]
        told = {"key": self.key, **self.fix.to_dict(), "changes": changes}
        return {**told, "obstacle": self.obstacle}


@dataclass(frozen=True)
class Item:
    """A finding, and what virtup can do about it: ``options``, best first, none for nothing."""

    finding: Finding
    options: tuple[Option, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON-ready data."""
        told = self.finding.to_dict()
        return {**told, "options": [one.to_dict() for one in self.options]}


class Remedies:
    """Finds what can be done for the guests of one daemon; nothing is changed."""

    def __init__(
        self, launcher: Launcher, checks: Checks, attempts: Attempts, mender: GuestMender
    ) -> None:
        self._launcher = launcher
        self._checks = checks
        self._attempts = attempts
        self._mender = mender

    async def of(self, guest: Guest) -> list[Item]:
        """Return what keeps *guest*, which is off, from starting."""
        verdict = await self._checks.guest(guest)
        found = list(verdict.findings)
        if verdict.outlook is not Outlook.RUNS:
            found += await self._still_true(guest)
            found += verdict.warnings
        return [
            await self._item(one, lambda repair: self._mender.survey(repair, guest))
            for one in _once(found)
        ]

    async def of_document(self, xml: str) -> tuple[Verdict, list[Item]]:
        """Return what a start of the guest that *xml* defines would come to, and the items."""
        verdict = await self._checks.document(xml)

        async def survey(repair: Repair) -> None:
            if isinstance(repair, EditDefinition):
                _fits(xml, repair)
            else:
                await self._mender.survey(repair, None)

        found = _once([*verdict.findings, *verdict.warnings])
        return verdict, [await self._item(one, survey) for one in found]

    async def _item(self, finding: Finding, survey: Callable[[Repair], Awaitable[Any]]) -> Item:
        """Return *finding* with its options, and what shows beforehand to be in their way."""

        async def looked_at(option: Option) -> Option:
            try:
                await survey(option.fix.repair[0])
            except CannotRepair as error:
                return replace(option, obstacle=error.message)
            return option

        return Item(finding, tuple([await looked_at(one) for one in _options(finding)]))

    async def _still_true(self, guest: Guest) -> list[Finding]:
        """Return what the last start failed of, as far as it is so now.

        Nothing when the definition was changed since: the words were about another one.
        """
        await self._launcher.settle()
        last = next(reversed(self._attempts.of(guest.name)), None)
        if last is None or last["verdict"] != records.FAILED:
            return []
        if last["definition"] != format_domain(guest.definition, inactive=True):
            return []
        told = {one.code: one.certainty for one in map(Finding.from_dict, last["findings"])}
        seen = await diagnose(recall.recalled(last, self._launcher.running()))
        return [one for one in seen if one.code in told and not _is_over(one, told[one.code])]


def _is_over(finding: Finding, then: Certainty) -> bool:
    """Tell whether the host, which proved a finding *then*, speaks against it now."""
    over = then is Certainty.PROVEN and finding.certainty is Certainty.POSSIBLE
    return over or finding.code == UNKNOWN


def _options(finding: Finding) -> Iterator[Option]:
    """Yield the ways out that virtup may go: none of what is only possible."""
    if finding.certainty is Certainty.POSSIBLE:
        return
    for fix in finding.fixes:
        if not fix.repair or fix.safety is Safety.MANUAL:
            continue
        sure = finding.certainty is Certainty.PROVEN
        safety = fix.safety if sure else Safety.CONFIRM
        yield Option(finding, replace(fix, text=fix.text.removeprefix("or "), safety=safety))


def _once(found: Sequence[Finding]) -> list[Finding]:
    """Return *found* without what one finding before says already."""
    kept: list[Finding] = []
    for one in found:
        if one.code == UNKNOWN or any(_same(one, other) for other in kept):
            continue
        kept.append(one)
    return kept


def _same(one: Finding, other: Finding) -> bool:
    if one.code == other.code and one.subject == other.subject:
        return True
    first = [fix.repair for fix in (*one.fixes[:1], *other.fixes[:1])]
    return len(first) == 2 and bool(first[0]) and first[0] == first[1]


def _fits(xml: str, repair: EditDefinition) -> None:
    try:
        revised(xml, repair.changes)
    except VirtError as error:
        raise CannotRepair(error.message) from error
