"""The registry of storage pools: define, start, stop, find; directories alone.

A pool that is active is a directory that may be used: nothing is mounted, and what is in it is
looked at anew each time (`virtup.drivers.volumes`).
"""

from __future__ import annotations

import asyncio
import logging
import uuid as uuids
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeVar

from virtup.drivers.pool_store import PoolStore
from virtup.errors import (
    InternalError,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    PoolNotFound,
    SystemError_,
)
from virtup.host import storage, volumes
from virtup.host.storage import Space
from virtup.host.volumes import Owner
from virtup.machine.events import PoolEvent, PoolEventBus, PoolRef
from virtup.model.storage import pool as documents
from virtup.model.storage.permissions import Permissions

log = logging.getLogger(__name__)

T = TypeVar("T")

DEFINE_VALIDATE = 1
CREATE_BUILD, CREATE_BUILD_OVERWRITE, CREATE_BUILD_NO_OVERWRITE = 1, 2, 4
XML_INACTIVE = 1


class Change(IntEnum):
    """What happens to a pool, as ``virStoragePoolEventLifecycleType`` numbers it."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3
    CREATED = 4
    DELETED = 5


class State(IntEnum):
    """How a pool is, as ``virStoragePoolState`` numbers it."""

    INACTIVE = 0
    RUNNING = 2
    INACCESSIBLE = 4


@dataclass(eq=False)
class Pool:
    """One pool. ``live`` is what it was started with, None while it is not active."""

    definition: documents.Pool
    persistent: bool
    autostart: bool = False
    live: documents.Pool | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.name

    @property
    def uuid(self) -> bytes:
        """Its UUID, 16 bytes."""
        return uuids.UUID(self.definition.uuid).bytes

    @property
    def ref(self) -> PoolRef:
        """How the wire names it."""
        return PoolRef(self.name, self.uuid)

    @property
    def active(self) -> bool:
        """Whether it may be used."""
        return self.live is not None

    @property
    def path(self) -> str:
        """Its directory."""
        return (self.live or self.definition).target.path

    def require_active(self) -> None:
        """Raise OperationInvalid when it is not active."""
        if not self.active:
            raise OperationInvalid(f"storage pool '{self.name}' is not active")


class Pools:
    """All pools of one daemon, by name, UUID and directory; changed one at a time."""

    def __init__(self, store: PoolStore, events: PoolEventBus) -> None:
        self._store = store
        self._events = events
        self._by_name: dict[str, Pool] = {}
        self._lock = asyncio.Lock()

    # -- finding -------------------------------------------------------------------------------

    def all(self) -> list[Pool]:
        """Return every pool, by name."""
        return sorted(self._by_name.values(), key=lambda pool: pool.name)

    def by_name(self, name: str) -> Pool:
        """Return the pool of that name, or raise PoolNotFound."""
        pool = self._by_name.get(name)
        if pool is None:
            raise PoolNotFound(f"no storage pool with matching name '{name}'")
        return pool

    def by_uuid(self, uuid: bytes, name: str = "") -> Pool:
        """Return the pool with that UUID, or raise PoolNotFound; *name* is what it was called."""
        for pool in self._by_name.values():
            if pool.uuid == uuid:
                return pool
        known = f" ({name})" if name else ""
        raise PoolNotFound(f"no storage pool with matching uuid '{uuids.UUID(bytes=uuid)}'{known}")

    def by_path(self, path: str) -> Pool:
        """Return the pool that has that directory, or raise PoolNotFound."""
        wanted = documents.plain_path(path)
        for pool in self.all():
            if pool.path == wanted:
                return pool
        raise PoolNotFound(f"no storage pool with matching target path '{path}'")

    # -- defining ------------------------------------------------------------------------------

    async def define(self, xml: str, flags: int) -> Pool:
        """Define a pool, or define it anew; durable when this returns."""
        refuse_flags(flags, DEFINE_VALIDATE)
        document = _complete(xml)
        async with self._lock:
            known = self._conflict(document)
            await _on_disk(self._store.write, document)
            if known is None:
                known = self._by_name[document.name] = Pool(document, persistent=True)
            known.definition, known.persistent = document, True
            self._tell(known, Change.DEFINED)
        return known

    async def undefine(self, pool: Pool) -> None:
        """Forget a definition; what is in the directory stays."""
        async with self._lock:
            _require_inactive(pool)
            await _on_disk(self._store.remove, pool.name)
            self._forget(pool)
            self._tell(pool, Change.UNDEFINED)

    async def set_autostart(self, pool: Pool, autostart: bool) -> None:
        """Have a pool start with the host, or not; durable when this returns."""
        async with self._lock:
            if not pool.persistent:
                raise InternalError("pool has no config file")
            await _on_disk(self._store.set_autostart, pool.name, autostart)
            pool.autostart = autostart

    def _conflict(self, document: documents.Pool) -> Pool | None:
        """Return the pool that *document* is a new definition of; refuse one that is another's."""
        uuid = uuids.UUID(document.uuid).bytes
        for pool in self.all():
            if pool.name != document.name and pool.path == document.target.path:
                raise OperationFailed(f"Storage source conflict with pool: '{pool.name}'")
        for pool in self.all():
            if pool.uuid == uuid and pool.name != document.name:
                raise OperationFailed(
                    f"pool '{pool.name}' is already defined with uuid {document.uuid}"
                )
            if pool.name == document.name and pool.uuid != uuid:
                other = uuids.UUID(bytes=pool.uuid)
                raise OperationFailed(f"pool '{pool.name}' already exists with uuid {other}")
        return self._by_name.get(document.name)

    def _forget(self, pool: Pool) -> None:
        if self._by_name.get(pool.name) is pool:
            del self._by_name[pool.name]

    # -- active and not ------------------------------------------------------------------------

    async def create(self, xml: str, flags: int) -> Pool:
        """Start a pool that is not defined: it is gone when it is stopped."""
        refuse_flags(flags, CREATE_BUILD)
        document = _complete(xml)
        async with self._lock:
            known = self._conflict(document)
            if known is not None and known.active:
                raise OperationInvalid(f"pool is already active as '{known.name}'")
            pool = known or Pool(document, persistent=False)
            await self._start(pool, document, build=bool(flags & CREATE_BUILD))
            self._by_name[pool.name] = pool
        return pool

    async def start(self, pool: Pool, flags: int = 0) -> None:
        """Make a pool active; raises SystemError_ when its directory cannot be used."""
        refuse_flags(flags, CREATE_BUILD)
        async with self._lock:
            if pool.active:
                raise OperationInvalid(f"storage pool '{pool.name}' is already active")
            await self._start(pool, pool.definition, build=bool(flags & CREATE_BUILD))

    async def _start(self, pool: Pool, document: documents.Pool, *, build: bool) -> None:
        if build:
            await asyncio.to_thread(_build, document)
        await require_directory(document.target.path, pool.name)
        await _on_disk(self._store.write_active, document)
        pool.live = document
        self._tell(pool, Change.STARTED)

    async def destroy(self, pool: Pool) -> None:
        """Make a pool inactive; what is in it stays, and guests that use it run on."""
        async with self._lock:
            pool.require_active()
            await _on_disk(self._store.remove_active, pool.name)
            pool.live = None
            if not pool.persistent:
                self._forget(pool)
            self._tell(pool, Change.STOPPED)

    async def refresh(self, pool: Pool) -> None:
        """See whether the directory is there; a pool without one is not active any more."""
        pool.require_active()
        try:
            await require_directory(pool.path, pool.name)
        except SystemError_:
            await self.destroy(pool)
            raise
        self._events.emit(PoolEvent("refresh", pool.ref))

    async def build(self, pool: Pool, flags: int) -> None:
        """Make the directory of a pool that is not active; one that is there is left."""
        refuse_flags(flags, 0)
        async with self._lock:
            if pool.active:
                raise OperationInvalid(f"storage pool '{pool.name}' is already active")
            await asyncio.to_thread(_build, pool.definition)
            self._tell(pool, Change.CREATED)

    async def delete(self, pool: Pool, flags: int) -> None:
        """Remove the directory of a pool that is not active; it has to be empty."""
        refuse_flags(flags, 0)
        async with self._lock:
            _require_inactive(pool)
            try:
                await asyncio.to_thread(volumes.remove, pool.path)
            except OSError as error:
                raise SystemError_(
                    f"failed to remove pool '{pool.path}': {error.strerror}"
                ) from error
            self._tell(pool, Change.DELETED)

    # -- seen ----------------------------------------------------------------------------------

    async def info(self, pool: Pool) -> tuple[State, Space]:
        """Return how a pool is, and its room, none for one that cannot be used now."""
        nothing = Space(0, 0, 0)
        if not pool.active:
            return State.INACTIVE, nothing
        try:
            return State.RUNNING, await looked_at(lambda: storage.space(pool.path), pool.path)
        except OSError:
            return State.INACCESSIBLE, nothing

    async def xml(self, pool: Pool, flags: int) -> str:
        """Return a pool's definition, with room, mode and owner as they are while it is active."""
        refuse_flags(flags, XML_INACTIVE)
        document = pool.definition if flags & XML_INACTIVE else pool.live or pool.definition
        if pool.active:
            _, room = await self.info(pool)
            document = replace(
                document,
                capacity=room.capacity,
                allocation=room.allocation,
                available=room.available,
                target=await _seen(document.target),
            )
        return documents.format_pool(document)

    # -- the daemon's own start ----------------------------------------------------------------

    async def open(self) -> None:
        """Load the definitions, find the active pools again, start those that start with a boot."""
        for stored in self._store.load():
            try:
                self._conflict(stored.pool)
            except OperationFailed as error:
                log.error("storage pool '%s' left aside: %s", stored.pool.name, error.message)
                continue
            self._by_name[stored.pool.name] = Pool(stored.pool, True, stored.autostart)
        first = self._store.begin()
        for live in self._store.load_active():
            pool = self._by_name.get(live.name)
            if pool is None:
                pool = self._by_name[live.name] = Pool(live, persistent=False)
            if pool.definition.uuid == live.uuid:
                pool.live = live
        if first:
            due = [pool for pool in self.all() if pool.autostart and not pool.active]
            await asyncio.gather(*(self._start_with_host(pool) for pool in due))

    async def _start_with_host(self, pool: Pool) -> None:
        try:
            await require_directory(pool.path, pool.name)  # beside the others, as it may take long
            await self.start(pool)
        except SystemError_ as error:
            why = error.message.partition("\n")[0]
            log.error("storage pool '%s' does not start with the host: %s", pool.name, why)

    def _tell(self, pool: Pool, change: Change) -> None:
        self._events.emit(PoolEvent("lifecycle", pool.ref, int(change)))


async def _on_disk(act: Callable[..., None], *args: object) -> None:
    """Have the store do *act*; raises SystemError_ where the disk does not take it."""
    try:
        await asyncio.to_thread(act, *args)
    except OSError as error:
        raise SystemError_(f"cannot write '{error.filename}': {error.strerror}") from error


def refuse_flags(flags: int, known: int) -> None:
    """Raise InvalidArgument for flags beyond *known*."""
    if flags & ~known:
        raise InvalidArgument(f"unsupported flags (0x{flags & ~known:x})")


async def looked_at(look: Callable[[], T], path: str) -> T:
    """Return what *look* sees of *path*, beside the others; raises OSError in bounded time."""
    return await asyncio.to_thread(storage.answered, look, path)


async def require_directory(path: str, name: str) -> None:
    """Raise SystemError_ when the directory of the pool *name* cannot be read."""
    try:
        await looked_at(lambda: storage.open_directory(path), path)
    except FileNotFoundError as error:
        raise SystemError_(
            f"cannot open directory '{path}': {error.strerror}\n"
            f"fix:      mount what belongs there; an empty one is made by 'pool-build {name}'"
        ) from error
    except OSError as error:
        raise SystemError_(f"cannot open directory '{path}': {error.strerror}") from error


def _require_inactive(pool: Pool) -> None:
    if pool.active:
        raise OperationInvalid(f"storage pool '{pool.name}' is still active")


def _complete(xml: str) -> documents.Pool:
    """Return the pool that *xml* defines, with a UUID; sizes are the host's to tell."""
    given = documents.parse_pool(xml)
    uuid = given.uuid or str(uuids.uuid4())
    return replace(given, uuid=uuid, capacity=None, allocation=None, available=None)


def _build(document: documents.Pool) -> None:
    try:
        volumes.make_directory(document.target.path, owner_of(document.target.permissions))
    except OSError as error:
        raise SystemError_(
            f"cannot create path '{document.target.path}': {error.strerror}"
        ) from error


def owner_of(given: Permissions | None) -> Owner:
    """Return whose a new directory or file is to be, as far as that is *given*."""
    if given is None:
        return Owner()
    uid, gid = (-1 if one is None else one for one in (given.owner, given.group))
    return Owner(given.mode, uid, gid)


async def _seen(target: documents.PoolTarget) -> documents.PoolTarget:
    """Return *target* with mode and owner as they are."""
    try:
        seen = await looked_at(lambda: storage.open_directory(target.path), target.path)
    except OSError:
        return target
    permissions = Permissions(mode=seen.st_mode & 0o7777, owner=seen.st_uid, group=seen.st_gid)
    return replace(target, permissions=permissions)
