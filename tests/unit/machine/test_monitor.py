from __future__ import annotations

import asyncio
import json
import socket

import pytest

from tests.fakes.qmp import CLOSE, HANG, FakeQmp, Refused, serving
from virtup.errors import OperationFailed, OperationTimeout
from virtup.machine.monitor import (
    CommandFailed,
    MonitorFailed,
    MonitorGone,
    Silence,
    open_monitor,
)


async def test_greets_and_answers():
    qmp = FakeQmp()
    qmp.answers["query-status"] = {"status": "running"}
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        assert monitor.version == (7, 2, 22)
        assert await monitor.execute("query-status") == {"status": "running"}
        await monitor.close()
    assert [one["execute"] for one in qmp.seen] == ["qmp_capabilities", "query-status"]


@pytest.mark.parametrize(
    ("greeting", "capabilities", "kind"),
    [
        (None, {}, Silence.NO_GREETING),
        (b"hello\n", {}, Silence.GARBAGE),
        (b'{"not": "QMP"}\n', {}, Silence.GARBAGE),
        (b"[]\n", {}, Silence.GARBAGE),
        ("default", HANG, Silence.NO_ANSWER),
        ("default", CLOSE, Silence.CLOSED),
        ("default", Refused("GenericError", "no"), Silence.GARBAGE),
    ],
)
async def test_each_silence_is_told_apart(greeting, capabilities, kind):
    qmp = FakeQmp()
    if greeting != "default":
        qmp.greeting = greeting
    qmp.answers["qmp_capabilities"] = capabilities
    async with serving(qmp) as sock:
        with pytest.raises(MonitorFailed) as seen:
            await open_monitor(sock, timeout_s=0.3)
    assert seen.value.kind is kind


async def test_a_monitor_that_ends_as_soon_as_it_has_negotiated_is_said():
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()

    async def negotiate() -> None:
        await loop.sock_sendall(theirs, FakeQmp().greeting or b"")
        await loop.sock_recv(theirs, 4096)
        await loop.sock_sendall(theirs, b'{"return": {}}\r\n')
        theirs.close()

    ours.setblocking(False)
    theirs.setblocking(False)
    peer = asyncio.ensure_future(negotiate())
    with pytest.raises((MonitorFailed, MonitorGone)):
        monitor = await open_monitor(ours, timeout_s=5)
        await monitor.execute("query-status")
    await peer


async def test_a_refused_command_carries_class_and_words():
    qmp = FakeQmp()
    qmp.answers["cont"] = Refused("GenericError", "Resetting the Virtual Machine is required")
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        with pytest.raises(CommandFailed) as seen:
            await monitor.execute("cont")
        await monitor.close()
    assert seen.value.kind == "GenericError"
    assert "'cont': Resetting the Virtual Machine" in seen.value.message


async def test_a_hanging_command_is_bounded_and_the_monitor_usable_after_it():
    qmp = FakeQmp()
    qmp.answers["stop"] = HANG
    qmp.answers["query-status"] = {}
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        with pytest.raises(OperationTimeout, match="did not answer 'stop'"):
            await monitor.execute("stop", timeout_s=0.1)
        assert await monitor.execute("query-status") == {}
        await monitor.close()


async def test_a_connection_that_ends_in_mid_command_is_said():
    qmp = FakeQmp()
    qmp.answers["quit"] = CLOSE
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        with pytest.raises(MonitorGone, match="while 'quit' ran"):
            await monitor.execute("quit")
        await monitor.close()


async def test_events_and_the_end_are_told():
    qmp = FakeQmp()
    events: list[str] = []
    closed = asyncio.Event()
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        monitor.listen(lambda event: events.append(event["event"]), closed.set)
        qmp.event("STOP")
        qmp.event("RESUME")
        qmp.close()
        async with asyncio.timeout(5):
            await closed.wait()
        await monitor.close()
    assert events == ["STOP", "RESUME"]


async def test_closing_it_ourselves_is_no_news():
    qmp = FakeQmp()
    closed = asyncio.Event()
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        monitor.listen(lambda event: None, closed.set)
        await monitor.close()
    assert not closed.is_set()


async def test_raw_keeps_the_callers_id_and_hands_errors_on():
    qmp = FakeQmp()
    qmp.answers["query-name"] = {"name": "x"}
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        reply = json.loads(await monitor.raw('{"execute": "query-name", "id": "mine"}'))
        assert reply == {"return": {"name": "x"}, "id": "mine"}
        refused = json.loads(await monitor.raw('{"execute": "nonsense"}'))
        assert refused["error"] == {"class": "CommandNotFound", "desc": "not found"}
        await monitor.close()


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"arguments": {}}'])
async def test_raw_refuses_what_is_no_command(text):
    qmp = FakeQmp()
    async with serving(qmp) as sock:
        monitor = await open_monitor(sock, timeout_s=5)
        with pytest.raises(OperationFailed, match="monitor command"):
            await monitor.raw(text)
        await monitor.close()
