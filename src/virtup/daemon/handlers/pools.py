"""Storage pools: found and listed, defined, started, stopped and told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from virtup.daemon.bodies import pool_body
from virtup.daemon.handlers.domain import document
from virtup.daemon.handlers.lists import at_most
from virtup.daemon.registry import Args, Reply, handles
from virtup.drivers.pools import refuse_flags

if TYPE_CHECKING:
    from virtup.daemon.client import Client
    from virtup.drivers.pools import Pool

INACTIVE, ACTIVE = 1, 2
_TYPES = tuple(64 << number for number in range(14))
_DIRECTORIES = _TYPES[0]
_CHOICES: tuple[tuple[tuple[int, Callable[[Pool], bool]], ...], ...] = (
    ((INACTIVE, lambda p: not p.active), (ACTIVE, lambda p: p.active)),
    ((4, lambda p: p.persistent), (8, lambda p: not p.persistent)),
    ((16, lambda p: p.autostart), (32, lambda p: not p.autostart)),
    ((_DIRECTORIES, lambda _: True), (sum(_TYPES[1:]), lambda _: False)),
)
"""``virConnectListAllStoragePoolsFlags``, in groups: of each that is used, one must hold."""

_KNOWN = sum(flag for group in _CHOICES for flag, _ in group)


def pool_of(client: Client, args: Args) -> Pool:
    """The pool that a call's ``pool`` names; raises PoolNotFound."""
    handle = args["pool"]
    return client.hypervisor.pools.by_uuid(handle["uuid"], handle["name"])


def _reply(pool: Pool) -> dict[str, Any]:
    return {"pool": pool_body(pool.ref)}


# -- found and listed ------------------------------------------------------------------------------


@handles("CONNECT_LIST_ALL_STORAGE_POOLS")
async def list_all(client: Client, args: Args) -> Reply:
    """List the pools that the flags choose."""
    flags = args["flags"]
    refuse_flags(flags, _KNOWN)
    pools = client.hypervisor.pools.all()
    for group in _CHOICES:
        used = [holds for flag, holds in group if flags & flag]
        if used:
            pools = [pool for pool in pools if any(holds(pool) for holds in used)]
    bodies = [pool_body(pool.ref) for pool in pools] if args["need_results"] else []
    return {"pools": bodies, "ret": len(pools)}


def _named(client: Client, *, active: bool) -> list[str]:
    return [pool.name for pool in client.hypervisor.pools.all() if pool.active == active]


@handles("CONNECT_LIST_STORAGE_POOLS")
async def list_active(client: Client, args: Args) -> Reply:
    """List the names of the active pools."""
    return {"names": _named(client, active=True)[: at_most(args["maxnames"])]}


@handles("CONNECT_LIST_DEFINED_STORAGE_POOLS")
async def list_defined(client: Client, args: Args) -> Reply:
    """List the names of the pools that are not active."""
    return {"names": _named(client, active=False)[: at_most(args["maxnames"])]}


@handles("CONNECT_NUM_OF_STORAGE_POOLS")
async def count_active(client: Client, _args: Args) -> Reply:
    """Count the active pools."""
    return {"num": len(_named(client, active=True))}


@handles("CONNECT_NUM_OF_DEFINED_STORAGE_POOLS")
async def count_defined(client: Client, _args: Args) -> Reply:
    """Count the pools that are not active."""
    return {"num": len(_named(client, active=False))}


@handles("STORAGE_POOL_LOOKUP_BY_NAME")
async def by_name(client: Client, args: Args) -> Reply:
    """Find a pool by name."""
    return _reply(client.hypervisor.pools.by_name(args["name"]))


@handles("STORAGE_POOL_LOOKUP_BY_UUID")
async def by_uuid(client: Client, args: Args) -> Reply:
    """Find a pool by UUID."""
    return _reply(client.hypervisor.pools.by_uuid(args["uuid"]))


@handles("STORAGE_POOL_LOOKUP_BY_TARGET_PATH")
async def by_path(client: Client, args: Args) -> Reply:
    """Find a pool by its directory."""
    return _reply(client.hypervisor.pools.by_path(args["path"]))


# -- defined ---------------------------------------------------------------------------------------


@handles("STORAGE_POOL_DEFINE_XML", writes="virStoragePoolDefineXML")
async def define_xml(client: Client, args: Args) -> Reply:
    """Define a pool."""
    return _reply(await client.hypervisor.pools.define(document(args["xml"]), args["flags"]))


@handles("STORAGE_POOL_UNDEFINE", writes="virStoragePoolUndefine")
async def undefine(client: Client, args: Args) -> Reply:
    """Forget a definition."""
    await client.hypervisor.pools.undefine(pool_of(client, args))
    return None


@handles("STORAGE_POOL_SET_AUTOSTART", writes="virStoragePoolSetAutostart")
async def set_autostart(client: Client, args: Args) -> Reply:
    """Have a pool start with the host, or not."""
    await client.hypervisor.pools.set_autostart(pool_of(client, args), bool(args["autostart"]))
    return None


# -- active and not --------------------------------------------------------------------------------


@handles("STORAGE_POOL_CREATE_XML", writes="virStoragePoolCreateXML")
async def create_xml(client: Client, args: Args) -> Reply:
    """Start a pool that is not defined."""
    return _reply(await client.hypervisor.pools.create(document(args["xml"]), args["flags"]))


@handles("STORAGE_POOL_CREATE", writes="virStoragePoolCreate")
async def create(client: Client, args: Args) -> Reply:
    """Start a pool."""
    await client.hypervisor.pools.start(pool_of(client, args), args["flags"])
    return None


@handles("STORAGE_POOL_DESTROY", writes="virStoragePoolDestroy")
async def destroy(client: Client, args: Args) -> Reply:
    """Stop a pool; what is in it stays."""
    await client.hypervisor.pools.destroy(pool_of(client, args))
    return None


@handles("STORAGE_POOL_BUILD", writes="virStoragePoolBuild")
async def build(client: Client, args: Args) -> Reply:
    """Make a pool's directory."""
    await client.hypervisor.pools.build(pool_of(client, args), args["flags"])
    return None


@handles("STORAGE_POOL_DELETE", writes="virStoragePoolDelete")
async def delete(client: Client, args: Args) -> Reply:
    """Remove a pool's empty directory."""
    await client.hypervisor.pools.delete(pool_of(client, args), args["flags"])
    return None


@handles("STORAGE_POOL_REFRESH", writes="virStoragePoolRefresh")
async def refresh(client: Client, args: Args) -> Reply:
    """Look at a pool's directory."""
    refuse_flags(args["flags"], 0)
    await client.hypervisor.pools.refresh(pool_of(client, args))
    return None


# -- told of ---------------------------------------------------------------------------------------


@handles("STORAGE_POOL_GET_XML_DESC")
async def get_xml(client: Client, args: Args) -> Reply:
    """Tell a pool's definition."""
    return {"xml": await client.hypervisor.pools.xml(pool_of(client, args), args["flags"])}


@handles("STORAGE_POOL_GET_INFO")
async def get_info(client: Client, args: Args) -> Reply:
    """Tell how a pool is, and its room."""
    state, room = await client.hypervisor.pools.info(pool_of(client, args))
    return {
        "state": int(state),
        "capacity": room.capacity,
        "allocation": room.allocation,
        "available": room.available,
    }


@handles("STORAGE_POOL_GET_AUTOSTART")
async def get_autostart(client: Client, args: Args) -> Reply:
    """Tell whether a pool starts with the host."""
    return {"autostart": int(pool_of(client, args).autostart)}


@handles("STORAGE_POOL_IS_ACTIVE")
async def is_active(client: Client, args: Args) -> Reply:
    """Tell whether a pool is active."""
    return {"active": int(pool_of(client, args).active)}


@handles("STORAGE_POOL_IS_PERSISTENT")
async def is_persistent(client: Client, args: Args) -> Reply:
    """Tell whether a pool has a definition that is kept."""
    return {"persistent": int(pool_of(client, args).persistent)}
