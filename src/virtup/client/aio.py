"""The asyncio connection: many calls under way at once, events and streams beside them.

    async with await connect("qemu:///session") as conn:
        reply = await conn.call("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=0)

The same Exchange as the blocking connection's drives it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

from virtup.client.connection import READONLY, authentication, reach
from virtup.client.exchange import Answer, Channel, ConnectionLost, Exchange
from virtup.client.uri import find
from virtup.errors import RpcError, VirtError
from virtup.wire.session import CallState, MessageReceived
from virtup.wire.tables import QEMU, REMOTE, VIRTUP

_CHUNK = 262144


class Connection:
    """An open connection to a daemon; use it from the event loop that made it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._exchange = Exchange()
        self._calls: dict[int, asyncio.Future[Answer]] = {}
        self._news = asyncio.Condition()
        self._lost: VirtError | None = None
        self._task = asyncio.create_task(self._read(), name="virtup-client")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way raise ConnectionLost."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._writer.close()

    async def call(self, name: str, /, **args: Any) -> dict[str, Any]:
        """Call a procedure of libvirt's remote program; its reply.

        Raises VirtError with the daemon's code and words, ConnectionLost. A call that is
        cancelled goes on at the daemon; its answer is dropped.
        """
        return await self._call(REMOTE, name, args)

    async def call_qemu(self, name: str, /, **args: Any) -> dict[str, Any]:
        """Call a procedure of libvirt's QEMU program."""
        return await self._call(QEMU, name, args)

    async def call_virtup(self, name: str, request: dict[str, Any]) -> Any:
        """Call a procedure of virtup's own program with a JSON-ready *request*; what it replies."""
        reply = await self._call(VIRTUP, name, {"request": json.dumps(request)})
        return json.loads(reply["reply"])

    async def events(self) -> AsyncIterator[MessageReceived]:
        """The messages that the daemon sends, as they come; raises ConnectionLost at its end.

        Two that iterate at once share the messages between them.
        """
        while True:
            await self._wait(lambda: bool(self._exchange.messages))
            while self._exchange.messages:
                yield self._exchange.messages.popleft()

    async def stream(self, name: str, /, **args: Any) -> Stream:
        """Call a procedure of the remote program that opens a stream, e.g. a console's."""
        serial, data = self._exchange.session.call(REMOTE, name, args, stream=True)
        channel = self._exchange.open_channel(serial)
        try:
            await self._finish(serial, data)
        except VirtError:
            self._exchange.channels.pop(serial, None)
            raise
        return Stream(self, channel)

    async def _call(self, program: int, name: str, args: dict[str, Any]) -> dict[str, Any]:
        return await self._finish(*self._exchange.session.call(program, name, args))

    async def _finish(self, serial: int, data: bytes) -> dict[str, Any]:
        if self._lost is not None:
            raise self._lost
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._calls[serial] = future
        try:
            await self.send(data)
            answer = await future
        finally:
            del self._calls[serial]
        if isinstance(answer, VirtError):
            raise answer
        return answer

    async def send(self, data: bytes) -> None:
        """Send *data*, and wait while the daemon is behind."""
        if self._lost is not None:
            raise self._lost
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError as exc:
            raise ConnectionLost.at_end() from exc

    async def wait_for(self, channel: Channel) -> None:
        """Wait until a stream has data or is over."""
        await self._wait(lambda: bool(channel.data) or channel.over)

    def stream_state(self, channel: Channel) -> CallState:
        """Where the stream of *channel* is."""
        return self._exchange.session.state(channel.serial)

    def stream_data(self, channel: Channel, data: bytes) -> bytes:
        """The bytes that send *data* on a stream."""
        return self._exchange.session.stream_data(channel.serial, data)

    def abandon(self, channel: Channel) -> bytes:
        """Drop a stream; the bytes that tell the daemon so."""
        return self._exchange.abandon(channel)

    async def _wait(self, ready: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(lambda: ready() or self._lost is not None)
        if not ready() and self._lost is not None:
            raise self._lost

    async def _read(self) -> None:
        lost: VirtError = ConnectionLost.at_end()
        try:
            while data := await self._reader.read(_CHUNK):
                self._writer.write(self._exchange.receive(data))
                self._settle()
                async with self._news:
                    self._news.notify_all()
        except RpcError as exc:
            lost = exc
        except ConnectionError as exc:
            lost.__cause__ = exc
        finally:
            self._lose(lost)
            async with self._news:
                self._news.notify_all()

    def _settle(self) -> None:
        answers = self._exchange.answers
        for serial in list(answers):
            answer = answers.pop(serial)
            future = self._calls.get(serial)
            if future is not None and not future.done():
                future.set_result(answer)

    def _lose(self, error: VirtError) -> None:
        self._lost = error
        for future in self._calls.values():
            if not future.done():
                future.set_result(error)


class Stream:
    """An open stream of a connection."""

    def __init__(self, conn: Connection, channel: Channel) -> None:
        self._conn = conn
        self._channel = channel

    async def read(self) -> bytes:
        """The next data; b"" at the end. Raises the daemon's reason when it failed the stream."""
        while not self._channel.data and not self._channel.over:
            await self._conn.wait_for(self._channel)
        if self._channel.data:
            return self._channel.data.popleft()
        if self._channel.error is not None:
            raise self._channel.error
        return b""

    async def send(self, data: bytes) -> None:
        """Send *data*; what is sent after the end of the stream is dropped."""
        if self._conn.stream_state(self._channel) is CallState.OPEN:
            await self._conn.send(self._conn.stream_data(self._channel, data))

    async def close(self) -> None:
        """Tell the daemon to drop the stream."""
        await self._conn.send(self._conn.abandon(self._channel))


async def connect(
    uri: str | None = None, *, readonly: bool = False, autostart: bool = True
) -> Connection:
    """Connect to the daemon that *uri* names; as the blocking ``connect``, which see."""
    target = find(uri, readonly=readonly, env=os.environ, uid=os.geteuid())
    sock = await asyncio.to_thread(reach, target, autostart=autostart)
    conn = Connection(*await asyncio.open_unix_connection(sock=sock))
    try:
        procedure = authentication((await conn.call("AUTH_LIST"))["types"])
        if procedure is not None:
            await conn.call(procedure)
        await conn.call("CONNECT_OPEN", name=target.name, flags=READONLY if readonly else 0)
    except BaseException:
        await conn.close()
        raise
    return conn
