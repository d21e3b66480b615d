"""A raw client of the protocol for tests: it sends what it is told, and waits for what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from virtup.errors import VirtError
from virtup.wire.session import (
    ClientSession,
    ErrorReceived,
    Event,
    MessageReceived,
    PingReceived,
    ReplyReceived,
)
from virtup.wire.tables import REMOTE

T = TypeVar("T")
BOUND_S = 20.0


class Peer:
    """One connection. ``events`` holds what came and was not waited for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.session = ClientSession()
        self.events: list[Event] = []
        self.answers_pings = True

    @classmethod
    async def connect(cls, path: str, *, opened: bool = True, flags: int = 0) -> Peer:
        peer = cls(*await asyncio.open_unix_connection(path))
        if opened:
            await peer.call("CONNECT_OPEN", name=None, flags=flags)
        return peer

    def send(
        self, name: str, /, *, program: int = REMOTE, stream: bool = False, **args: Any
    ) -> int:
        """Send a call; its serial."""
        serial, data = self.session.call(program, name, args, stream=stream)
        self.writer.write(data)
        return serial

    async def call(self, name: str, /, **args: Any) -> dict[str, Any]:
        """Call and wait: the reply's body, or the error raised."""
        return await self.answer(self.send(name, **args))

    async def answer(self, serial: int) -> dict[str, Any]:
        """Wait for the answer to a call."""
        event = await self.until(
            lambda e: isinstance(e, (ReplyReceived, ErrorReceived)) and e.serial == serial
        )
        if isinstance(event, ErrorReceived):
            raise event.error
        assert isinstance(event, ReplyReceived)
        return event.body

    async def refusal(self, name: str, /, **args: Any) -> VirtError:
        """Call and wait for the error."""
        try:
            body = await self.call(name, **args)
        except VirtError as error:
            return error
        raise AssertionError(f"{name} went well: {body}")

    async def message(self, name: str) -> dict[str, Any]:
        """Wait for an event of the daemon's."""
        event = await self.until(
            lambda e: isinstance(e, MessageReceived) and e.procedure.name == name
        )
        assert isinstance(event, MessageReceived)
        return event.body

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """Wait for an event; others are kept."""
        async with asyncio.timeout(BOUND_S):
            while True:
                for index, event in enumerate(self.events):
                    if wanted(event):
                        return self.events.pop(index)
                data = await self.reader.read(65536)
                if not data:
                    raise ConnectionResetError("the daemon closed the connection")
                self.take(data)

    def take(self, data: bytes) -> None:
        for event in self.session.receive(data):
            if isinstance(event, PingReceived) and self.answers_pings:
                self.writer.write(self.session.pong())
            else:
                self.events.append(event)

    async def closed(self) -> bool:
        """Wait until the daemon closes the connection."""
        async with asyncio.timeout(BOUND_S):
            try:
                while data := await self.reader.read(65536):
                    self.take(data)
            except ConnectionResetError:
                return True
        return True

    def close(self) -> None:
        self.writer.close()
