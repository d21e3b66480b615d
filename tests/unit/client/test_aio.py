"""The asyncio connection, against the daemon in memory on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.daemon import FakeDaemon
from virtup.client import aio
from virtup.client.exchange import ConnectionLost
from virtup.errors import Code, RpcError, VirtError


class Served:
    """A FakeDaemon on a socket of asyncio's; ``writer`` is the last client's."""

    def __init__(self, path: Path) -> None:
        self.daemon = FakeDaemon()
        self.path = path
        self.uri = f"qemu+unix:///system?socket={path}"
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        while data := await reader.read(65536):
            self.daemon.receive(data)
            self.flush()
        writer.close()

    def flush(self) -> None:
        """Send what the daemon has to say."""
        assert self.writer is not None
        self.writer.write(bytes(self.daemon.pending))
        self.daemon.pending.clear()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path / "s")
    server = await asyncio.start_unix_server(served.serve, served.path)
    async with server:
        yield served
        if served.writer is not None:
            served.writer.close()


async def test_many_calls_at_once_get_their_own_answers(served: Served) -> None:
    async with await aio.connect(served.uri) as conn:
        names = ["web", "db", "Mail"] * 10
        replies = await asyncio.gather(
            *(conn.call("DOMAIN_LOOKUP_BY_NAME", name=name) for name in names)
        )
    assert [reply["dom"]["name"] for reply in replies] == names


async def test_errors_arrive_with_their_code(served: Served) -> None:
    async with await aio.connect(served.uri) as conn:
        with pytest.raises(VirtError) as caught:
            await conn.call("DOMAIN_LOOKUP_BY_NAME", name="nope")
        assert caught.value.code == Code.NO_DOMAIN
        assert await conn.call("CONNECT_GET_TYPE") == {"type": "QEMU"}


async def test_other_programs(served: Served) -> None:
    served.daemon.handlers["WHY"] = lambda args: {"reply": args["request"]}
    served.daemon.handlers["DOMAIN_AGENT_COMMAND"] = lambda _: {"result": None}
    async with await aio.connect(served.uri) as conn:
        assert await conn.call_virtup("WHY", {"domain": "x"}) == {"domain": "x"}
        reply = await conn.call_qemu(
            "DOMAIN_AGENT_COMMAND", dom=served.daemon.handle("web"), cmd="{}", timeout=-1, flags=0
        )
        assert reply == {"result": None}


async def test_events_come_while_nothing_is_called(served: Served) -> None:
    async with await aio.connect(served.uri) as conn:
        events = conn.events()
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        for detail in (0, 1):
            msg = {"dom": served.daemon.handle("web"), "event": 2, "detail": detail}
            served.daemon.say("DOMAIN_EVENT_CALLBACK_LIFECYCLE", {"callbackID": 1, "msg": msg})
        served.flush()
        assert (await first).body["msg"]["detail"] == 0
        assert (await anext(events)).body["msg"]["detail"] == 1


async def test_a_console_brings_data_and_ends(served: Served) -> None:
    async with await aio.connect(served.uri) as conn:
        stream = await conn.stream(
            "DOMAIN_OPEN_CONSOLE", dom=served.daemon.handle("web"), dev_name=None, flags=0
        )
        assert await stream.read() == b"login: "
        assert await stream.read() == b""
        await stream.send(b"too late")
    assert served.daemon.got == b""


async def test_a_console_takes_data_and_is_dropped(served: Served) -> None:
    served.daemon.console = None
    async with await aio.connect(served.uri) as conn:
        stream = await conn.stream(
            "DOMAIN_OPEN_CONSOLE", dom=served.daemon.handle("web"), dev_name=None, flags=0
        )
        await stream.send(b"root\n")
        await stream.close()
        await conn.call("CONNECT_GET_TYPE")
    assert served.daemon.got == b"root\n"


async def test_a_failed_console_raises_the_reason(served: Served) -> None:
    served.daemon.console = None
    async with await aio.connect(served.uri) as conn:
        stream = await conn.stream(
            "DOMAIN_OPEN_CONSOLE", dom=served.daemon.handle("web"), dev_name=None, flags=0
        )
        serial = served.daemon.streams[-1]
        served.daemon.pending += served.daemon.session.stream_abort(serial, VirtError("broke"))
        served.flush()
        with pytest.raises(VirtError, match="broke"):
            await stream.read()


async def test_a_refused_console_raises_and_leaves_nothing(served: Served) -> None:
    def refuse(_: object) -> None:
        raise VirtError("taken")

    served.daemon.handlers["DOMAIN_OPEN_CONSOLE"] = refuse
    async with await aio.connect(served.uri) as conn:
        with pytest.raises(VirtError, match="taken"):
            await conn.stream(
                "DOMAIN_OPEN_CONSOLE", dom=served.daemon.handle("web"), dev_name=None, flags=0
            )
        assert conn._exchange.channels == {}


async def test_a_daemon_that_closes_fails_all_that_waits(served: Served) -> None:
    served.daemon.console = None
    async with await aio.connect(served.uri) as conn:
        stream = await conn.stream(
            "DOMAIN_OPEN_CONSOLE", dom=served.daemon.handle("web"), dev_name=None, flags=0
        )
        waits = [
            asyncio.ensure_future(stream.read()),
            asyncio.ensure_future(anext(conn.events())),
        ]
        await asyncio.sleep(0)
        assert served.writer is not None
        served.writer.close()
        for wait in waits:
            with pytest.raises(ConnectionLost):
                await wait
        with pytest.raises(ConnectionLost):
            await conn.call("CONNECT_GET_TYPE")


async def test_a_daemon_that_breaks_the_protocol_is_told_as_such(served: Served) -> None:
    async with await aio.connect(served.uri) as conn:
        assert served.writer is not None
        served.writer.write(b"\0\0\0\5garbage")
        with pytest.raises(RpcError):
            await anext(conn.events())
        with pytest.raises(RpcError):
            await conn.call("CONNECT_GET_TYPE")


async def test_a_cancelled_call_does_not_hurt_the_next(served: Served) -> None:
    async with await aio.connect(served.uri) as conn:
        call = asyncio.ensure_future(conn.call("CONNECT_GET_HOSTNAME"))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await conn.call("CONNECT_GET_TYPE") == {"type": "QEMU"}


async def test_polkit_is_asked_where_the_daemon_wants_it(served: Served) -> None:
    served.daemon.handlers["AUTH_LIST"] = lambda _: {"types": [2]}
    served.daemon.handlers["AUTH_POLKIT"] = lambda _: {"complete": 1}
    async with await aio.connect(served.uri, readonly=True):
        pass
    assert [name for name, _ in served.daemon.calls] == ["AUTH_LIST", "AUTH_POLKIT", "CONNECT_OPEN"]
    assert served.daemon.asked("CONNECT_OPEN") == [{"name": "qemu:///system", "flags": 1}]


async def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(VirtError, match="Failed to connect socket to"):
        await aio.connect(f"qemu+unix:///system?socket={tmp_path}/none")
