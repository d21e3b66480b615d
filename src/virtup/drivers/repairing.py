"""What keeps a guest from starting, mended: planned from what holds now, recorded, taken back.

A plan rests on a check of the present and on the words of the last start that failed, judged by
what the host shows now. Only what stands in the plan of this moment is ever done.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from virtup.drivers.domains import Domains
from virtup.drivers.guest import Guest
from virtup.drivers.mending import GuestMender
from virtup.drivers.remedies import Option, Remedies
from virtup.errors import DomainNotFound, OperationFailed, OperationInvalid, VirtError
from virtup.host.mending import CannotRepair, ChangedSince, NotNeeded
from virtup.machine import attempts as records
from virtup.machine.check import Outlook
from virtup.machine.repairs import Repairs, Step, StepState, Transaction
from virtup.model.repair import DefineGuest, EditDefinition, Repair
from virtup.model.revision import revised

log = logging.getLogger(__name__)


class Repairing:
    """The repairs of one daemon's guests; one call at a time changes the host.

    *on_act* is called after each act and each undoing: what was known of the host may be stale.
    """

    def __init__(
        self,
        domains: Domains,
        remedies: Remedies,
        kept: Repairs,
        mender: GuestMender,
        *,
        on_act: Callable[[], None] = lambda: None,
    ) -> None:
        self._domains = domains
        self._remedies = remedies
        self._records = kept
        self._mender = mender
        self._on_act = on_act
        self._lock = asyncio.Lock()

    async def plan(self, guest: Guest) -> dict[str, Any]:
        """Return what keeps *guest* from starting and what can be done about it.

        ``items`` are findings with ``options``, ``active`` says that it runs.
        """
        items = [] if guest.active else await self._remedies.of(guest)
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
                for item in await self._remedies.of(guest)
                for option in item.options
                if option.key in keys
            ]
            work = self._transaction(guest.name, str(guest.definition.uuid), transaction)
            results = [await self._carry_out(work, option, guest) for option in chosen]
            self._records.prune(guest.name)
        results += _not_needed(keys, results)
        return {"guest": guest.name, "transaction": work.began, "results": results}

    async def plan_document(self, xml: str) -> dict[str, Any]:
        """Return what `plan` does for the guest that *xml* defines, which is not defined yet."""
        verdict, items = await self._remedies.of_document(xml)
        return {
            "guest": verdict.name or _name_in(xml),
            "active": verdict.outlook is Outlook.RUNS,
            "items": [one.to_dict() for one in items],
        }

    async def apply_document(
        self, xml: str, keys: Sequence[str], transaction: str | None
    ) -> dict[str, Any]:
        """Do what `apply` does for the guest that *xml* defines; ``xml`` is what becomes of that."""
        async with self._lock:
            verdict, items = await self._remedies.of_document(xml)
            name = verdict.name or _name_in(xml)
            work = self._transaction(name, verdict.uuid, transaction)
            results = []
            for option in (one for item in items for one in item.options if one.key in keys):
                edits = [one for one in option.fix.repair if isinstance(one, EditDefinition)]
                for one in edits:
                    xml = revised(xml, one.changes)
                if edits:
                    results.append(_result(option.key, "done", ""))
                else:
                    results.append(await self._carry_out(work, option, None))
        results += _not_needed(keys, results)
        return {"guest": name, "transaction": work.began, "results": results, "xml": xml}

    async def define(self, xml: str, transaction: str | None) -> dict[str, Any]:
        """Define the guest of *xml*, as a step of *transaction* that is taken back with it."""
        async with self._lock:
            before = await self._mender.survey_document(xml)
            work = self._transaction(before["name"], "", transaction)
            repair = DefineGuest(before["name"])
            step = Step("", f"define domain '{before['name']}'", repair.to_dict(), before)
            work.steps.append(step)
            await self._keep(work)
            try:
                await self._mender.define(before)
                step.state = StepState.DONE
            except VirtError as error:
                step.state, step.error = StepState.FAILED, error.message
                raise
            finally:
                await self._keep(work)
        return {"guest": before["name"], "transaction": work.began}

    async def undo(self, name: str) -> dict[str, Any]:
        """Take back the newest transaction of the guest *name*, last step first.

        Raises OperationInvalid when there is none, or the guest runs on what was mended.
        """
        guest = self._domains.named(name)
        async with self._lock:
            if self._records.last(name) is None:
                raise OperationInvalid(_nothing_left(name, self._records.of(name)))
            if guest is None:
                return await self._take_back(name, None)
            async with guest.job("fix --undo"):
                if guest.active and self._records.last(name) is not None:
                    raise OperationInvalid(
                        f"domain '{name}' runs, on what was mended: shut it down first"
                    )
                return await self._take_back(name, guest)

    def recorded(self, name: str) -> list[dict[str, Any]]:
        """Return the recorded transactions of the guest *name*, oldest first."""
        found = self._records.of(name)
        if not found and self._domains.named(name) is None:
            raise DomainNotFound(f"no domain with matching name '{name}', and nothing was mended")
        return [one.summary() for one in found]

    # -- doing and taking back -----------------------------------------------------------------

    def _transaction(self, name: str, uuid: str, began: str | None) -> Transaction:
        """Return the transaction *began*, to go on with, or a new one."""
        known = (one for one in self._records.of(name) if one.began == began)
        return next(known, None) or self._records.begin(name, uuid)

    async def _carry_out(
        self, work: Transaction, option: Option, guest: Guest | None
    ) -> dict[str, Any]:
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

    async def _do(
        self, work: Transaction, option: Option, repair: Repair, guest: Guest | None
    ) -> Step:
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
            log.info("guest '%s': %s (%s)", work.guest, option.fix.text, option.finding.code)
            return step
        finally:
            self._on_act()
            await self._keep(work)

    async def _take_back(self, name: str, guest: Guest | None) -> dict[str, Any]:
        work = self._records.last(name)
        assert work is not None
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
        self._on_act()
        await self._keep(work)

    async def _keep(self, work: Transaction) -> None:
        try:
            await asyncio.to_thread(self._records.write, work)
        except OSError as error:
            raise OperationFailed(
                f"the record of the repair cannot be written, so nothing more is changed: "
                f"'{error.filename}': {error.strerror}"
            ) from error


def _name_in(xml: str) -> str:
    """Return the name that a document gives, also one that cannot be read further."""
    found = re.search(r"<name>\s*([^<]*?)\s*</name>", xml)
    return found[1] if found is not None and "/" not in found[1] else ""


def _not_needed(keys: Sequence[str], results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {one["key"] for one in results}
    return [_result(key, "gone", "it is not needed any more") for key in keys if key not in known]


def _result(key: str, state: str, error: str) -> dict[str, Any]:
    return {"key": key, "state": state, "error": error}


def _nothing_left(name: str, known: Sequence[Transaction]) -> str:
    if not known:
        return f"nothing was mended for domain '{name}'"
    last = known[-1]
    when = (last.undone or last.began).replace("T", " ")[:19]
    what = "was taken back" if last.undone else "changed nothing"
    return f"nothing is left to take back: the last repair of domain '{name}' {what}, {when} UTC"
