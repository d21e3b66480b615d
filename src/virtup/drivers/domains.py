"""The registry of guests: define, create, find, list, and what the daemon does at its own start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid as uuids
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from virtup.drivers.autostart import Autostart
from virtup.drivers.guest import (
    START_AUTODESTROY,
    START_BYPASS_CACHE,
    START_PAUSED,
    START_RESET_NVRAM,
    START_VALIDATE,
    Guest,
    refuse_flags,
)
from virtup.drivers.saving import SAVE_RESET_NVRAM, Saving
from virtup.drivers.store import Store
from virtup.errors import (
    DomainExists,
    DomainNotFound,
    InvalidArgument,
    OperationInvalid,
    SystemError_,
    VirtError,
)
from virtup.host import nvram
from virtup.host.clock import Clock
from virtup.host.console import Consoles
from virtup.host.save_file import Image
from virtup.machine.events import Event, EventBus
from virtup.machine.failure import told
from virtup.machine.launcher import Launcher, Request
from virtup.machine.life import Machine
from virtup.machine.settings import Settings
from virtup.machine.states import Lifecycle, Shutoff
from virtup.model.domain import Domain, format_domain
from virtup.model.evidence import Evidence
from virtup.model.save_image import ImageDamaged

log = logging.getLogger(__name__)

DEFINE_VALIDATE = 1
UNDEFINE_MANAGED_SAVE, UNDEFINE_NVRAM, UNDEFINE_KEEP_NVRAM = 1, 4, 8
UNDEFINE_KNOWN = 1 | 2 | 4 | 8 | 16 | 32 | 64


class Domains:
    """All guests of one daemon, by name, UUID and id.

    *foreign* tells the process that another libvirt runs the guest of a name in, if there is one.
    """

    def __init__(
        self,
        store: Store,
        launcher: Launcher,
        events: EventBus,
        settings: Settings,
        *,
        saving: Saving,
        autostart: Autostart,
        clock: Clock,
        foreign: Callable[[str], int | None] = lambda _name: None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.consoles = Consoles()
        self._launcher = launcher
        self._events = events
        self.saving = saving
        self.autostart = autostart
        self._clock = clock
        self._foreign = foreign
        self._by_name: dict[str, Guest] = {}
        self._ending: set[asyncio.Task[None]] = set()

    # -- finding -------------------------------------------------------------------------------

    def all(self) -> list[Guest]:
        """Return every guest, running ones in the order of their ids first, then by name."""
        known = [guest for guest in self._by_name.values() if guest.persistent or guest.active]
        return sorted(known, key=lambda guest: (not guest.active, guest.id, guest.name))

    def knows(self, guest: Guest) -> bool:
        """Tell whether *guest* is still the one of its name."""
        return self._by_name.get(guest.name) is guest

    def by_name(self, name: str) -> Guest:
        """Return the guest of that name, or raise DomainNotFound."""
        guest = self._by_name.get(name)
        if guest is None:
            raise self.unknown(name)
        return guest

    def unknown(self, name: str, more: str = "") -> DomainNotFound:
        """Return the error for a name that no guest has, with *more*; it tells of a file aside."""
        aside = self.store.why_aside(name)
        if aside:
            more += f"; its definition was left aside: {aside}"
        return DomainNotFound(f"no domain with matching name '{name}'{more}")

    def named(self, name: str) -> Guest | None:
        """Return the guest of that name that runs or is defined, or None."""
        return next((one for one in self.all() if one.name == name), None)

    def name_of(self, guest: str) -> str:
        """Return the name of the guest with that name or UUID; one that is not known is a name.

        Raises DomainNotFound for what no guest can be called.
        """
        if "/" in guest or "\0" in guest:
            raise DomainNotFound(f"no domain with matching name '{guest}'")
        try:
            wanted = uuids.UUID(guest).bytes
        except ValueError:
            return guest
        return next((one.name for one in self.all() if one.uuid == wanted), guest)

    def by_uuid(self, uuid: bytes) -> Guest:
        """Return the guest with that UUID, or raise DomainNotFound."""
        guest = self._find_uuid(uuid)
        if guest is None:
            raise DomainNotFound(f"no domain with matching uuid '{uuids.UUID(bytes=uuid)}'")
        return guest

    def by_id(self, id: int) -> Guest:
        """Return the running guest with that id, or raise DomainNotFound."""
        for guest in self._by_name.values():
            if guest.active and guest.id == id:
                return guest
        raise DomainNotFound(f"no domain with matching id {id}")

    def resolve(self, handle: dict[str, Any]) -> Guest:
        """Return the guest that a client's handle names; the UUID decides."""
        guest = self._find_uuid(handle["uuid"])
        if guest is None:
            uuid = uuids.UUID(bytes=handle["uuid"])
            raise DomainNotFound(f"no domain with matching uuid '{uuid}' ({handle['name']})")
        return guest

    def _find_uuid(self, uuid: bytes) -> Guest | None:
        return next((one for one in self._by_name.values() if one.uuid == uuid), None)

    def active(self) -> list[Guest]:
        """Return the running guests."""
        return [guest for guest in self.all() if guest.active or guest.starting]

    # -- defining ------------------------------------------------------------------------------

    async def define(self, xml: str, flags: int) -> Guest:
        """Define a guest, or define it anew; durable when this returns."""
        refuse_flags(flags, DEFINE_VALIDATE)
        domain = await self._launcher.complete(xml)
        async with self._claimed(domain, "define") as guest:
            await self.revise(guest, domain)
        return guest

    async def complete(self, xml: str) -> Domain:
        """Return *xml* as the definition that it would become; raises VirtError."""
        return await self._launcher.complete(xml)

    async def revise(self, guest: Guest, domain: Domain) -> None:
        """Give *guest*, which the caller holds, its definition; durable when this returns."""
        await self.kept(partial(self.store.write, domain), domain)
        detail = 1 if guest.persistent else 0
        guest.redefine(domain)
        self._lifecycle(guest, Lifecycle.DEFINED, detail)

    async def kept(self, write: Callable[[], None], domain: Domain) -> None:
        """Have *write* change what the store has of *domain*.

        Raises SystemError_, with cause and fix, when it cannot be written.
        """
        try:
            await asyncio.to_thread(write)
        except OSError as failed:
            path = str(failed.filename)
            error = SystemError_(f"cannot write '{path}': {failed.strerror}")
            await self._launcher.judged(error, domain, errno=failed.errno, path=path)
            raise error from failed

    @contextlib.asynccontextmanager
    async def _claimed(self, domain: Domain, what: str) -> AsyncIterator[Guest]:
        """Hold the guest that *domain* defines; there is one for that long if there was none."""
        while True:
            try:
                guest = self.conflict(domain)
            except DomainExists as error:
                await self._launcher.explain(error, domain)
                raise
            if guest is None:
                guest = self._by_name[domain.name] = Guest(self, domain, persistent=False)
            await guest.acquire(what)
            if self.knows(guest):
                break
            guest.release()  # it was undefined, or did not come to run, while we waited
        try:
            yield guest
        finally:
            guest.release()

    def conflict(self, domain: Domain) -> Guest | None:
        """Return the guest that *domain* is a new definition of; refuse one that is another's."""
        uuid = uuids.UUID(domain.uuid).bytes
        by_uuid = self._find_uuid(uuid)
        by_name = self._by_name.get(domain.name)
        if by_uuid is not None and by_uuid.name != domain.name:
            raise DomainExists(
                f"domain '{by_uuid.name}' is already defined with uuid {domain.uuid}"
            )
        if by_name is not None and by_name.uuid != uuid:
            other = uuids.UUID(bytes=by_name.uuid)
            raise DomainExists(f"domain '{domain.name}' already exists with uuid {other}")
        return by_uuid

    async def forget(self, guest: Guest, flags: int) -> None:
        """Remove a definition; a guest that is off is gone with it."""
        refuse_flags(flags, UNDEFINE_KNOWN)
        store = guest.definition.os.nvram
        variables = store.path if store is not None and store.path else ""
        decided = flags & (UNDEFINE_NVRAM | UNDEFINE_KEEP_NVRAM)
        if variables and not decided and nvram.is_there(variables):
            raise OperationInvalid(
                f"cannot undefine domain with nvram: '{variables}' has its firmware's variables; "
                "'undefine --nvram' removes them, --keep-nvram leaves them"
            )
        if guest.has_managed_save and not guest.active:
            if not flags & UNDEFINE_MANAGED_SAVE:
                raise OperationInvalid(
                    "Refusing to undefine while domain managed save image exists"
                )
            await self.give_up_state(guest)
        if variables and flags & UNDEFINE_NVRAM:
            await asyncio.to_thread(nvram.remove, variables)
        await self.kept(partial(self.store.remove, guest.name), guest.definition)
        guest.persistent = False
        guest.autostart = guest.autostart_once = False
        if not guest.active:
            del self._by_name[guest.name]
        elif guest.machine is not None:
            guest.machine.set_persistent(False)
        self._lifecycle(guest, Lifecycle.UNDEFINED, 0)

    # -- running -------------------------------------------------------------------------------

    async def create(self, xml: str, flags: int, client_id: int | None) -> Guest:
        """Start a guest from XML without defining it."""
        refuse_flags(flags, START_PAUSED | START_AUTODESTROY | START_VALIDATE | START_RESET_NVRAM)
        domain = await self._launcher.complete(xml, to_start=True)
        async with self._claimed(domain, "create") as guest:
            if guest.active:
                raise OperationInvalid(f"domain '{guest.name}' is already active")
            await self.launch(guest, domain, flags, client_id)
        return guest

    async def start_defined(self, guest: Guest, flags: int, client_id: int | None) -> None:
        """Start a defined guest: from its managed save, if it has one, else from its disks."""
        try:
            image, note = await self.saving.image_to_start(guest)
        except ImageDamaged as refusal:
            path = self.saving.saves.path(guest.name)
            await self._launcher.explain(refusal, guest.definition, path=path)
            raise
        if note:
            log.warning("guest '%s': %s", guest.name, note)
            self._events.emit(Event("control-error", guest.ref))
        guest.start_notes = notes = (note,) if note else ()
        if image is None:
            if guest.as_stored:
                text = format_domain(guest.definition, secure=True, inactive=True)
                guest.redefine(await self._launcher.complete(text, to_start=True))
            await self.launch(guest, guest.definition, flags, client_id, notes=notes)
            return
        domain = await self.saving.domain_of(image)
        refused = partial(self.saving.refused, guest.name)
        try:
            loaded = replace(image, past_cache=bool(flags & START_BYPASS_CACHE))
            await self.launch(guest, domain, flags, client_id, image=loaded, refused=refused)
        except VirtError:
            self.saving.saves.look_for_retired(guest.name)
            raise
        await asyncio.to_thread(self.saving.saves.used, image, guest.name)

    async def give_up_state(self, guest: Guest) -> None:
        """Remove the managed save of *guest*, and what is left of one that was cut short."""
        saves = self.saving.saves
        saves.loss(guest.name)
        if await asyncio.to_thread(saves.remove, guest.name):
            log.warning("guest '%s': its saved state was given up, as asked", guest.name)

    async def restore(self, path: str, xml: str | None, flags: int) -> Guest:
        """Restore a guest from a file; the file is marked, and is not restored a second time."""
        refuse_flags(flags, 1 | 2 | 4 | 8)
        try:
            image, domain = await self.saving.from_file(path, xml, flags)
        except ImageDamaged as damage:
            raise await self._refused_file(path, damage) from damage
        async with self._claimed(domain, "restore") as guest:
            if guest.active:
                raise OperationInvalid(f"domain '{guest.name}' is already active")
            name = guest.name if guest.persistent else ""
            refused = partial(self.saving.refused_file, path, name)
            anew = START_RESET_NVRAM if flags & SAVE_RESET_NVRAM else 0
            await self.launch(guest, domain, anew, None, image=image, refused=refused)
        return guest

    async def _refused_file(self, path: str, damage: ImageDamaged) -> ImageDamaged:
        """Return why a file is not restored; a guest that it is of has it on its record."""
        name, uuid = await self.saving.guest_in(path)
        guest = self._by_name.get(name)
        if guest is None or not guest.persistent or str(uuids.UUID(bytes=guest.uuid)) != uuid:
            refused = self.saving.refused_file(path, "", damage)
            await told(refused.message, Evidence(phase="prepare", path=path), refused)
            return refused
        refused = self.saving.refused_file(path, name, damage)
        await self._launcher.explain(refused, guest.definition, path=path)
        return refused

    async def save_image_xml(self, path: str, flags: int) -> str:
        """Return the definition in an image."""
        return await self.saving.xml(path, flags)

    async def save_image_define(self, path: str, xml: str, flags: int) -> None:
        """Change the definition in an image."""
        await self.saving.define(path, xml, flags)

    async def verify_image(self, path: str) -> dict[str, Any]:
        """Read and check a whole image; see `Saving.verify`."""
        return await self.saving.verify(path)

    def now_ms(self) -> float:
        """Return the clock of jobs, in milliseconds."""
        return self._clock.monotonic() * 1000

    async def launch(
        self,
        guest: Guest,
        domain: Domain,
        flags: int,
        client_id: int | None,
        *,
        image: Image | None = None,
        refused: Callable[[ImageDamaged], ImageDamaged] = lambda damage: damage,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Start *domain* as the machine of *guest*; a caller that goes away does not stop it."""
        self.refuse_foreign(guest)
        request = Request(
            id=await self._launcher.next_id(domain),
            persistent=guest.persistent,
            paused=bool(flags & START_PAUSED),
            reset_nvram=bool(flags & START_RESET_NVRAM),
            image=image,
            refused=refused,
            notes=notes,
            autodestroy=client_id if flags & START_AUTODESTROY else None,
            on_up=lambda machine: setattr(guest, "machine", machine),
            on_end=lambda machine, why: self._ended(guest, machine, why),
        )
        task = asyncio.get_running_loop().create_task(
            self._launcher.start(domain, request), name=f"start-{domain.name}"
        )
        guest.starting = task
        guest.starting_id = request.id
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            guest.ended(Shutoff.DESTROYED)
            raise OperationInvalid("the domain was destroyed while it started") from None
        except VirtError:
            guest.ended(Shutoff.FAILED)
            raise
        finally:
            if task.done():
                guest.starting = None

    def refuse_foreign(self, guest: Guest) -> None:
        """Raise OperationInvalid when another libvirt runs the guest."""
        pid = self._foreign(guest.name)
        if pid is not None:
            raise OperationInvalid(
                f"domain '{guest.name}' is already run by libvirtd, as process {pid}: shut it "
                f"down from within, or end it with 'kill {pid}'"
            )

    def _ended(self, guest: Guest, machine: Machine, why: Shutoff) -> None:
        if guest.machine is machine or guest.machine is None:
            guest.ended(why)
        self.drop_if_gone(guest)

    def drop_if_gone(self, guest: Guest) -> None:
        """Forget a guest that neither runs nor is defined; one that a call holds may yet be."""
        gone = not guest.persistent and not guest.active and guest.starting is None
        if gone and not guest.held and self.knows(guest):
            del self._by_name[guest.name]

    def client_gone(self, client_id: int) -> None:
        """End the guests that were started for as long as that client stays."""
        for guest in list(self._by_name.values()):
            machine = guest.machine
            if machine is not None and machine.autodestroy == client_id:
                task = asyncio.ensure_future(self._end(machine))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)

    async def _end(self, machine: Machine) -> None:
        try:
            await machine.end(Shutoff.DESTROYED)
        except VirtError as error:
            log.error("guest '%s' outlives its client: %s", machine.name, error)

    async def xml_to_native(self, format: str, xml: str) -> str:
        """Return the QEMU command line that *xml* would give, as a shell line."""
        if format != "qemu-argv":
            raise InvalidArgument(f"unsupported config type '{format}': only 'qemu-argv' is known")
        return await self._launcher.to_native(xml)

    # -- the daemon's own start and end --------------------------------------------------------

    async def open(self) -> None:
        """Load the definitions, find the running guests again, start what starts with the host."""
        for stored in self.store.load():
            clash = self._find_uuid(uuids.UUID(stored.domain.uuid).bytes)
            if clash is not None:
                log.error(
                    "guest definition left aside: '%s' has the uuid of '%s'",
                    stored.domain.name,
                    clash.name,
                )
                continue
            guest = Guest(self, stored.domain, persistent=True)
            guest.as_stored = True
            guest.autostart = stored.autostart
            guest.autostart_once = stored.autostart_once
            self._by_name[guest.name] = guest
            pid = self._foreign(guest.name)
            if pid is not None:
                log.warning(
                    "guest '%s' is run by libvirtd, as process %d: it cannot be steered from here, "
                    "and not be started beside that",
                    guest.name,
                    pid,
                )
        await self._launcher.reconnect(self._adopt, self._ended_meanwhile)
        machines = [guest.machine for guest in self.all() if guest.machine is not None]
        await self.saving.end_cut_saves(machines)
        self.saving.saves.open({guest.name for guest in self.all() if guest.machine is not None})
        task = asyncio.ensure_future(self.autostart.run(list(self.all())))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _adopt(self, machine: Machine) -> Callable[[Machine, Shutoff], None]:
        guest = self._by_name.get(machine.name)
        if guest is None or guest.uuid != machine.uuid:
            guest = Guest(self, machine.live, persistent=False)
            self._by_name[machine.name] = guest
        guest.machine = machine
        held = guest
        return lambda ended, why: self._ended(held, ended, why)

    def _ended_meanwhile(self, name: str, why: Shutoff) -> None:
        guest = self._by_name.get(name)
        if guest is not None:
            guest.ended(why)

    def close(self) -> None:
        """Give up what was begun in the background; running guests run on."""
        for task in tuple(self._ending):
            task.cancel()

    def _lifecycle(self, guest: Guest, event: Lifecycle, detail: int) -> None:
        self._events.emit(Event("lifecycle", guest.ref, {"event": int(event), "detail": detail}))
