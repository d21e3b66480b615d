"""One connected client: its calls, its streams, its events, and how much of each it may have."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from virtup.daemon.registry import Args, Reply, handler
from virtup.daemon.streams import ConsoleStream, OpenStream
from virtup.daemon.subscriptions import Subscriptions
from virtup.errors import (
    InternalError,
    NoSupport,
    OperationDenied,
    Origin,
    RpcError,
    SystemError_,
    VirtError,
)
from virtup.wire.session import (
    CallReceived,
    CallRefused,
    CallState,
    Event,
    PingReceived,
    ServerSession,
    StreamAborted,
    StreamData,
    StreamEnded,
    StreamFinished,
    StreamHole,
)

if TYPE_CHECKING:
    from virtup.daemon.server import Server

log = logging.getLogger(__name__)

CALLS_QUEUED_MAX = 64
"""Calls that may wait for their turn before the client is not read any more."""
OUTPUT_BYTES_MAX = 64 * 1024 * 1024
"""What may wait for a client that does not read: two replies of the largest size."""
EVENT_BYTES_MAX = 8 * 1024 * 1024
"""What may wait for it when an event is to be added."""
MESSAGE_MAX = 8192
"""The longest error message in characters that a client is told; a value may be megabytes."""
LOGGED_MAX = 500
_WATERMARK = 1024 * 1024


class Client(asyncio.Protocol):
    """A connection, from its accept to its end.

    Up to ``max_client_requests`` calls run at once, the rest wait in order; what a client sends
    beyond that stays in its socket. A client that breaks the protocol, or does not read while
    its output grows beyond bounds, is disconnected with one line in the log.
    """

    def __init__(self, server: Server, number: int, *, readonly: bool) -> None:
        self.server = server
        self.hypervisor = server.hypervisor
        self.id = number
        self.readonly = readonly
        self.opened = False
        self.keepalive = False
        self.close_callback = False
        self.subscriptions = Subscriptions(self._tell)
        self.session = ServerSession()
        self.silent_ticks = 0
        self.gone = False
        self._parting = False
        self._transport: asyncio.Transport
        self._running: dict[asyncio.Task[Reply | OpenStream], bool] = {}
        self._waiting: deque[CallReceived] = deque()
        self._streams: dict[int, ConsoleStream] = {}
        self._stalled = False
        self._deaf: set[str] = set()

    # -- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the accepted connection, or drop it when there are too many."""
        transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._transport = transport
        transport.set_write_buffer_limits(high=_WATERMARK)
        if not self.server.admit(self):
            self.drop(
                f"there are {len(self.server.clients)} clients, and max_clients allows no more"
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of all that was this client's."""
        self.gone = True
        log.debug("client %d: gone (%s)", self.id, exc or "closed")
        for stream in tuple(self._streams.values()):
            stream.close()
        self._streams.clear()
        self._waiting.clear()
        for task, abandoned in self._running.items():
            if abandoned:
                task.cancel()
        self.server.left(self)

    def drop(self, why: str) -> None:
        """Disconnect the client at once, and say why in the log."""
        if not self.gone and not self._transport.is_closing():
            log.warning("client %d: disconnected: %s", self.id, why)
        self._transport.abort()

    def close(self) -> None:
        """Disconnect the client once it has what was sent."""
        self._transport.close()

    def part(self) -> None:
        """Send what there is and an end of file, hear no more calls, and let the client close."""
        self._parting = True
        self._waiting.clear()
        if not self._transport.is_closing():
            self._transport.write_eof()
            for why in tuple(self._deaf):
                self.hear(why, True)

    def pause_writing(self) -> None:
        """Stop what produces output: the client does not keep up."""
        self._stalled = True
        self.hear("output", False)
        for stream in self._streams.values():
            stream.pause()

    def resume_writing(self) -> None:
        """Go on with what produces output."""
        self._stalled = False
        self.hear("output", True)
        for stream in self._streams.values():
            stream.resume()

    def hear(self, why: str, hear: bool) -> None:
        """Read from the client only while nobody has a reason not to."""
        was_deaf = bool(self._deaf)
        (self._deaf.discard if hear else self._deaf.add)(why)
        if bool(self._deaf) == was_deaf or self._transport.is_closing():
            return
        if self._deaf:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def tick(self, count_max: int) -> None:
        """Ask a client that can answer whether it lives; drop it after *count_max* silences."""
        if not self.keepalive or (self._deaf and not self._stalled):
            return
        if self.silent_ticks > count_max:
            self.drop(f"it did not answer {count_max} keepalive messages")
            return
        self.silent_ticks += 1
        if not self._stalled:
            self.send(self.session.ping())

    # -- input ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Act on what the client sent."""
        self.silent_ticks = 0
        if self._parting:
            return
        try:
            for event in self.session.receive(data):
                if self._transport.is_closing():
                    return
                self._act(event)
        except RpcError as exc:
            self.drop(exc.message)
            return
        if self.session.broken is not None:
            self.drop(self.session.broken.message)

    def _act(self, event: Event) -> None:
        match event:
            case CallReceived():
                self._queue(event)
            case CallRefused(serial=serial, error=error):
                self.send(self.session.error(serial, error))
            case StreamData(serial=serial, data=data):
                if serial in self._streams:
                    self._streams[serial].write(data)
            case StreamHole(serial=serial):
                self.fail_stream(serial, NoSupport("a console takes no holes"))
            case StreamFinished(serial=serial) | StreamAborted(serial=serial):
                stream = self._streams.pop(serial, None)
                if stream is not None:
                    stream.close()
                    self.send(self.session.stream_finish(serial))
            case PingReceived():
                self.send(self.session.pong())
            case StreamEnded():
                pass  # a console has no end of input
            case _:
                pass  # a pong: hearing it was all

    # -- calls ---------------------------------------------------------------------------------

    def _queue(self, call: CallReceived) -> None:
        if len(self._running) < self.server.config.max_client_requests:
            self._start(call)
            return
        self._waiting.append(call)
        if len(self._waiting) >= CALLS_QUEUED_MAX:
            self.hear("calls", False)

    def _start(self, call: CallReceived) -> None:
        try:
            found = handler(call.procedure)
            if not self.opened and not found.unopened:
                raise InternalError("connection not open", origin=Origin.RPC)
            if self.readonly and found.writes:
                raise OperationDenied(f"read only access prevents {found.writes}")
        except VirtError as error:
            self._fail(call, error)
            return
        task = self.server.loop.create_task(_run(found.function, self, call.args))
        self._running[task] = found.abandoned
        task.add_done_callback(lambda done: self._done(call, done))

    def _done(self, call: CallReceived, task: asyncio.Task[Reply | OpenStream]) -> None:
        del self._running[task]
        if task.cancelled():
            self._fail(call, InternalError("the daemon ended the call"))
        elif (exc := task.exception()) is None:
            self._reply(call, task.result())
        elif isinstance(exc, VirtError):
            self._fail(call, exc)
        else:
            log.error("client %d: %s failed", self.id, call.procedure.name, exc_info=exc)
            self._fail(call, _unexpected(call, exc))
        if self.gone:
            self.hypervisor.client_gone(self.id)
            return
        while self._waiting and len(self._running) < self.server.config.max_client_requests:
            self._start(self._waiting.popleft())
        if len(self._waiting) < CALLS_QUEUED_MAX // 2:
            self.hear("calls", True)

    def _reply(self, call: CallReceived, result: Reply | OpenStream) -> None:
        if isinstance(result, OpenStream):
            self._open_stream(call, result)
            return
        if self.gone:
            return
        try:
            data = self.session.reply(call.serial, result)
        except RpcError as exc:
            log.error("client %d: %s: %s", self.id, call.procedure.name, exc.message)
            self._fail(call, InternalError(exc.message))
            return
        self.send(data)
        if call.procedure.name == "CONNECT_CLOSE":
            self.close()

    def _fail(self, call: CallReceived, error: VirtError) -> None:
        first, _, _ = error.message.partition("\n")
        log.info("client %d: %s: %s", self.id, call.procedure.name, first[:LOGGED_MAX])
        if len(error.message) > MESSAGE_MAX:
            error.message = f"{error.message[:MESSAGE_MAX]}..."
        if not self.gone:
            self.send(self.session.error(call.serial, error))

    # -- streams -------------------------------------------------------------------------------

    def _open_stream(self, call: CallReceived, opened: OpenStream) -> None:
        if self.gone:
            opened.console.close()
            return
        self.send(self.session.reply(call.serial, stream=True))
        stream = ConsoleStream(self, call.serial, opened.console)
        self._streams[call.serial] = stream
        if not self._stalled:
            stream.resume()

    def stream_data(self, serial: int, data: bytes) -> None:
        """Send what a guest's console printed."""
        self.send(self.session.stream_data(serial, data))

    def stream_end(self, serial: int) -> None:
        """Say that a console will print no more."""
        self.send(self.session.stream_end(serial))

    def fail_stream(self, serial: int, error: VirtError) -> None:
        """End a stream with an error."""
        stream = self._streams.pop(serial, None)
        if stream is not None:
            stream.close()
        if self.session.state(serial) is not CallState.GONE:
            self.send(self.session.stream_abort(serial, error))

    # -- output --------------------------------------------------------------------------------

    def send(self, data: bytes, *, limit: int = OUTPUT_BYTES_MAX) -> None:
        """Send bytes, or drop a client that has let more than *limit* bytes pile up."""
        if self._transport.is_closing() or self._parting:
            return
        if self._transport.get_write_buffer_size() > limit:
            self.drop(f"it did not read, and more than {limit} bytes wait for it")
            return
        self._transport.write(data)

    def _tell(self, program: int, name: str, body: dict[str, Any]) -> None:
        try:
            data = self.session.message(program, name, body)
        except RpcError as exc:
            log.error("client %d: %s not sent: %s", self.id, name, exc.message)
            return
        self.send(data, limit=EVENT_BYTES_MAX)

    def abandon(self) -> list[asyncio.Task[Reply | OpenStream]]:
        """Cancel the calls under way; the tasks, to wait for."""
        for task in self._running:
            task.cancel()
        return list(self._running)


async def _run(
    function: Callable[[Client, Args], Any], client: Client, args: Args
) -> Reply | OpenStream:
    result: Reply | OpenStream = await function(client, args)
    return result


def _unexpected(call: CallReceived, exc: BaseException) -> VirtError:
    """The error for a client whose call failed in a way that nobody foresaw."""
    name = call.procedure.name
    if isinstance(exc, OSError) and exc.filename and exc.strerror:
        return SystemError_(f"{name} failed at '{exc.filename}': {exc.strerror}")
    return InternalError(f"{name} failed with {type(exc).__name__}: {exc}")
