"""Finding storage pools and volumes: by name, UUID, key or path."""

from __future__ import annotations

from typing import Any

from virtup.client.connection import Connection
from virtup.client.guests import parse_uuid
from virtup.errors import Code, VirtError

Pool = dict[str, Any]
"""A pool as the protocol names it: ``name`` str, ``uuid`` bytes."""
Volume = dict[str, Any]
"""A volume as the protocol names it: ``pool``, ``name`` and ``key``, all str."""

INACTIVE, ACTIVE = 1, 2
"""Flags of ``list_pools``: pools that are not active, pools that are."""


def list_pools(conn: Connection, flags: int = 0) -> list[Pool]:
    """All pools that *flags* (``virConnectListAllStoragePoolsFlags``) ask for, by name."""
    reply = conn.call("CONNECT_LIST_ALL_STORAGE_POOLS", need_results=1, flags=flags)
    pools: list[Pool] = reply["pools"]
    return sorted(pools, key=lambda pool: str(pool["name"]).lower())


def find_pool(conn: Connection, text: str) -> Pool:
    """The pool with that UUID or name; raises VirtError when there is none."""
    uuid = parse_uuid(text)
    if uuid is not None:
        try:
            pool: Pool = conn.call("STORAGE_POOL_LOOKUP_BY_UUID", uuid=uuid)["pool"]
        except VirtError as exc:
            if exc.code != Code.NO_STORAGE_POOL:
                raise
        else:
            return pool
    named: Pool = conn.call("STORAGE_POOL_LOOKUP_BY_NAME", name=text)["pool"]
    return named


def find_volume(conn: Connection, text: str, pool: Pool | None) -> Volume:
    """The volume that *text* names: in *pool* by its name, in any by its key or path.

    Raises VirtError when there is none.
    """
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("STORAGE_VOL_LOOKUP_BY_KEY", {"key": text}),
        ("STORAGE_VOL_LOOKUP_BY_PATH", {"path": text}),
    ]
    if pool is not None:
        attempts.insert(0, ("STORAGE_VOL_LOOKUP_BY_NAME", {"pool": pool, "name": text}))
    *first, (last, args) = attempts
    for name, known in first:
        try:
            found: Volume = conn.call(name, **known)["vol"]
        except VirtError as exc:
            if exc.code != Code.NO_STORAGE_VOL:
                raise
        else:
            return found
    volume: Volume = conn.call(last, **args)["vol"]
    return volume
