"""The history of starts: why the last failed, all of them, what changed; JSON texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtup.daemon.registry import Args, Reply, handles
from virtup.daemon.requests import domain, reply, request
from virtup.errors import InvalidArgument
from virtup.wire.tables import VIRTUP

if TYPE_CHECKING:
    from virtup.daemon.client import Client


@handles("WHY", program=VIRTUP)
async def why(client: Client, args: Args) -> Reply:
    """Tell why the last start of ``{"domain": name or UUID}`` failed, as the driver has it."""
    return reply(await client.hypervisor.history.why(domain(request(args))))


@handles("ATTEMPTS", program=VIRTUP)
async def attempts(client: Client, args: Args) -> Reply:
    """Tell the recorded starts of ``{"domain": name or UUID}``: ``{"attempts": [...]}``."""
    return reply({"attempts": await client.hypervisor.history.of(domain(request(args)))})


@handles("DIFF", program=VIRTUP)
async def diff(client: Client, args: Args) -> Reply:
    """Tell what differs between two starts of ``{"domain", "before", "after"}``.

    Both are numbers of starts as texts, or ``now``; without them the driver chooses.
    """
    asked = request(args)
    before, after = _which(asked, "before"), _which(asked, "after")
    if before is None and after is not None:
        raise InvalidArgument("the request has an 'after' and no 'before' to compare it with")
    return reply(await client.hypervisor.history.diff(domain(asked), before, after))


def _which(asked: dict[str, Any], name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidArgument(f"'{name}' in the request is no text: a start's number, or 'now'")
    return value
