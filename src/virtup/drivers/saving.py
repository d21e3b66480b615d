"""What clients do with saved guests: save, restore, look into, change, remove, verify."""

from __future__ import annotations

import asyncio
import logging
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtup.drivers.saves import BOOTS_COLD, STAYS, Saves
from virtup.errors import (
    Code,
    ConfigUnsupported,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    VirtError,
)
from virtup.host import disk as durable
from virtup.host import save_bytes, save_edit, save_file
from virtup.host.clock import Clock
from virtup.host.disk import Disk
from virtup.host.save_file import Image
from virtup.machine.launcher import Launcher
from virtup.machine.life import Machine
from virtup.machine.save import outline, restorer
from virtup.machine.save.compress import format_of
from virtup.machine.save.saver import SaveRequest, save
from virtup.machine.states import Shutoff
from virtup.model.domain import Domain, format_domain, parse_domain, stability
from virtup.model.save_image import HEADER_BYTES, Damage, Head, ImageDamaged

if TYPE_CHECKING:
    from virtup.drivers.guest import Guest

log = logging.getLogger(__name__)

SAVE_BYPASS_CACHE, SAVE_RUNNING, SAVE_PAUSED, SAVE_RESET_NVRAM = 1, 2, 4, 8
XML_SECURE = 1


VERDICTS = {
    Damage.CONSUMED: "consumed",
    Damage.DISKS_CHANGED: "disks changed",
    Damage.MACHINE_GONE: "cannot run here",
    Damage.UNREADABLE: "not checkable",
}
"""What an image is that is not restored and was not found damaged; all but the last are whole."""


def running_flag(flags: int) -> bool | None:
    """Return what RUNNING and PAUSED ask for; both at once are refused."""
    if flags & SAVE_RUNNING and flags & SAVE_PAUSED:
        raise InvalidArgument("running and paused flags are mutually exclusive")
    if flags & SAVE_RUNNING:
        return True
    return False if flags & SAVE_PAUSED else None


class Saving:
    """The saves and restores of all guests of one daemon."""

    def __init__(
        self, saves: Saves, launcher: Launcher, disk: Disk, clock: Clock, *, format: str
    ) -> None:
        self.saves = saves
        self._launcher = launcher
        self._disk = disk
        self._clock = clock
        self._format = format

    # -- saving --------------------------------------------------------------------------------

    async def to_file(
        self, machine: Machine, path: str, xml: str | None, flags: int, format: str | None
    ) -> None:
        """Save a running guest to a file of the caller's and end it."""
        if not path.startswith("/"):
            raise InvalidArgument(f"the file to save to must be an absolute path, not '{path}'")
        if xml is not None:
            xml = await self._same_guest(xml, machine.live)
        request = SaveRequest(
            path=path,
            temporary=save_bytes.temporary_of(path, save_bytes.PART),
            format=format_of(format or self._format),
            running=running_flag(flags),
            past_cache=bool(flags & SAVE_BYPASS_CACHE),
            xml=xml,
        )
        await save(machine, request, disk=self._disk, clock=self._clock)

    async def managed(self, guest: Guest, flags: int) -> None:
        """Save a running guest for its own next start and end it."""
        machine = guest.running()
        if not guest.persistent:
            raise OperationInvalid("cannot do managed save for transient domain")
        request = SaveRequest(
            path=self.saves.path(guest.name),
            temporary=self.saves.temporary(guest.name),
            format=format_of(self._format),
            running=running_flag(flags),
            past_cache=bool(flags & SAVE_BYPASS_CACHE),
        )
        await save(machine, request, disk=self._disk, clock=self._clock)
        self.saves.saved(guest.name)

    # -- restoring -----------------------------------------------------------------------------

    async def image_to_start(self, guest: Guest) -> tuple[Image | None, str]:
        """Return the managed image that the next start of *guest* loads, and what to say of it.

        (None, note) is a cold boot, with what was lost. Raises ImageDamaged for an image that
        must not be loaded; it is set aside then, or a person has to decide.
        """
        name = guest.name
        if not self.saves.has(name):
            loss = self.saves.loss(name)
            return None, f"{loss}; the guest boots without it" if loss else ""
        try:
            image = await self.examine(guest)
        except ImageDamaged as damage:
            if damage.kind not in BOOTS_COLD:
                raise self.refused(name, damage) from damage
            try:
                aside = f"it was set aside as '{self.saves.set_aside(name, damage)}'"
            except OSError as error:
                aside = f"it cannot be set aside: {error.strerror}"
            return None, f"{damage.message}; {aside}, the guest boots cold"
        return image, ""

    async def examine(self, guest: Guest) -> Image:
        """Return the managed image of *guest*, checked and its own; raises ImageDamaged."""
        try:
            image = await asyncio.to_thread(self.saves.examine, guest.name)
        except ImageDamaged as damage:
            if damage.kind is Damage.FLIPPED:
                damage.message += await self._unfit(self.saves.path(guest.name))
            raise
        domain = await self.domain_of(image)
        restorer.require_guest(domain, guest.name, str(guest.definition.uuid))
        return image

    async def _unfit(self, path: str) -> str:
        """Return why the definition that an image has now cannot run here, "" when it can."""
        head = await asyncio.to_thread(save_file.glimpse, path)
        if head is None:
            return ""
        try:
            await self._launcher.complete(head.xml, cookie=head.cookie)
        except VirtError as error:
            return f"; what it says now cannot run here: {error.message.partition(chr(10))[0]}"
        return ""

    def refused(self, name: str, damage: ImageDamaged) -> ImageDamaged:
        """Return the error for a managed image that was found damaged, set aside if need be.

        It says what becomes of the state.
        """
        path = self.saves.path(name)
        if damage.kind in STAYS:
            becomes = (
                f"; 'start --force-boot {name}' or 'managedsave-remove {name}' gives the state up "
                "and boots"
            )
        else:
            becomes = self._set_aside(name, damage)
        return ImageDamaged(damage.kind, damage.message + becomes + _acceptance(damage, path))

    def _set_aside(self, name: str, damage: ImageDamaged) -> str:
        try:
            kept = self.saves.set_aside(name, damage)
        except OSError as error:
            return (
                f"; its memory is lost, and it cannot be set aside: {error.strerror}; as soon as "
                "it can be, the guest boots from its disks"
            )
        return (
            f"; its memory is lost. It was set aside as '{kept}': start the guest again and it "
            "boots from its disks"
        )

    def refused_file(self, path: str, guest: str, damage: ImageDamaged) -> ImageDamaged:
        """Return the error for the file at *path*; *guest* can be booted without it, "" if none."""
        becomes = "; the file is left as it is"
        if guest:
            becomes += f"; 'start {guest}' boots the guest from its disks"
        return ImageDamaged(damage.kind, damage.message + becomes + _acceptance(damage, path))

    async def domain_of(self, image: Image, xml: str | None = None) -> Domain:
        """Return the guest in *image*, completed; raises ImageDamaged when it cannot run here."""
        text = xml if xml is not None else image.head.xml
        try:
            return await self._launcher.complete(text, cookie=image.head.cookie)
        except VirtError as error:
            if xml is not None:
                raise
            kind = Damage.MACHINE_GONE if error.code == Code.CONFIG_UNSUPPORTED else Damage.FLIPPED
            raise ImageDamaged(
                kind,
                f"the guest in the saved state '{image.path}' cannot run here: {error.message}",
            ) from error

    async def guest_in(self, path: str) -> tuple[str, str]:
        """Return name and UUID of the guest that a file seems to be of, "" for what it hides."""
        head = await asyncio.to_thread(save_file.glimpse, path)
        try:
            domain = parse_domain(head.xml) if head is not None else None
        except VirtError:
            domain = None
        return (domain.name, str(domain.uuid)) if domain is not None else ("", "")

    async def from_file(self, path: str, xml: str | None, flags: int) -> tuple[Image, Domain]:
        """Return image and guest of a file to restore from, checked."""
        image = await asyncio.to_thread(restorer.examine, path)
        domain = await self.domain_of(image)
        if xml is not None:
            changed = await self.domain_of(image, xml)
            _require_same(changed, domain)
            domain = changed
        image = with_running(image, running_flag(flags))
        return replace(image, past_cache=bool(flags & SAVE_BYPASS_CACHE)), domain

    # -- looking into images, and changing them ------------------------------------------------

    async def xml(self, path: str, flags: int) -> str:
        """Return the definition in an image; secrets only when asked for."""
        image = await asyncio.to_thread(save_file.inspect, path)
        domain = parse_domain(image.head.xml, source=path)
        return format_domain(domain, secure=bool(flags & XML_SECURE), inactive=True)

    async def define(self, path: str, xml: str, flags: int) -> None:
        """Put another definition of the same guest into an image, and whether it is to run."""
        image = await asyncio.to_thread(save_file.inspect, path)
        before = parse_domain(image.head.xml, source=path)
        text = await self._same_guest(xml, before) if xml else image.head.xml
        header = with_running(image, running_flag(flags)).head.header
        cookie = image.head.cookie
        body = len(text.encode()) + 1
        if body + len(cookie.encode()) + 1 > header.data_len:
            raise OperationFailed(
                f"new xml too large to fit in file: {body} bytes, {header.data_len} are there",
                code=Code.OPERATION_FAILED,
            )
        header = replace(header, cookie_offset=body if cookie else 0)
        head = Head(header, text, cookie)
        assert header.stream_offset == HEADER_BYTES + header.data_len
        await asyncio.to_thread(save_edit.replace_xml, image, head, self._disk)

    async def _same_guest(self, xml: str, known: Domain) -> str:
        domain = await self._launcher.complete(xml)
        _require_same(domain, known)
        return format_domain(domain, secure=True, inactive=True)

    async def verify(self, path: str) -> dict[str, Any]:
        """Read the whole image at *path* and tell what is in it, and what is wrong with it.

        ``verdict`` is ``whole``, ``not checkable`` (libvirt's own, which carry no digests, and
        what cannot be read) or what keeps it from being restored: one of `VERDICTS`, or
        ``damaged``. ``damage`` and ``sentence`` then say how.
        """
        found: dict[str, Any] = {
            "path": path,
            "verdict": "whole",
            "damage": "",
            "sentence": "",
            "contents": {},
        }
        try:
            image = await asyncio.to_thread(save_file.inspect, path)
            found["contents"] = restorer.describe(image)
            if image.trailer is None:
                found["verdict"] = "not checkable"
                await outline.check(image)
            else:
                await asyncio.to_thread(save_file.check_blocks, path, image.trailer)
            await asyncio.to_thread(restorer.examine, path)
            await self.domain_of(image)
        except ImageDamaged as damage:
            found |= {
                "verdict": VERDICTS.get(damage.kind, "damaged"),
                "damage": damage.kind.value,
                "sentence": damage.message,
            }
        return found

    # -- after a daemon that died in mid-save --------------------------------------------------

    async def end_cut_saves(self, machines: list[Machine]) -> None:
        """Bring the saves to an end that an earlier daemon began.

        One whose image is durable under its name is finished: its guest is ended, for it must
        not run on beside its image. Of any other nothing stays, and its guest runs on.
        """
        for machine in machines:
            note = machine.saving
            if note is None:
                continue
            finished = await asyncio.to_thread(save_file.is_of, note.path, note.id)
            await asyncio.to_thread(save_file.settle, note.path)
            if finished:
                log.warning("guest '%s': its save to '%s' is finished", machine.name, note.path)
                await machine.end_quietly(Shutoff.SAVED)
                continue
            log.warning("guest '%s': its save was cut short, it runs on", machine.name)
            durable.remove_durably(self._disk, note.temporary)
            await machine.after_cut_save()


def _require_same(target: Domain, source: Domain) -> None:
    """Refuse a definition in the place of another that the guest would find changed."""
    if found := stability.difference(target, source):
        raise ConfigUnsupported(found)


def _acceptance(damage: ImageDamaged, path: str) -> str:
    """What a person may do who knows that a change of the disks does no harm."""
    if damage.kind is not Damage.DISKS_CHANGED:
        return ""
    way = f"virtup save-verify {shlex.quote(path)} --accept-disks"
    return f"; if you know that the change does no harm, '{way}' has it restored all the same"


def with_running(image: Image, running: bool | None) -> Image:
    """Return *image* as one that runs, or not, after it is loaded; None leaves it as it is."""
    if running is None:
        return image
    header = replace(image.head.header, was_running=running)
    return replace(image, head=replace(image.head, header=header))
