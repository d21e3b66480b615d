"""The volumes of storage pools: found, described, made, resized and deleted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from virtup.drivers.pools import Pool, Pools, looked_at, owner_of, refuse_flags
from virtup.errors import (
    ConfigUnsupported,
    InvalidArgument,
    OperationInvalid,
    SystemError_,
    VolumeExists,
    VolumeNotFound,
)
from virtup.host import storage
from virtup.host import volumes as files
from virtup.host.storage import Entry
from virtup.host.volumes import FORMATS, Wanted
from virtup.model.storage.permissions import Permissions
from virtup.model.storage.volume import (
    Timestamps,
    Volume,
    VolumeBacking,
    VolumeTarget,
    format_volume,
    parse_volume,
)

CREATE_PREALLOCATE, CREATE_VALIDATE = 1, 4
RESIZE_ALLOCATE, RESIZE_DELTA, RESIZE_SHRINK = 1, 2, 4
GET_PHYSICAL = 1
FILE, DIRECTORY = 0, 2
"""``virStorageVolType``."""


@dataclass(frozen=True)
class Handle:
    """How the wire names a volume; its key is its path."""

    pool: str
    name: str
    key: str


class Volumes:
    """The volumes of all pools. *user* tells the running guest that has a file open, "" for none."""

    def __init__(self, pools: Pools, user: Callable[[str], str]) -> None:
        self._pools = pools
        self._user = user

    # -- finding -------------------------------------------------------------------------------

    async def names(self, pool: Pool) -> list[str]:
        """Return the names of what is in an active pool, in order."""
        pool.require_active()
        try:
            return await looked_at(lambda: storage.names(pool.path), pool.path)
        except OSError as error:
            raise _unreadable(error, pool.path) from error

    async def by_name(self, pool: Pool, name: str) -> Entry:
        """Return the volume of that name in an active pool, or raise VolumeNotFound."""
        pool.require_active()
        found = await self._look(pool, name)
        if found is None:
            raise VolumeNotFound(f"no storage vol with matching name '{name}'")
        return found

    async def by_path(self, path: str, word: str) -> tuple[Pool, Entry]:
        """Return the volume at *path*, and its pool, or raise VolumeNotFound.

        *word* is what the caller knows it by: ``path`` or ``key``.
        """
        folder, name = os.path.split(path)
        for pool in self._pools.all():
            if pool.active and pool.path == folder:
                found = await self._look(pool, name)
                if found is not None:
                    return pool, found
        raise VolumeNotFound(f"no storage vol with matching {word} '{path}'")

    async def resolve(self, handle: Handle) -> tuple[Pool, Entry]:
        """Return the pool and the volume that a client's handle names."""
        pool = self._pools.by_name(handle.pool)
        return pool, await self.by_name(pool, handle.name)

    async def path_of(self, pool: str, volume: str) -> str:
        """Return the file that a disk of type ``volume`` names; raises VirtError as libvirt does."""
        known = self._pools.by_name(pool)
        if not known.active:
            raise ConfigUnsupported(
                f"storage pool '{pool}' containing volume '{volume}' is not active"
            )
        path = os.path.join(known.path, volume)
        try:
            kind = await looked_at(lambda: storage.kind(known.path, volume), known.path)
        except OSError as error:
            raise SystemError_(f"Cannot access storage file '{path}': {error.strerror}") from error
        if not kind:
            raise VolumeNotFound(
                f"no storage vol with matching name '{volume}' in pool '{pool}' ('{known.path}')"
            )
        if kind == "dir":
            raise ConfigUnsupported(
                f"volume '{volume}' of storage pool '{pool}' is a directory, accepted for a disk "
                f"is a file ('{path}')"
            )
        return path

    async def _look(self, pool: Pool, name: str) -> Entry | None:
        try:
            return await looked_at(lambda: storage.entry(pool.path, name), pool.path)
        except OSError as error:
            raise _unreadable(error, os.path.join(pool.path, name)) from error

    # -- described -----------------------------------------------------------------------------

    async def xml(self, entry: Entry) -> str:
        """Return the document of a volume."""
        below = await asyncio.to_thread(_backing, entry) if entry.backing else None
        document = Volume(
            type="dir" if entry.is_dir else "file",
            name=entry.name,
            key=entry.path,
            capacity=entry.capacity,
            allocation=entry.allocation,
            physical=entry.physical or None,
            target=VolumeTarget(
                path=entry.path,
                format=entry.format,
                permissions=_permissions(entry),
                timestamps=_timestamps(entry),
                cluster_size=entry.cluster_size or None,
            ),
            backing_store=below,
        )
        return format_volume(document)

    # -- made, changed, removed ----------------------------------------------------------------

    async def create(self, pool: Pool, xml: str, flags: int) -> Entry:
        """Make a volume, whole or not at all; one of its name must not be there."""
        refuse_flags(flags, CREATE_PREALLOCATE | CREATE_VALIDATE)
        pool.require_active()
        document = parse_volume(xml)
        if await self._look(pool, document.name) is not None:
            raise VolumeExists(f"storage volume '{document.name}' exists already")
        wanted = await self._wanted(pool, document, preallocate=bool(flags & CREATE_PREALLOCATE))
        try:
            await asyncio.to_thread(files.make, wanted)
        except FileExistsError as error:
            raise VolumeExists(f"storage volume '{document.name}' exists already") from error
        except OSError as error:
            raise SystemError_(f"cannot make '{wanted.path}': {error.strerror}") from error
        return await self.by_name(pool, document.name)

    async def _wanted(self, pool: Pool, document: Volume, *, preallocate: bool) -> Wanted:
        format = document.target.format or "raw"
        if document.type == "dir" or format not in FORMATS:
            what = "dir" if document.type == "dir" else format
            raise ConfigUnsupported(
                f"a volume of format '{what}' is not made, accepted are "
                + ", ".join(f"'{one}'" for one in FORMATS)
            )
        if document.capacity is None:
            raise InvalidArgument(f"volume '{document.name}' has no <capacity>")
        below = document.backing_store
        if below is not None and format == "raw":
            raise ConfigUnsupported("a volume of format 'raw' has no backing store")
        return Wanted(
            path=os.path.join(pool.path, document.name),
            format=format,
            capacity=document.capacity,
            allocation=document.capacity if document.allocation is None else document.allocation,
            owner=owner_of(document.target.permissions),
            backing=below.path if below is not None else "",
            backing_format=await _format_below(below) if below is not None else "",
            options=tuple(_options(document.target, preallocate=preallocate)),
        )

    async def resize(self, handle: Handle, capacity: int, flags: int) -> None:
        """Give a volume another size, in bytes: by that much with `RESIZE_DELTA`."""
        refuse_flags(flags, RESIZE_ALLOCATE | RESIZE_DELTA | RESIZE_SHRINK)
        _, found = await self.resolve(handle)
        self._refuse_in_use(found, "changed")
        if found.is_dir or found.format not in FORMATS:
            raise ConfigUnsupported(f"the size of a '{found.format}' volume is not changed")
        shrink = bool(flags & RESIZE_SHRINK)
        if flags & RESIZE_DELTA:
            capacity = found.capacity - capacity if shrink else found.capacity + capacity
        if capacity < found.capacity and not shrink:
            raise InvalidArgument(
                "Can't shrink capacity below current capacity unless shrink flag explicitly "
                "specified"
            )
        await asyncio.to_thread(
            files.resize, found.path, found.format, max(capacity, 0), shrink=shrink
        )
        if flags & RESIZE_ALLOCATE and found.format == "raw":
            await asyncio.to_thread(files.set_aside, found.path, capacity)

    async def delete(self, handle: Handle, flags: int) -> None:
        """Delete a volume and what is in it; one that a running guest uses is refused."""
        refuse_flags(flags, 0)
        _, found = await self.resolve(handle)
        self._refuse_in_use(found, "deleted")
        try:
            await asyncio.to_thread(files.remove, found.path)
        except OSError as error:
            raise SystemError_(f"cannot unlink file '{found.path}': {error.strerror}") from error

    def _refuse_in_use(self, entry: Entry, what: str) -> None:
        guest = self._user(entry.path)
        if guest:
            raise OperationInvalid(
                f"volume '{entry.name}' is not {what}: domain '{guest}' runs with '{entry.path}'"
            )


def _unreadable(error: OSError, path: str) -> SystemError_:
    return SystemError_(f"cannot read '{path}': {error.strerror}")


async def _format_below(below: VolumeBacking) -> str:
    """Return the format of the image below a new one: what is said, or what its header says."""
    folder, name = os.path.split(below.path)
    try:
        found = await looked_at(lambda: storage.entry(folder, name), below.path)
    except OSError as error:
        raise _unreadable(error, below.path) from error
    if found is None or found.is_dir:
        raise SystemError_(f"inaccessible backing store volume '{below.path}'")
    return below.format or found.format


def _options(target: VolumeTarget, *, preallocate: bool) -> list[str]:
    """Return the options for ``qemu-img create``; a raw image has none of them."""
    options = [f"compat={target.compat}"] if target.compat else []
    if target.cluster_size:
        options.append(f"cluster_size={target.cluster_size}")
    if target.lazy_refcounts:
        options.append("lazy_refcounts=on")
    if target.extended_l2:
        options.append("extended_l2=on")
    if target.nocow:
        options.append("nocow=on")
    return [*options, "preallocation=metadata"] if preallocate else options


def _permissions(entry: Entry) -> Permissions:
    return Permissions(mode=entry.mode, owner=entry.uid, group=entry.gid)


def _timestamps(entry: Entry) -> Timestamps:
    at, mt, ct = (
        f"{ns // 10**9}.{ns % 10**9:09d}" for ns in (entry.atime_ns, entry.mtime_ns, entry.ctime_ns)
    )
    return Timestamps(atime=at, mtime=mt, ctime=ct, btime="0")


def _backing(entry: Entry) -> VolumeBacking:
    """Return what lies below an image, as far as it can be looked at."""
    folder, name = os.path.split(entry.backing)
    try:
        found = storage.answered(lambda: storage.entry(folder, name), entry.backing)
    except OSError:
        found = None
    format = entry.backing_format or (found.format if found is not None else None)
    return VolumeBacking(
        path=entry.backing,
        format=format or None,
        permissions=_permissions(found) if found is not None else None,
        timestamps=_timestamps(found) if found is not None else None,
    )
