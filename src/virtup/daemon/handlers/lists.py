"""Guests found and listed, by the calls of every age."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from virtup.daemon.bodies import domain_body
from virtup.daemon.registry import Args, Reply, handles
from virtup.errors import InvalidArgument
from virtup.machine.states import State

if TYPE_CHECKING:
    from virtup.daemon.client import Client
    from virtup.drivers.guest import Guest

_RUNNING, _PAUSED, _OFF = int(State.RUNNING), int(State.PAUSED), int(State.SHUTOFF)
_CHOICES: tuple[tuple[tuple[int, Callable[[Guest], bool]], ...], ...] = (
    ((1, lambda g: g.active), (2, lambda g: not g.active)),
    ((4, lambda g: g.persistent), (8, lambda g: not g.persistent)),
    (
        (16, lambda g: g.state()[0] == _RUNNING),
        (32, lambda g: g.state()[0] == _PAUSED),
        (64, lambda g: g.state()[0] == _OFF),
        (128, lambda g: g.state()[0] not in (_RUNNING, _PAUSED, _OFF)),
    ),
    ((256, lambda g: g.has_managed_save), (512, lambda g: not g.has_managed_save)),
    ((1024, lambda g: g.autostart), (2048, lambda g: not g.autostart)),
    ((4096, lambda _: False), (8192, lambda _: True)),
    ((16384, lambda _: False), (32768, lambda _: True)),
)
"""``virConnectListAllDomainsFlags``, in groups: of each group that is used, one must hold."""

_KNOWN = sum(flag for group in _CHOICES for flag, _ in group)


def chosen(guests: list[Guest], flags: int) -> list[Guest]:
    """Those of *guests* that *flags* ask for; raises InvalidArgument for unknown flags."""
    if flags & ~_KNOWN:
        raise InvalidArgument(f"unsupported flags (0x{flags & ~_KNOWN:x})")
    for group in _CHOICES:
        used = [holds for flag, holds in group if flags & flag]
        if used:
            guests = [guest for guest in guests if any(holds(guest) for holds in used)]
    return guests


@handles("CONNECT_LIST_ALL_DOMAINS")
async def list_all(client: Client, args: Args) -> Reply:
    """List the guests that the flags choose."""
    guests = chosen(client.hypervisor.domains.all(), args["flags"])
    bodies = [domain_body(guest.ref) for guest in guests] if args["need_results"] else []
    return {"domains": bodies, "ret": len(guests)}


@handles("CONNECT_LIST_DOMAINS")
async def list_active(client: Client, args: Args) -> Reply:
    """List the ids of the running guests."""
    ids = [guest.id for guest in client.hypervisor.domains.all() if guest.active]
    return {"ids": ids[: at_most(args["maxids"])]}


@handles("CONNECT_LIST_DEFINED_DOMAINS")
async def list_defined(client: Client, args: Args) -> Reply:
    """List the names of the guests that are off."""
    names = [guest.name for guest in client.hypervisor.domains.all() if not guest.active]
    return {"names": names[: at_most(args["maxnames"])]}


@handles("CONNECT_NUM_OF_DOMAINS")
async def count_active(client: Client, _args: Args) -> Reply:
    """Count the running guests."""
    return {"num": sum(guest.active for guest in client.hypervisor.domains.all())}


@handles("CONNECT_NUM_OF_DEFINED_DOMAINS")
async def count_defined(client: Client, _args: Args) -> Reply:
    """Count the guests that are off."""
    return {"num": sum(not guest.active for guest in client.hypervisor.domains.all())}


@handles("DOMAIN_LOOKUP_BY_NAME")
async def by_name(client: Client, args: Args) -> Reply:
    """Find a guest by name."""
    return {"dom": domain_body(client.hypervisor.domains.by_name(args["name"]).ref)}


@handles("DOMAIN_LOOKUP_BY_UUID")
async def by_uuid(client: Client, args: Args) -> Reply:
    """Find a guest by UUID."""
    return {"dom": domain_body(client.hypervisor.domains.by_uuid(args["uuid"]).ref)}


@handles("DOMAIN_LOOKUP_BY_ID")
async def by_id(client: Client, args: Args) -> Reply:
    """Find a running guest by id."""
    return {"dom": domain_body(client.hypervisor.domains.by_id(args["id"]).ref)}


def at_most(wanted: int) -> int:
    """How many results a caller has room for; raises InvalidArgument for fewer than none."""
    if wanted < 0:
        raise InvalidArgument(f"the count of wanted results is negative: {wanted}")
    return wanted
