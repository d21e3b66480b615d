"""What a client keeps between bytes in and bytes out, whoever does the IO.

The blocking and the asyncio connection both drive an Exchange: they send what it gives and feed
it what they read.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from virtup.errors import Code, Fault, Origin, VirtError
from virtup.wire.session import (
    CallState,
    ClientSession,
    ErrorReceived,
    Event,
    MessageReceived,
    PingReceived,
    ReplyReceived,
    StreamAborted,
    StreamData,
    StreamEnded,
    StreamFailed,
    StreamFinished,
)

Answer = dict[str, Any] | VirtError
"""What a call came to."""


class ConnectionLost(VirtError):
    """The daemon is gone: it closed the connection, died, or broke the protocol."""

    code, origin, fault = Code.SYSTEM_ERROR, Origin.RPC, Fault.PEER

    @classmethod
    def at_end(cls) -> ConnectionLost:
        """The error of a daemon that closed the connection."""
        return cls("End of file while reading data: Input/output error")

    @classmethod
    def by_close(cls) -> ConnectionLost:
        """The error of a call on a connection that its user has closed."""
        return cls("the connection is closed")


class Channel:
    """The client's end of one stream: data that came, and whether more can come."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.data: deque[bytes] = deque()
        self.over = False
        self.error: VirtError | None = None


class Exchange:
    """Sorts what arrives: answers by call, data by stream, messages in order."""

    def __init__(self, session: ClientSession | None = None) -> None:
        self.session = session or ClientSession()
        self.answers: dict[int, Answer] = {}
        self.messages: deque[MessageReceived] = deque()
        self.channels: dict[int, Channel] = {}

    def receive(self, data: bytes) -> bytes:
        """Take in *data*; what is returned must be sent.

        Raises RpcError when the daemon breaks the protocol; the connection is unusable then.
        """
        return b"".join(self._sort(event) for event in self.session.receive(data))

    def open_channel(self, serial: int) -> Channel:
        """The stream that call *serial* opens; to be made before the reply is read."""
        return self.channels.setdefault(serial, Channel(serial))

    def abandon(self, channel: Channel) -> bytes:
        """Drop the stream; what is returned must be sent."""
        self.channels.pop(channel.serial, None)
        channel.over = True
        if self.session.state(channel.serial) is CallState.OPEN:
            return self.session.stream_abort(channel.serial)
        return b""

    def _sort(self, event: Event) -> bytes:
        if isinstance(event, ReplyReceived):
            self.answers[event.serial] = event.body
        elif isinstance(event, ErrorReceived):
            self.answers[event.serial] = event.error
        elif isinstance(event, MessageReceived):
            self.messages.append(event)
        elif isinstance(event, PingReceived):
            return self.session.pong()
        elif isinstance(
            event, StreamData | StreamEnded | StreamFinished | StreamAborted | StreamFailed
        ):
            return self._stream(event)
        return b""

    def _stream(
        self, event: StreamData | StreamEnded | StreamFinished | StreamAborted | StreamFailed
    ) -> bytes:
        channel = self.channels.get(event.serial)
        if channel is None:
            return b""
        if isinstance(event, StreamData):
            channel.data.append(event.data)
            return b""
        channel.over = True
        if isinstance(event, StreamFailed):
            channel.error = event.error
        if isinstance(event, StreamEnded):
            # libvirtd waits for the client's finish after it has sent its last byte
            if self.session.state(event.serial) is CallState.OPEN:
                return self.session.stream_finish(event.serial)
        else:
            self.channels.pop(event.serial, None)
        return b""
