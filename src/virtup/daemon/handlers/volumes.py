"""Storage volumes: found and listed, told of, made, resized and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtup.daemon.bodies import pool_body
from virtup.daemon.handlers.domain import document
from virtup.daemon.handlers.lists import at_most
from virtup.daemon.handlers.pools import pool_of
from virtup.daemon.registry import Args, Reply, handles
from virtup.drivers.pools import refuse_flags
from virtup.drivers.volumes import DIRECTORY, FILE, GET_PHYSICAL, Handle

if TYPE_CHECKING:
    from virtup.daemon.client import Client
    from virtup.drivers.pools import Pool
    from virtup.host.storage import Entry


def _handle(args: Args) -> Handle:
    return Handle(**args["vol"])


def _body(pool: Pool, entry: Entry) -> dict[str, Any]:
    return {"pool": pool.name, "name": entry.name, "key": entry.path}


# -- found and listed ------------------------------------------------------------------------------


@handles("STORAGE_POOL_LIST_ALL_VOLUMES")
async def list_all(client: Client, args: Args) -> Reply:
    """List the volumes of a pool."""
    refuse_flags(args["flags"], 0)
    pool = pool_of(client, args)
    names = await client.hypervisor.volumes.names(pool)
    found = [{"pool": pool.name, "name": name, "key": f"{pool.path}/{name}"} for name in names]
    return {"vols": found if args["need_results"] else [], "ret": len(found)}


@handles("STORAGE_POOL_LIST_VOLUMES")
async def list_names(client: Client, args: Args) -> Reply:
    """List the names of the volumes of a pool."""
    names = await client.hypervisor.volumes.names(pool_of(client, args))
    return {"names": names[: at_most(args["maxnames"])]}


@handles("STORAGE_POOL_NUM_OF_VOLUMES")
async def count(client: Client, args: Args) -> Reply:
    """Count the volumes of a pool."""
    return {"num": len(await client.hypervisor.volumes.names(pool_of(client, args)))}


@handles("STORAGE_VOL_LOOKUP_BY_NAME")
async def by_name(client: Client, args: Args) -> Reply:
    """Find a volume in its pool."""
    pool = pool_of(client, args)
    return {"vol": _body(pool, await client.hypervisor.volumes.by_name(pool, args["name"]))}


@handles("STORAGE_VOL_LOOKUP_BY_KEY")
async def by_key(client: Client, args: Args) -> Reply:
    """Find a volume by its key, which is its path."""
    return {"vol": _body(*await client.hypervisor.volumes.by_path(args["key"], "key"))}


@handles("STORAGE_VOL_LOOKUP_BY_PATH")
async def by_path(client: Client, args: Args) -> Reply:
    """Find a volume by its path."""
    return {"vol": _body(*await client.hypervisor.volumes.by_path(args["path"], "path"))}


@handles("STORAGE_POOL_LOOKUP_BY_VOLUME")
async def pool_by_volume(client: Client, args: Args) -> Reply:
    """Find the pool of a volume."""
    return {"pool": pool_body(client.hypervisor.pools.by_name(args["vol"]["pool"]).ref)}


# -- told of ---------------------------------------------------------------------------------------


@handles("STORAGE_VOL_GET_INFO")
async def get_info(client: Client, args: Args) -> Reply:
    """Tell what a volume is, and its sizes."""
    _, found = await client.hypervisor.volumes.resolve(_handle(args))
    return _sizes(found, found.allocation)


@handles("STORAGE_VOL_GET_INFO_FLAGS")
async def get_info_flags(client: Client, args: Args) -> Reply:
    """Tell what a volume is, and its sizes, how long its file is among them."""
    refuse_flags(args["flags"], GET_PHYSICAL)
    _, found = await client.hypervisor.volumes.resolve(_handle(args))
    return _sizes(found, found.physical if args["flags"] & GET_PHYSICAL else found.allocation)


def _sizes(found: Entry, used: int) -> dict[str, Any]:
    kind = DIRECTORY if found.is_dir else FILE
    return {"type": kind, "capacity": found.capacity, "allocation": used}


@handles("STORAGE_VOL_GET_PATH")
async def get_path(client: Client, args: Args) -> Reply:
    """Tell where a volume lies."""
    _, found = await client.hypervisor.volumes.resolve(_handle(args))
    return {"name": found.path}


@handles("STORAGE_VOL_GET_XML_DESC")
async def get_xml(client: Client, args: Args) -> Reply:
    """Tell all that is known of a volume."""
    refuse_flags(args["flags"], 0)
    _, found = await client.hypervisor.volumes.resolve(_handle(args))
    return {"xml": await client.hypervisor.volumes.xml(found)}


# -- made, changed, removed ------------------------------------------------------------------------


@handles("STORAGE_VOL_CREATE_XML", writes="virStorageVolCreateXML")
async def create_xml(client: Client, args: Args) -> Reply:
    """Make a volume."""
    pool = pool_of(client, args)
    xml = document(args["xml"])
    return {"vol": _body(pool, await client.hypervisor.volumes.create(pool, xml, args["flags"]))}


@handles("STORAGE_VOL_RESIZE", writes="virStorageVolResize")
async def resize(client: Client, args: Args) -> Reply:
    """Give a volume another size."""
    await client.hypervisor.volumes.resize(_handle(args), args["capacity"], args["flags"])
    return None


@handles("STORAGE_VOL_DELETE", writes="virStorageVolDelete")
async def delete(client: Client, args: Args) -> Reply:
    """Delete a volume."""
    await client.hypervisor.volumes.delete(_handle(args), args["flags"])
    return None
