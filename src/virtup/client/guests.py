"""Finding guests: by name, UUID or id, and all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from virtup.client.connection import Connection
from virtup.errors import Code, VirtError

Handle = dict[str, Any]
"""A guest as the protocol names it: ``name`` str, ``uuid`` bytes, ``id`` int (-1 when off)."""

ANY = ("id", "uuid", "name")
"""Every way to name a guest, in the order in which they are tried."""
_ASIDE = "its definition was left aside"
"""What virtupd says of a guest whose file it cannot use."""
ACTIVE, INACTIVE = 1, 2
"""Flags of ``list_all``: guests that run, guests that do not."""


def list_all(conn: Connection, flags: int = 0) -> list[Handle]:
    """All guests that *flags* (``virConnectListAllDomainsFlags``) ask for; 0 for every guest."""
    reply = conn.call("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=flags)
    domains: list[Handle] = reply["domains"]
    return domains


def lookup(conn: Connection, text: str, by: Collection[str] = ANY) -> Handle | None:
    """The guest that *text* names, in one of the ways of *by*; None when there is none.

    A name that looks like an id or a UUID is found when no guest has that id or UUID. Raises
    VirtError when the daemon says more of a guest that is not there than that.
    """
    attempts: list[tuple[str, dict[str, Any]]] = []
    number = _number(text)
    if "id" in by and number is not None:
        attempts.append(("DOMAIN_LOOKUP_BY_ID", {"id": number}))
    raw = parse_uuid(text)
    if "uuid" in by and raw is not None:
        attempts.append(("DOMAIN_LOOKUP_BY_UUID", {"uuid": raw}))
    if "name" in by:
        attempts.append(("DOMAIN_LOOKUP_BY_NAME", {"name": text}))
    for name, args in attempts:
        try:
            handle: Handle = conn.call(name, **args)["dom"]
        except VirtError as exc:
            if exc.code != Code.NO_DOMAIN or _ASIDE in exc.message:
                raise
        else:
            return handle
    return None


def parse_uuid(text: str) -> bytes | None:
    """The 16 bytes of a UUID in its long form (36 characters); None for another text."""
    if len(text) != 36 or text[8::5][:4] != "----":
        return None
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return raw if len(raw) == 16 else None


def format_uuid(raw: bytes) -> str:
    """A UUID of 16 bytes in its long form."""
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _number(text: str) -> int | None:
    if not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if number < 2**31 else None
