"""The sockets, the clients that come by them, and when the daemon ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import grp
import logging
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from virtup.daemon import handlers
from virtup.daemon.client import Client
from virtup.host import layout as layouts
from virtup.host import link
from virtup.machine.events import Event, PoolEvent

if TYPE_CHECKING:
    from virtup.daemon.config import Config
    from virtup.drivers.hypervisor import Hypervisor
    from virtup.host.layout import Layout

log = logging.getLogger(__name__)

_CALLS_END_S = 5.0
"""How long calls may take to end when the daemon ends."""
_PARTING_S = 1.0
"""How long clients may take to hang up when the daemon ends."""


class Server:
    """Serves a hypervisor to clients, until ``stop`` or an idle time-out.

    ``idle_s`` ends a daemon that had neither clients nor running guests for so long.
    """

    def __init__(self, hypervisor: Hypervisor, config: Config, *, idle_s: float = 0.0) -> None:
        self.hypervisor = hypervisor
        self.config = config
        self.clients: set[Client] = set()
        self.loop = asyncio.get_running_loop()
        self._idle_s = idle_s
        self._idle: asyncio.TimerHandle | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._listeners: list[asyncio.AbstractServer] = []
        self._names: list[str] = []
        self._stopped = asyncio.Event()
        self._alone = asyncio.Event()
        self._last_client = 0
        self._unsubscribe = hypervisor.events.subscribe(self._deliver)
        self._unsubscribe_pools = hypervisor.pool_events.subscribe(self._deliver_pool)
        handlers.load()

    async def listen(self, ends: Sequence[tuple[socket.socket, bool]]) -> None:
        """Accept clients on *ends*, listening sockets with whether they are read-only."""
        for end, readonly in ends:
            listener = await self.loop.create_unix_server(
                functools.partial(self._client, readonly), sock=end, backlog=128
            )
            self._listeners.append(listener)
        self._tick = self.loop.call_later(self.config.keepalive_interval_s, self._keepalive)
        self._rest()

    def own(self, path: str) -> None:
        """Remove the socket's name at the end: it is ours, not the service manager's."""
        self._names.append(path)

    def _client(self, readonly: bool) -> Client:
        self._last_client += 1
        return Client(self, self._last_client, readonly=readonly)

    def admit(self, client: Client) -> bool:
        """Count a client in, or say that there are too many."""
        if len(self.clients) >= self.config.max_clients or self._stopped.is_set():
            return False
        self.clients.add(client)
        self._rest()
        return True

    def left(self, client: Client) -> None:
        """Count a client out, and end what was started for it alone."""
        if client in self.clients:
            self.clients.discard(client)
            self.hypervisor.client_gone(client.id)
            self._rest()
            if self._stopped.is_set() and not self.clients:
                self._alone.set()

    def stop(self) -> None:
        """Have ``serve`` return."""
        self._stopped.set()

    async def serve(self) -> None:
        """Serve until ``stop``; then let the clients go, with their calls ended."""
        await self._stopped.wait()
        self._unsubscribe()
        self._unsubscribe_pools()
        for timer in (self._tick, self._idle):
            if timer is not None:
                timer.cancel()
        for listener in self._listeners:
            listener.close()
        for name in self._names:
            link.remove(name)
        tasks = [task for client in self.clients for task in client.abandon()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CALLS_END_S)
            for task in late:
                log.error("a call did not end within %g s: %s", _CALLS_END_S, task.get_coro())
        await self._part()

    async def _part(self) -> None:
        """Let the clients hang up first: virsh dies of SIGPIPE if it writes to a closed socket."""
        for client in tuple(self.clients):
            client.part()
        if self.clients:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._alone.wait(), _PARTING_S)
        for client in tuple(self.clients):
            client.close()
        await asyncio.sleep(0)

    def _deliver(self, event: Event) -> None:
        for client in tuple(self.clients):
            client.subscriptions.deliver(event)
        self._rest()

    def _deliver_pool(self, event: PoolEvent) -> None:
        for client in tuple(self.clients):
            client.subscriptions.deliver_pool(event)

    def _keepalive(self) -> None:
        for client in tuple(self.clients):
            client.tick(self.config.keepalive_count)
        self._tick = self.loop.call_later(self.config.keepalive_interval_s, self._keepalive)

    def _rest(self) -> None:
        """Begin the idle time anew, or end it while there is a client."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._idle_s and not self.clients:
            self._idle = self.loop.call_later(self._idle_s, self._idled)

    def _idled(self) -> None:
        if self.hypervisor.active_count():
            self._rest()
            return
        log.info("no client and no running guest for %g s: ending", self._idle_s)
        self.stop()


def bind(layout: Layout, group: str) -> list[tuple[socket.socket, bool]]:
    """Listen on the sockets of *layout*: a session's for its user alone, the system's for *group*.

    Clients that come before they are served wait. Raises LinkError and its children.
    """
    layouts.make_socket_dir(layout)
    if layout.kind == "session":
        return [(link.listen(layout.socket, mode=0o700), False)]
    mode, gid = _access(layout, group)
    uid = os.geteuid()
    end = link.listen(layout.socket, mode=mode, uid=uid, gid=gid)
    try:
        readonly = link.listen(layout.socket_ro, mode=mode, uid=uid, gid=gid)
    except link.LinkError:
        end.close()
        link.remove(layout.socket)
        raise
    return [(end, False), (readonly, True)]


def unbind(layout: Layout) -> None:
    """Remove the names that `bind` made; those that are gone are no error."""
    for path in (layout.socket, layout.socket_ro):
        link.remove(path)


def admit_group(ends: Sequence[socket.socket], layout: Layout, group: str) -> None:
    """Give the sockets that a service manager made to *group*, as ``bind`` does its own."""
    if layout.kind == "session":
        return
    mode, gid = _access(layout, group)
    for end in ends:
        path = end.getsockname()
        if isinstance(path, str) and path.startswith("/") and gid >= 0:
            link.grant(path, mode, gid)


def _access(layout: Layout, group: str) -> tuple[int, int]:
    """Return the mode and the group of a system daemon's sockets, -1 for no group."""
    try:
        return 0o770, grp.getgrnam(group).gr_gid
    except KeyError:
        log.info("no group '%s': only root may use '%s'", group, layout.socket)
        return 0o700, -1
