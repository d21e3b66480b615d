"""Repairs: planned, done, taken back, listed; requests and replies are JSON texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtup.daemon.registry import Args, Reply, handles
from virtup.daemon.requests import domain, reply, request
from virtup.errors import InvalidArgument
from virtup.wire.tables import VIRTUP

if TYPE_CHECKING:
    from virtup.daemon.client import Client

_WRITES = "the repair of a domain"


@handles("FIX", program=VIRTUP)
async def plan(client: Client, args: Args) -> Reply:
    """Tell what keeps ``{"domain"}`` from starting and what can be done about it.

    The reply has ``guest``, ``active`` and ``items``: findings with ``options``, each with a key.
    """
    return reply(await client.hypervisor.fix_plan(domain(args)))


@handles("FIX_APPLY", program=VIRTUP, writes=_WRITES)
async def apply(client: Client, args: Args) -> Reply:
    """Do the options ``{"domain", "keys": [...], "transaction": name or null}`` of the plan of now.

    The reply has ``guest``, ``transaction`` and ``results`` (``key``, ``state``, ``error``).
    """
    asked = request(args)
    keys, transaction = asked.get("keys"), asked.get("transaction")
    if not isinstance(keys, list) or not all(isinstance(one, str) for one in keys):
        raise InvalidArgument("the request has no 'keys', a list of texts")
    if transaction is not None and not _is_name(transaction):
        raise InvalidArgument("'transaction' is not the name of a transaction")
    return reply(await client.hypervisor.fix_apply(domain(args), keys, transaction))


@handles("FIX_UNDO", program=VIRTUP, writes=_WRITES)
async def undo(client: Client, args: Args) -> Reply:
    """Take back the last repair of ``{"domain"}``; the reply is its transaction."""
    return reply(await client.hypervisor.fix_undo(domain(args)))


@handles("FIX_LIST", program=VIRTUP)
async def recorded(client: Client, args: Args) -> Reply:
    """Tell the recorded repairs of ``{"domain"}``: ``{"transactions": [...]}``."""
    return reply({"transactions": client.hypervisor.fix_list(domain(args))})


def _is_name(given: Any) -> bool:
    return isinstance(given, str) and 0 < len(given) < 64 and "/" not in given
