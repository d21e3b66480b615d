"""A QEMU monitor that says what a test tells it to; its contract test runs on a real QEMU."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

GREETING = {
    "QMP": {
        "version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"},
        "capabilities": ["oob"],
    }
}


class FakeQmp:
    """Answers from ``answers``: a value, an error (``{"class", "desc"}`` in Refused) or a hang."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"qmp_capabilities": {}}
        self.seen: list[dict[str, Any]] = []
        self.greeting: bytes | None = json.dumps(GREETING).encode() + b"\n"
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, sock: socket.socket) -> None:
        reader, self.writer = await asyncio.open_connection(sock=sock)
        if self.greeting is not None:
            self.writer.write(self.greeting)
        text = ""
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                text += chunk.decode()
                while text.strip():
                    try:  # QMP is a stream of JSON values: newlines mean nothing
                        message, end = json.JSONDecoder().raw_decode(text.lstrip())
                    except ValueError:
                        break
                    text = text.lstrip()[end:]
                    await self._answer(message)

    async def _answer(self, message: dict[str, Any]) -> None:
        assert self.writer is not None
        self.seen.append(message)
        answer = self.answers.get(message["execute"], Refused("CommandNotFound", "not found"))
        if answer is HANG:
            return
        if answer is CLOSE:
            self.writer.close()
            return
        reply: dict[str, Any] = {"id": message["id"]} if "id" in message else {}
        if isinstance(answer, Refused):
            reply["error"] = {"class": answer.kind, "desc": answer.desc}
        else:
            reply["return"] = answer(message) if callable(answer) else answer
        self.writer.write(json.dumps(reply).encode() + b"\n")

    def event(self, name: str, **data: Any) -> None:
        assert self.writer is not None
        body = {"event": name, "data": data, "timestamp": {"seconds": 5, "microseconds": 6}}
        self.writer.write(json.dumps(body).encode() + b"\n")

    def close(self) -> None:
        assert self.writer is not None
        self.writer.close()


class Refused:
    def __init__(self, kind: str, desc: str) -> None:
        self.kind = kind
        self.desc = desc


HANG = object()
CLOSE = object()


@contextlib.asynccontextmanager
async def serving(qmp: FakeQmp) -> AsyncIterator[socket.socket]:
    """Serve *qmp* on one end of a socket pair and yield the other."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    task = asyncio.create_task(qmp.serve(theirs))
    try:
        yield ours
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if qmp.writer is not None:
            qmp.writer.close()
            with contextlib.suppress(ConnectionError):
                await qmp.writer.wait_closed()
        else:
            theirs.close()
        ours.close()
