"""A daemon as virtup-guests sees it: the port, and the real thing by RPC.

Any libvirt daemon serves; virtup's own says more (where its saves are, why a guest booted cold).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from virtup.client import aio
from virtup.client.exchange import ConnectionLost
from virtup.client.guests import format_uuid, parse_uuid
from virtup.client.uri import Target, find
from virtup.errors import Code, OperationTimeout, VirtError
from virtup.guests.places import save_directory
from virtup.guests.plan import Guest
from virtup.model.boot_order import NO_WISH, Wish, wish_of
from virtup.model.storage.needed import needed_pools

T = TypeVar("T")

_ACTIVE = 1  # virConnectListAllDomainsFlags
_INACTIVE_XML = 2  # virDomainXMLFlags
_BYPASS_SAVE, _BYPASS_START = 1, 4  # virDomainSaveRestoreFlags, virDomainCreateFlags
_SYNC = 1  # virDomainSetTimeFlags
_RSS = 7  # virDomainMemoryStatTags
_STATS_MAX = 32
_SHUT_OFF = 5
_RUNNING, _BOOTED = 1, 1  # virDomainState, virDomainRunningReason
_AT_ONCE = 4
_NOBODY = bytes(16)
_ANSWER_S = 15.0
"""How long a call that only looks may take."""
_RETRIES, _RETRY_S = 20, 0.5
"""How often, and after which pause, a daemon that went away in mid-work is looked for again."""

_GONE = (Code.NO_DOMAIN, Code.OPERATION_INVALID)


@dataclass(frozen=True, slots=True)
class Look:
    """What a daemon says of one guest; ``booted`` is a running one that was not restored."""

    name: str
    active: bool
    saved: bool = False
    booted: bool = False
    wish: Wish = NO_WISH


@dataclass(frozen=True, slots=True)
class Member:
    """A guest of a daemon, running or not, and whether it starts with the host.

    ``pools`` are the storage pools that it does not start without.
    """

    uuid: str
    name: str
    active: bool
    persistent: bool
    saved: bool = False
    autostart: bool = False
    once: bool = False
    wish: Wish = NO_WISH
    pools: tuple[str, ...] = ()


class Remote(Protocol):
    """One daemon. Every call may raise VirtError; ConnectionLost when the daemon went away."""

    uri: str

    async def running(self) -> list[Guest]:
        """Return the guests that run."""

    async def members(self) -> list[Member]:
        """Return all its guests."""

    async def verdict(self, uuid: str) -> dict[str, Any] | None:
        """Return what a start of a guest would come to; None where the daemon does not say."""

    async def pools(self) -> dict[str, bool]:
        """Return the storage pools that are defined, and whether each starts with the host."""

    async def is_virtup(self) -> bool:
        """Tell whether it is virtup's own."""

    async def look(self, uuid: str) -> Look | None:
        """Return what is known of a guest; None when there is no such guest."""

    async def save(self, uuid: str, *, bypass_cache: bool) -> None:
        """Save a guest for its next start; returns when it is saved and ended."""

    async def progress(self, uuid: str) -> tuple[int, int]:
        """Return how many bytes of a save are done, and of how many; zeros when not known."""

    async def abort(self, uuid: str) -> None:
        """End a guest's save without its result; the guest runs on."""

    async def shutdown(self, uuid: str) -> None:
        """Ask a guest to shut down; returns when it was asked."""

    async def start(self, uuid: str, *, bypass_cache: bool) -> None:
        """Start a guest, from its saved state if it has one; returns when it runs."""

    async def sync_time(self, uuid: str) -> None:
        """Set the clock of a running guest, which needs its agent."""

    async def cold_reason(self, uuid: str) -> str:
        """Return why the last start of a guest did not restore it; "" when nobody knows."""

    async def autostarted(self) -> list[dict[str, Any]]:
        """Return what became of the guests that the daemon started by itself in this boot."""

    async def save_directory(self) -> str:
        """Return where it keeps managed saves; "" when that is not known."""

    async def close(self) -> None:
        """Let go of it."""


class RpcRemote:
    """A daemon behind a socket of this host; each save has a connection of its own.

    Calls that only look are tried once more, on a new connection, when the daemon went away.
    """

    def __init__(self, uri: str, connection: aio.Connection, *, autostart: bool = True) -> None:
        self.uri = uri
        self._conn = connection
        self._autostart = autostart
        self._names: dict[str, str] = {}
        self._renewing = asyncio.Lock()

    @classmethod
    async def connect(cls, uri: str, *, autostart: bool = True) -> RpcRemote:
        """Connect to the daemon that *uri* names, "default" for the client's own choice."""
        return cls(uri, await _connect(uri, autostart=autostart), autostart=autostart)

    async def close(self) -> None:
        """Close the connection."""
        await self._conn.close()

    async def running(self) -> list[Guest]:
        """Return the guests that run; one that goes meanwhile is left out."""
        return await self._each(_ACTIVE, self._guest)

    async def members(self) -> list[Member]:
        """Return all guests; one that goes meanwhile is left out."""
        return await self._each(0, self._member)

    async def verdict(self, uuid: str) -> dict[str, Any] | None:
        """Return what virtup foresees of a guest's start; a stock daemon foresees nothing."""
        reply: dict[str, Any] | None = await self._own("CHECK", {"domain": uuid})
        return reply

    async def pools(self) -> dict[str, bool]:
        """Return the pools by name."""
        reply = await self._read("CONNECT_LIST_ALL_STORAGE_POOLS", need_results=1, flags=0)
        return {
            pool["name"]: bool(
                (await self._read("STORAGE_POOL_GET_AUTOSTART", pool=pool))["autostart"]
            )
            for pool in reply["pools"]
        }

    async def is_virtup(self) -> bool:
        """Tell whether it answers as virtup's own does."""
        return await self._own("PING", {}) is not None

    async def _each(self, flags: int, ask: Callable[[dict[str, Any]], Awaitable[T]]) -> list[T]:
        reply = await self._read("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=flags)
        doms = [dom for dom in reply["domains"] if dom["uuid"] != _NOBODY]
        found: list[T] = []
        for first in range(0, len(doms), _AT_ONCE):
            batch = doms[first : first + _AT_ONCE]
            asked = await asyncio.gather(*(self._unless_gone(ask(dom)) for dom in batch))
            found += [one for one in asked if one is not None]
        return found

    async def _unless_gone(self, asked: Awaitable[T]) -> T | None:
        try:
            return await asked
        except VirtError as error:
            if error.code in _GONE:
                return None
            raise

    async def _guest(self, dom: dict[str, Any]) -> Guest:
        persistent, xml = await self._lasting(dom)
        info = await self._read("DOMAIN_GET_INFO", dom=dom)
        return Guest(
            uuid=format_uuid(dom["uuid"]),
            name=dom["name"],
            persistent=persistent,
            memory_kib=info["memory"] or info["maxMem"],
            resident_kib=await self._resident(dom),
            wish=wish_of(xml),
        )

    async def _member(self, dom: dict[str, Any]) -> Member:
        persistent, xml = await self._lasting(dom)
        state = await self._read("DOMAIN_GET_STATE", dom=dom, flags=0)
        saved = await self._read("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=dom, flags=0)
        autostart = await self._read("DOMAIN_GET_AUTOSTART", dom=dom) if persistent else {}
        return Member(
            uuid=format_uuid(dom["uuid"]),
            name=dom["name"],
            active=state["state"] != _SHUT_OFF,
            persistent=persistent,
            saved=bool(saved["result"]),
            autostart=bool(autostart.get("autostart")),
            once=persistent and await self._once(dom),
            wish=wish_of(xml),
            pools=needed_pools(xml),
        )

    async def _lasting(self, dom: dict[str, Any]) -> tuple[bool, str]:
        """Return whether a guest has a kept definition, and that, or the one it runs with."""
        self._names[format_uuid(dom["uuid"])] = dom["name"]
        persistent = bool((await self._read("DOMAIN_IS_PERSISTENT", dom=dom))["persistent"])
        flags = _INACTIVE_XML if persistent else 0
        xml: str = (await self._read("DOMAIN_GET_XML_DESC", dom=dom, flags=flags))["xml"]
        return persistent, xml

    async def _once(self, dom: dict[str, Any]) -> bool:
        """Whether a guest starts at the next boot alone, which libvirt knows since 11.2."""
        try:
            return bool((await self._read("DOMAIN_GET_AUTOSTART_ONCE", dom=dom))["autostart"])
        except ConnectionLost:
            raise
        except VirtError:
            return False

    async def _resident(self, dom: dict[str, Any]) -> int:
        try:
            reply = await self._read("DOMAIN_MEMORY_STATS", dom=dom, maxStats=_STATS_MAX, flags=0)
        except ConnectionLost:
            raise
        except VirtError:
            return 0
        return next((int(one["val"]) for one in reply["stats"] if one["tag"] == _RSS), 0)

    async def look(self, uuid: str) -> Look | None:
        """Return what is known of a guest; None when there is no such guest."""
        try:
            dom = (await self._read("DOMAIN_LOOKUP_BY_UUID", uuid=parse_uuid(uuid)))["dom"]
            self._names[uuid] = dom["name"]
            state = await self._read("DOMAIN_GET_STATE", dom=dom, flags=0)
            saved = await self._read("DOMAIN_HAS_MANAGED_SAVE_IMAGE", dom=dom, flags=0)
            xml = (await self._read("DOMAIN_GET_XML_DESC", dom=dom, flags=0))["xml"]
        except VirtError as error:
            if error.code == Code.NO_DOMAIN:
                return None
            raise
        return Look(
            name=dom["name"],
            active=state["state"] != _SHUT_OFF,
            saved=bool(saved["result"]),
            booted=(state["state"], state["reason"]) == (_RUNNING, _BOOTED),
            wish=wish_of(xml),
        )

    async def save(self, uuid: str, *, bypass_cache: bool) -> None:
        """Save a guest, on a connection of its own: a daemon serves few calls of one at once."""
        flags = _BYPASS_SAVE if bypass_cache else 0
        async with await _connect(self.uri, autostart=self._autostart) as conn:
            await conn.call("DOMAIN_MANAGED_SAVE", dom=self._dom(uuid), flags=flags)

    async def progress(self, uuid: str) -> tuple[int, int]:
        """Return how far a save is."""
        try:
            info = await self._read("DOMAIN_GET_JOB_INFO", dom=self._dom(uuid))
        except ConnectionLost:
            raise
        except VirtError:
            return 0, 0
        return info["dataProcessed"], info["dataTotal"]

    async def abort(self, uuid: str) -> None:
        """End a guest's save."""
        await _answer(self._conn, "DOMAIN_ABORT_JOB", {"dom": self._dom(uuid)})

    async def shutdown(self, uuid: str) -> None:
        """Ask a guest to shut down."""
        await self._conn.call("DOMAIN_SHUTDOWN_FLAGS", dom=self._dom(uuid), flags=0)

    async def start(self, uuid: str, *, bypass_cache: bool) -> None:
        """Start a guest, on a connection of its own: a restore takes its time."""
        flags = _BYPASS_START if bypass_cache else 0
        async with await _connect(self.uri, autostart=self._autostart) as conn:
            await conn.call("DOMAIN_CREATE_WITH_FLAGS", dom=self._dom(uuid), flags=flags)

    async def sync_time(self, uuid: str) -> None:
        """Set the clock of a running guest."""
        await self._conn.call(
            "DOMAIN_SET_TIME", dom=self._dom(uuid), seconds=0, nseconds=0, flags=_SYNC
        )

    async def cold_reason(self, uuid: str) -> str:
        """Return the notes of the guest's last start; a stock daemon keeps none."""
        reply = await self._own("WHY", {"domain": uuid})
        notes = ((reply or {}).get("attempt") or {}).get("notes") or []
        return "; ".join(map(str, notes))

    async def autostarted(self) -> list[dict[str, Any]]:
        """Return virtup's own summary of this boot; of a stock daemon, nothing."""
        reply = await self._own("BOOT", {})
        return list((reply or {}).get("guests", []))

    async def save_directory(self) -> str:
        """Return what virtup says; for a stock daemon that keeps to its usual place, that."""
        reply = await self._own("BOOT", {})
        if reply is not None:
            return str(reply.get("save_dir", ""))
        target = _target(self.uri)
        if "libvirt" in target.socket:
            return "/var/lib/libvirt/qemu/save" if target.kind == "system" else ""
        return save_directory(target.kind, os.environ, os.geteuid())

    async def _own(self, name: str, request: dict[str, Any]) -> Any:
        try:
            return await self._conn.call_virtup(name, request)
        except ConnectionLost:
            raise
        except VirtError:
            return None

    def _dom(self, uuid: str) -> dict[str, Any]:
        return {"name": self._names.get(uuid, "guest"), "uuid": parse_uuid(uuid), "id": -1}

    async def _read(self, name: str, **args: Any) -> dict[str, Any]:
        seen = self._conn
        try:
            return await _answer(seen, name, args)
        except ConnectionLost:
            async with self._renewing:
                if self._conn is seen:
                    await seen.close()
                    self._conn = await self._again()
            return await _answer(self._conn, name, args)

    async def _again(self) -> aio.Connection:
        """Connect to a daemon that went away: whoever owns it may be starting it anew."""
        for _ in range(_RETRIES):
            try:
                return await _connect(self.uri, autostart=self._autostart)
            except VirtError:
                await asyncio.sleep(_RETRY_S)
        return await _connect(self.uri, autostart=self._autostart)


async def _answer(conn: aio.Connection, name: str, args: dict[str, Any]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await conn.call(name, **args)
    except TimeoutError:
        raise OperationTimeout(
            f"the daemon did not answer {name} within {_ANSWER_S:g} s: it hangs"
        ) from None


def _target(uri: str) -> Target:
    return find(None if uri == "default" else uri, env=os.environ, uid=os.geteuid())


def socket_of(uri: str) -> str:
    """Return the socket that *uri* leads to: two URIs with one socket are one daemon."""
    return _target(uri).socket


def _connect(uri: str, *, autostart: bool) -> Awaitable[aio.Connection]:
    return aio.connect(None if uri == "default" else uri, autostart=autostart)
