"""Callbacks for what happens, by the calls of every age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtup.daemon.registry import Args, Reply, handles

if TYPE_CHECKING:
    from virtup.daemon.client import Client

_LIFECYCLE = 0


@handles("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY")
async def register(client: Client, args: Args) -> Reply:
    """Tell of a domain event, of one guest or all, by callback number."""
    return {"callbackID": client.subscriptions.add(args["eventID"], args["dom"])}


@handles("CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY")
async def deregister(client: Client, args: Args) -> Reply:
    """Forget a callback."""
    client.subscriptions.remove(args["callbackID"])
    return None


@handles("CONNECT_DOMAIN_EVENT_REGISTER_ANY")
async def register_legacy(client: Client, args: Args) -> Reply:
    """Tell of a domain event of all guests, without a callback number."""
    client.subscriptions.add(args["eventID"], None, legacy=True)
    return None


@handles("CONNECT_DOMAIN_EVENT_DEREGISTER_ANY")
async def deregister_legacy(client: Client, args: Args) -> Reply:
    """Forget a callback without number."""
    client.subscriptions.remove_legacy(args["eventID"])
    return None


@handles("CONNECT_DOMAIN_EVENT_REGISTER")
async def register_lifecycle(client: Client, _args: Args) -> Reply:
    """Tell of the lifecycle of all guests, without a callback number."""
    client.subscriptions.add(_LIFECYCLE, None, legacy=True)
    return {"cb_registered": 1}


@handles("CONNECT_DOMAIN_EVENT_DEREGISTER")
async def deregister_lifecycle(client: Client, _args: Args) -> Reply:
    """Forget that."""
    client.subscriptions.remove_legacy(_LIFECYCLE)
    return {"cb_registered": 0}


@handles("CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY")
async def register_pool(client: Client, args: Args) -> Reply:
    """Tell of an event of one storage pool or of all."""
    return {"callbackID": client.subscriptions.add_pool(args["eventID"], args["pool"])}


@handles(
    "CONNECT_NETWORK_EVENT_REGISTER_ANY",
    "CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY",
    "CONNECT_SECRET_EVENT_REGISTER_ANY",
)
async def register_elsewhere(client: Client, _args: Args) -> Reply:
    """Accept a callback for what virtup has none of: nothing ever happens to it."""
    return {"callbackID": client.subscriptions.add_elsewhere()}


@handles(
    "CONNECT_NETWORK_EVENT_DEREGISTER_ANY",
    "CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY",
    "CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY",
    "CONNECT_SECRET_EVENT_DEREGISTER_ANY",
)
async def deregister_elsewhere(client: Client, args: Args) -> Reply:
    """Forget that."""
    client.subscriptions.remove(args["callbackID"])
    return None
