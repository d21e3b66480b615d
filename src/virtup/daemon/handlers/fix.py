"""Repairs: planned, done, taken back, listed; requests and replies are JSON texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtup.daemon.registry import Args, Reply, handles
from virtup.daemon.requests import domain, reply, request
from virtup.errors import InvalidArgument, OperationDenied
from virtup.wire.tables import VIRTUP

if TYPE_CHECKING:
    from virtup.daemon.client import Client

_WRITES = "the repair of a domain"


@handles("FIX", program=VIRTUP)
async def plan(client: Client, args: Args) -> Reply:
    """Tell what keeps ``{"domain"}`` or ``{"xml"}`` from starting and what can be done about it.

    The reply has ``guest``, ``active`` and ``items``: findings with ``options``, each with a key.
    A document may name any file of the host: a read-only connection may not have one looked into.
    """
    asked = request(args)
    xml = asked.get("xml")
    if not isinstance(xml, str):
        return reply(await client.hypervisor.fix_plan(domain(asked)))
    if client.readonly:
        raise OperationDenied("read only access prevents the check of a document")
    return reply(await client.hypervisor.repairing.plan_document(xml))


@handles("FIX_APPLY", program=VIRTUP, writes=_WRITES)
async def apply(client: Client, args: Args) -> Reply:
    """Do the options ``keys`` of the plan of now for ``{"domain"}`` or ``{"xml"}``.

    ``transaction`` is the name of one to go on with, or null. The reply has ``guest``,
    ``transaction``, ``results`` (``key``, ``state``, ``error``) and the ``xml`` that is mended.
    """
    asked = request(args)
    keys, xml = asked.get("keys"), asked.get("xml")
    if not isinstance(keys, list) or not all(isinstance(one, str) for one in keys):
        raise InvalidArgument("the request has no 'keys', a list of texts")
    transaction, hypervisor = _transaction(asked), client.hypervisor
    if isinstance(xml, str):
        return reply(await hypervisor.repairing.apply_document(xml, keys, transaction))
    return reply(await hypervisor.fix_apply(domain(asked), keys, transaction))


@handles("FIX_DEFINE", program=VIRTUP, writes=_WRITES)
async def define(client: Client, args: Args) -> Reply:
    """Define the guest of ``{"xml"}`` as a step of ``transaction``, which the reply names."""
    asked = request(args)
    xml = asked.get("xml")
    if not isinstance(xml, str):
        raise InvalidArgument("the request has no 'xml', a definition")
    return reply(await client.hypervisor.repairing.define(xml, _transaction(asked)))


@handles("FIX_UNDO", program=VIRTUP, writes=_WRITES)
async def undo(client: Client, args: Args) -> Reply:
    """Take back the last repair of ``{"domain"}``; the reply is its transaction."""
    return reply(await client.hypervisor.fix_undo(domain(request(args))))


@handles("FIX_LIST", program=VIRTUP)
async def recorded(client: Client, args: Args) -> Reply:
    """Tell the recorded repairs of ``{"domain"}``: ``{"transactions": [...]}``."""
    return reply({"transactions": client.hypervisor.fix_list(domain(request(args)))})


def _transaction(asked: dict[str, Any]) -> str | None:
    """Return the transaction that a request names; raises InvalidArgument for no name of one."""
    given = asked.get("transaction")
    if given is not None and not (isinstance(given, str) and 0 < len(given) < 64):
        raise InvalidArgument("'transaction' is not the name of a transaction")
    return given
