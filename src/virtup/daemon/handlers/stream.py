"""Procedures that open a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtup.daemon.handlers.domain import guest_of
from virtup.daemon.registry import Args, handles
from virtup.daemon.streams import OpenStream
from virtup.errors import InvalidArgument

if TYPE_CHECKING:
    from virtup.daemon.client import Client

CONSOLE_FORCE, CONSOLE_SAFE = 1, 2


@handles("DOMAIN_OPEN_CONSOLE", writes="virDomainOpenConsole")
async def open_console(client: Client, args: Args) -> OpenStream:
    """Open a guest's console as a stream, both ways."""
    flags = args["flags"]
    if flags & ~(CONSOLE_FORCE | CONSOLE_SAFE):
        raise InvalidArgument(f"unsupported flags (0x{flags:x})")
    return OpenStream(await guest_of(client, args).open_console(args["dev_name"], flags))
