"""Repairs of guests and of the host under one face: what a guest needs is done here, the rest there.

Each is surveyed first; the survey is all that its undoing rests on.
"""

from __future__ import annotations

import asyncio
from typing import Any

from virtup.drivers.domains import Domains
from virtup.drivers.guest import Guest
from virtup.drivers.pools import Pool, Pools, require_directory
from virtup.errors import VirtError
from virtup.host.mending import CannotRepair, ChangedSince, Mender, NotNeeded
from virtup.model.domain import Domain, format_domain, parse_domain
from virtup.model.repair import (
    DefineGuest,
    EditDefinition,
    Repair,
    SetSaveAside,
    ShutDownGuest,
    StartPool,
)
from virtup.model.revision import revised

SHUTDOWN_S = 60.0
"""How long a guest that is asked to shut down may take."""

State = dict[str, Any]


class GuestMender:
    """Does the repairs of one daemon. The caller holds the guest that is to be mended."""

    def __init__(self, domains: Domains, pools: Pools, host: Mender) -> None:
        self._domains = domains
        self._pools = pools
        self._host = host

    async def survey(self, repair: Repair, guest: Guest | None) -> State:
        """Return what is there now; raises NotNeeded, CannotRepair."""
        match repair:
            case EditDefinition():
                return await self._survey_definition(repair, _held(guest))
            case SetSaveAside():
                return self._survey_save(_held(guest))
            case ShutDownGuest():
                return {"running": self._running(repair)}
            case StartPool():
                return await self._survey_pool(repair)
        return await asyncio.to_thread(self._host.survey, repair)

    async def do(self, repair: Repair, before: State, guest: Guest | None) -> State:
        """Do what was surveyed; raises CannotRepair."""
        match repair:
            case EditDefinition():
                await self._domains.revise(_held(guest), parse_domain(before["wanted"]))
                return {}
            case SetSaveAside():
                saves = self._domains.saving.saves
                return {"kept": await asyncio.to_thread(saves.lay_aside, _held(guest).name)}
            case ShutDownGuest():
                await self._shut_down(repair)
                return {}
            case StartPool():
                await self._start_pool(repair)
                return {}
        return await asyncio.to_thread(self._host.do, repair, before)

    async def undo(self, repair: Repair, before: State, after: State, guest: Guest | None) -> None:
        """Bring back what the survey saw; raises ChangedSince, CannotRepair."""
        match repair:
            case DefineGuest() if guest is None and before["xml"] is None:
                return
            case EditDefinition() | DefineGuest():
                await self._restore_definition(before, _held(guest))
            case SetSaveAside():
                self._bring_back_save(after, _held(guest))
            case ShutDownGuest():
                await self._start_again(repair)
            case StartPool():
                await self._stop_pool(repair)
            case _:
                await asyncio.to_thread(self._host.undo, repair, before, after)

    # -- definitions ---------------------------------------------------------------------------

    async def _survey_definition(self, repair: EditDefinition, guest: Guest) -> State:
        """Return the definition as it is, and as it becomes; that one is whole."""
        if not guest.persistent:
            raise CannotRepair(f"domain '{guest.name}' has no definition that is kept")
        text = _text(guest.definition)
        try:
            domain = await self._domains.complete(revised(text, repair.changes))
        except VirtError as error:
            raise CannotRepair(error.message.partition("\n")[0]) from error
        if (domain.name, domain.uuid) != (guest.name, guest.definition.uuid):
            raise CannotRepair("a repair does not give a domain another name or uuid")
        return {"xml": text, "wanted": _text(domain), "as_stored": guest.as_stored}

    async def survey_document(self, xml: str) -> State:
        """Return the guest's definition as it is and as *xml* makes it; raises VirtError."""
        domain = await self._domains.complete(xml)
        known = self._domains.conflict(domain)
        before = {"name": domain.name, "xml": None, "as_stored": False, "wanted": _text(domain)}
        if known is not None and known.persistent:
            before |= {"xml": _text(known.definition), "as_stored": known.as_stored}
        return before

    async def define(self, before: State) -> None:
        """Define what was surveyed; the caller holds no guest. Raises VirtError."""
        guest = await self._domains.define(before["wanted"], 0)
        before["wanted"] = _text(guest.definition)

    async def _restore_definition(self, before: State, guest: Guest) -> None:
        now = _text(guest.definition)
        if now == before["xml"]:
            return
        if now != before.get("wanted"):
            raise ChangedSince(f"the definition of '{guest.name}' was changed since")
        try:
            if before["xml"] is None:
                await self._domains.forget(guest, 0)
                return
            await self._domains.revise(guest, parse_domain(before["xml"]))
        except VirtError as error:
            raise CannotRepair(error.message) from error
        guest.as_stored = before["as_stored"]

    # -- saved state ---------------------------------------------------------------------------

    def _survey_save(self, guest: Guest) -> State:
        if not guest.has_managed_save:
            raise NotNeeded(f"domain '{guest.name}' has no saved state")
        return {}

    def _bring_back_save(self, after: State, guest: Guest) -> None:
        if guest.has_managed_save:
            if "kept" in after:
                raise ChangedSince(f"domain '{guest.name}' has another saved state by now")
            return
        if "kept" not in after:
            raise ChangedSince(f"the saved state of '{guest.name}' is not where it was")
        try:
            self._domains.saving.saves.take_back(after["kept"], guest.name)
        except OSError as error:
            raise ChangedSince(
                f"the saved state '{after['kept']}' cannot be brought back: {error.strerror}"
            ) from error

    # -- storage pools -------------------------------------------------------------------------

    def _pool(self, repair: StartPool) -> Pool:
        try:
            return self._pools.by_name(repair.name)
        except VirtError as error:
            raise CannotRepair(error.message) from error

    async def _survey_pool(self, repair: StartPool) -> State:
        pool = self._pool(repair)
        if pool.active:
            raise NotNeeded(f"storage pool '{pool.name}' is active already")
        try:
            await require_directory(pool.path, pool.name)
        except VirtError as error:
            raise CannotRepair(error.message.partition("\n")[0]) from error
        return {}

    async def _start_pool(self, repair: StartPool) -> None:
        try:
            await self._pools.start(self._pool(repair))
        except VirtError as error:
            raise CannotRepair(error.message.partition("\n")[0]) from error

    async def _stop_pool(self, repair: StartPool) -> None:
        pool = self._pool(repair)
        if pool.active:
            await self._pools.destroy(pool)

    # -- other guests --------------------------------------------------------------------------

    def _running(self, repair: ShutDownGuest) -> bool:
        if not self._other(repair).active:
            raise NotNeeded(f"domain '{repair.name}' is off already")
        return True

    def _other(self, repair: ShutDownGuest) -> Guest:
        try:
            return self._domains.by_name(repair.name)
        except VirtError as error:
            raise CannotRepair(error.message) from error

    async def _shut_down(self, repair: ShutDownGuest) -> None:
        other = self._other(repair)
        machine = other.machine
        if machine is None:
            return
        try:
            await other.shutdown(0)
        except VirtError as error:
            raise CannotRepair(error.message) from error
        if not await machine.gone_within(SHUTDOWN_S):
            raise CannotRepair(
                f"domain '{repair.name}' was asked to shut down and did not within "
                f"{SHUTDOWN_S:g} s: it still runs"
            )

    async def _start_again(self, repair: ShutDownGuest) -> None:
        other = self._other(repair)
        if other.active:
            return
        try:
            await other.start(0, None)
        except VirtError as error:
            raise CannotRepair(error.message.partition("\n")[0]) from error


def _held(guest: Guest | None) -> Guest:
    if guest is None:
        raise CannotRepair("the domain is not defined any more")
    return guest


def _text(domain: Domain) -> str:
    return format_domain(domain, secure=True, inactive=True)
