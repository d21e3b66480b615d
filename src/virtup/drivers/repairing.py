"""What keeps a guest from starting, mended: planned from what holds now, recorded, taken back.

A plan rests on a check of the present and on the words of the last start that failed, judged by
what the host shows now. Only what stands in the plan of this moment is ever done.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from virtup.causes.finding import Certainty, Finding, Fix, Safety
from virtup.drivers.checks import Checks
from virtup.drivers.domains import Domains
from virtup.drivers.guest import Guest
from virtup.drivers.mending import GuestMender
from virtup.errors import DomainNotFound, OperationFailed, OperationInvalid
from virtup.host.mending import CannotRepair, ChangedSince, NotNeeded
from virtup.machine import attempts as records
from virtup.machine import recall
from virtup.machine.attempts import Attempts
from virtup.machine.check import Outlook
from virtup.machine.diagnose import diagnose
from virtup.machine.failure import UNKNOWN
from virtup.machine.launcher import Launcher
from virtup.machine.repairs import Repairs, Step, StepState, Transaction
from virtup.model.domain import format_domain
from virtup.model.repair import EditDefinition, Repair

log = logging.getLogger(__name__)


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


class Repairing:
    """The repairs of one daemon's guests; one call at a time changes the host."""

    def __init__(
        self,
        domains: Domains,
        launcher: Launcher,
        checks: Checks,
        *,
        attempts: Attempts,
        kept: Repairs,
        mender: GuestMender,
    ) -> None:
        self._domains = domains
        self._launcher = launcher
        self._checks = checks
        self._attempts = attempts
        self._records = kept
        self._mender = mender
        self._lock = asyncio.Lock()

    async def plan(self, guest: Guest) -> dict[str, Any]:
        """Return what keeps *guest* from starting and what can be done about it.

        ``items`` are findings with ``options``, ``active`` says that it runs.
        """
        items = [] if guest.active else await self._items(guest)
        return {
            "guest": guest.name,
            "active": guest.active,
            "items": [one.to_dict() for one in items],
        }

    async def apply(
        self, guest: Guest, keys: Sequence[str], transaction: str | None
    ) -> dict[str, Any]:
        """Do the options with *keys*, as far as they are in the plan of now.

        *transaction* is the one to go on with. Returns it, and the ``results`` in the order of the
        plan: ``{"key", "state", "error"}``.
        """
        async with self._lock, guest.job("fix"):
            if guest.active:
                raise OperationInvalid(f"domain '{guest.name}' runs: there is nothing to mend")
            chosen = [
                option
                for item in await self._items(guest)
                for option in item.options
                if option.key in keys
            ]
            work = self._transaction(guest, transaction)
            results = [await self._carry_out(work, option, guest) for option in chosen]
            self._records.prune(guest.name)
        known = {option.key for option in chosen}
        results += [
            _result(key, "gone", "it is not needed any more") for key in keys if key not in known
        ]
        return {"guest": guest.name, "transaction": work.began, "results": results}

    async def undo(self, name: str) -> dict[str, Any]:
        """Take back the newest transaction of the guest *name*, last step first.

        Raises OperationInvalid when there is none, or the guest runs on what was mended.
        """
        guest = self._known(name)
        async with self._lock:
            if guest is None:
                return await self._take_back(name, None)
            async with guest.job("fix --undo"):
                if guest.active:
                    raise OperationInvalid(
                        f"domain '{name}' runs, on what was mended: shut it down first"
                    )
                return await self._take_back(name, guest)

    def recorded(self, name: str) -> list[dict[str, Any]]:
        """Return the recorded transactions of the guest *name*, oldest first."""
        found = self._records.of(name)
        if not found and self._known(name) is None:
            raise DomainNotFound(f"no domain with matching name '{name}', and nothing was mended")
        return [one.summary() for one in found]

    # -- planning ------------------------------------------------------------------------------

    async def _items(self, guest: Guest) -> list[Item]:
        verdict = await self._checks.guest(guest)
        found = list(verdict.findings)
        if verdict.outlook is not Outlook.RUNS:
            found += await self._still_true(guest)
            found += verdict.warnings
        items = []
        for finding in _once(found):
            options = [await self._looked_at(one, guest) for one in _options(finding)]
            items.append(Item(finding, tuple(options)))
        return items

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
        told = {Finding.from_dict(one).code for one in last["findings"]}
        seen = await diagnose(recall.recalled(last, self._launcher.running()))
        return [one for one in seen if one.code in told and one.code != UNKNOWN]

    async def _looked_at(self, option: Option, guest: Guest) -> Option:
        """Return *option* with what keeps it from being done, if that shows beforehand."""
        try:
            await self._mender.survey(option.fix.repair[0], guest)
        except CannotRepair as error:
            return replace(option, obstacle=error.message)
        return option

    # -- doing and taking back -----------------------------------------------------------------

    def _transaction(self, guest: Guest, began: str | None) -> Transaction:
        if began is None:
            return self._records.begin(guest.name, str(guest.definition.uuid))
        for known in self._records.of(guest.name):
            if known.began == began:
                return known
        return Transaction(guest.name, str(guest.definition.uuid), began)

    async def _carry_out(self, work: Transaction, option: Option, guest: Guest) -> dict[str, Any]:
        """Do every repair of *option*, or none: those before one that fails are taken back."""
        done: list[Step] = []
        for repair in option.fix.repair:
            try:
                done.append(await self._do(work, option, repair, guest))
            except NotNeeded:
                continue
            except CannotRepair as error:
                for step in reversed(done):
                    await self._undo(work, step, guest)
                return _result(option.key, "failed", error.message)
        return _result(option.key, "done" if done else "gone", "")

    async def _do(self, work: Transaction, option: Option, repair: Repair, guest: Guest) -> Step:
        before = await self._mender.survey(repair, guest)
        step = Step(option.finding.code, option.fix.text, repair.to_dict(), before)
        work.steps.append(step)
        await self._keep(work)
        try:
            step.after = await self._mender.do(repair, before, guest)
        except CannotRepair as error:
            step.state, step.error = StepState.FAILED, error.message
            raise
        else:
            step.state = StepState.DONE
            log.info("guest '%s': %s (%s)", guest.name, option.fix.text, option.finding.code)
            return step
        finally:
            await self._keep(work)

    async def _take_back(self, name: str, guest: Guest | None) -> dict[str, Any]:
        work = self._records.last(name)
        if work is None:
            raise OperationInvalid(_nothing_left(name, self._records.of(name)))
        for step in reversed(work.steps):
            if step.stands:
                await self._undo(work, step, guest)
        if not work.stands:
            work.undone = records.now()
            await self._keep(work)
        return work.summary()

    async def _undo(self, work: Transaction, step: Step, guest: Guest | None) -> None:
        step.error = ""
        try:
            await self._mender.undo(step.act(), step.before, step.after, guest)
            step.state = StepState.UNDONE
        except ChangedSince as error:
            step.state, step.error = StepState.CHANGED, error.message
        except CannotRepair as error:
            step.error = error.message
        await self._keep(work)

    async def _keep(self, work: Transaction) -> None:
        try:
            await asyncio.to_thread(self._records.write, work)
        except OSError as error:
            raise OperationFailed(
                f"the record of the repair cannot be written, so nothing more is changed: "
                f"'{error.filename}': {error.strerror}"
            ) from error

    def _known(self, name: str) -> Guest | None:
        return next((one for one in self._domains.all() if one.name == name), None)


def _options(finding: Finding) -> Iterator[Option]:
    """Yield the ways out that virtup may go: none of what is only possible."""
    if finding.certainty is Certainty.POSSIBLE:
        return
    for fix in finding.fixes:
        if not fix.repair or fix.safety is Safety.MANUAL:
            continue
        sure = finding.certainty is Certainty.PROVEN
        safety = fix.safety if sure else Safety.CONFIRM
        yield Option(finding, replace(fix, safety=safety))


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


def _result(key: str, state: str, error: str) -> dict[str, Any]:
    return {"key": key, "state": state, "error": error}


def _nothing_left(name: str, known: Sequence[Transaction]) -> str:
    if not known:
        return f"nothing was mended for domain '{name}'"
    last = known[-1]
    when = (last.undone or last.began).replace("T", " ")[:19]
    what = "was taken back" if last.undone else "changed nothing"
    return f"nothing is left to take back: the last repair of domain '{name}' {what}, {when} UTC"
