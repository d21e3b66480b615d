"""Would guests start now? What a start decides before it launches, without its effects."""

from __future__ import annotations

from dataclasses import replace

from virtup.drivers.domains import Domains
from virtup.drivers.guest import Guest
from virtup.drivers.saves import BOOTS_COLD, STAYS
from virtup.errors import DomainExists, VirtError
from virtup.host.save_file import Image
from virtup.machine.check import Outlook, Verdict, refused
from virtup.machine.launcher import Launcher
from virtup.model.domain import Domain, format_domain
from virtup.model.save_image import ImageDamaged


class Checks:
    """The checks of one daemon's guests; see the module."""

    def __init__(self, domains: Domains, launcher: Launcher) -> None:
        self._domains = domains
        self._launcher = launcher

    async def all(self) -> list[Verdict]:
        """Return the verdict on every guest, in the order of their names."""
        guests = sorted(self._domains.all(), key=lambda guest: guest.name)
        return [await self.guest(guest) for guest in guests]

    async def guest(self, guest: Guest) -> Verdict:
        """Return what a start of *guest* would come to."""
        name, uuid = guest.name, str(guest.definition.uuid)
        if guest.active:
            return Verdict(name, uuid, Outlook.RUNS)
        try:
            image, notes = await self._state(guest)
            domain = await self._domain(guest, image)
            self._domains.refuse_foreign(guest)
        except VirtError as refusal:
            return refused(name, uuid, refusal)
        return replace(await self._launcher.rehearse(domain, image), notes=notes)

    async def document(self, xml: str) -> Verdict:
        """Return what a start of the guest that *xml* defines would come to."""
        try:
            domain = await self._launcher.complete(xml)
        except VirtError as refusal:
            return refused("", "", refusal)
        name, uuid = domain.name, str(domain.uuid)
        try:
            known = self._domains.conflict(domain)
        except DomainExists as refusal:
            await self._launcher.judged(refusal, domain)
            return refused(name, uuid, refusal)
        if known is not None and known.active:
            return Verdict(name, uuid, Outlook.RUNS)
        return await self._launcher.rehearse(domain)

    async def _domain(self, guest: Guest, image: Image | None) -> Domain:
        """Return what would be started."""
        if image is not None:
            return await self._domains.saving.domain_of(image)
        if not guest.as_stored:
            return guest.definition
        text = format_domain(guest.definition, secure=True, inactive=True)
        return await self._launcher.complete(text)

    async def _state(self, guest: Guest) -> tuple[Image | None, tuple[str, ...]]:
        """Return the saved state that a start would load, and what it would say of one.

        Raises ImageDamaged for one that keeps the guest from starting.
        """
        saving = self._domains.saving
        lost = saving.saves.lost(guest.name)
        if not saving.saves.has(guest.name):
            return None, (f"{lost}; the guest would boot without it",) if lost else ()
        try:
            image = await saving.examine(guest)
        except ImageDamaged as damage:
            if damage.kind in BOOTS_COLD:
                note = f"{damage.message}; it would be set aside, and the guest boot cold"
                return None, (note,)
            path = saving.saves.path(guest.name)
            await self._launcher.judged(damage, guest.definition, path=path)
            if damage.kind not in STAYS:
                first, _, rest = damage.message.partition("\n")
                first += "; this start would set it aside, the next one boot from the disks"
                damage.message = f"{first}\n{rest}" if rest else first
            raise
        return image, (f"it would go on from its saved state '{image.path}'",)
