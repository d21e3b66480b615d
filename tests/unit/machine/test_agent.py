"""The guest agent's line, against agents that are slow, silent, gone, garbled or hostile."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from virtup.errors import AgentUnresponsive, OperationFailed, OperationTimeout
from virtup.machine import agent
from virtup.machine.agent import Line

PING = {"execute": "guest-ping"}
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(place: Path, talk: Talk) -> AsyncIterator[str]:
    """An agent that speaks as *talk* does to each who connects; its socket."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    path = str(place / "agent")
    server = await asyncio.start_unix_server(serve, path)
    try:
        yield path
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def second(place: Path) -> Path:
    """A further folder for a socket."""
    made = place / "second"
    made.mkdir()
    return made


async def synced(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
    """Answer the sync as QEMU's agent does, and return the command that follows."""
    request = json.loads((await reader.readline()).lstrip(b"\xff"))
    assert request["execute"] == "guest-sync-delimited"
    writer.write(b"\xff" + json.dumps({"return": request["arguments"]["id"]}).encode() + b"\n")
    command = json.loads(await reader.readline())
    assert isinstance(command, dict)
    return command


def answering(reply: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await synced(reader, writer)
        writer.write(reply)
        await reader.read()

    return talk


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_an_answer_is_the_whole_reply(tmp_path: Path) -> None:
    async with served(tmp_path, answering(b'{"return": {"a": "\\u00e9"}}\r\n')) as path:
        reply = await agent.ask(path, PING)
    assert reply == {"return": {"a": "é"}}
    assert agent.to_text(reply) == '{"return":{"a":"\\u00e9"}}'


async def test_a_stale_answer_is_never_taken_for_a_fresh_one(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"return": {}}\n{"ret\n[1, 2]\n"text"\n{"return": 7}\n')
        assert await synced(reader, writer) == PING
        writer.write(b'{"return": "fresh"}\n')
        await reader.read()

    async with served(tmp_path, talk) as path:
        assert await agent.ask(path, PING) == {"return": "fresh"}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b'{"error": {"class": "CommandNotFound", "desc": "no such"}}\n', "'guest-ping': no such"),
        (b'{"error": "plain"}\n', "'guest-ping': plain"),
        (b'{"error": null}\n', "'guest-ping': None"),
        (b'{"error": {"desc": "' + b"x" * 5000 + b'"}}\n', "x" * 1024),
    ],
)
async def test_a_refusal_is_quoted_and_bounded(tmp_path: Path, reply: bytes, says: str) -> None:
    async with served(tmp_path, answering(reply)) as path:
        with pytest.raises(agent.AgentRefused) as caught:
            await agent.ask(path, PING)
    assert caught.value.message.endswith(says)
    assert len(caught.value.message) < 1200


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"hello\n", "no JSON"),
        (b"\x80\x81\n", "no JSON"),
        (b"[" * 200_000 + b"\n", "no JSON"),
        (b"9" * 10_000 + b"\n", "no JSON"),
        (b"[1]\n", "no JSON object"),
        (b"x" * (agent.ANSWER_LIMIT + 100_000), "No complete agent response found in 4194304"),
    ],
)
async def test_an_answer_that_is_none_is_said_to_be(
    tmp_path: Path, reply: bytes, says: str
) -> None:
    async with served(tmp_path, answering(reply)) as path:
        with pytest.raises(AgentUnresponsive, match=says):
            await agent.ask(path, PING)


@pytest.mark.parametrize(
    "noise", [b"\n", b"{}\n", b"[" * 1000 + b"\n", b"y" * 5000 + b"\n"], ids=range(4)
)
async def test_a_flood_of_lines_ends_and_holds_nobody_up(tmp_path: Path, noise: bytes) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(noise * 1000)
            await writer.drain()

    async with served(tmp_path, talk) as path:
        with pytest.raises(AgentUnresponsive, match="is no answer"):
            await agent.ask(path, PING)


async def test_silence_is_bounded_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SYNC_TIMEOUT_S", 0.05)
    async with served(tmp_path, silent) as path:
        with pytest.raises(AgentUnresponsive, match="no answer to 'guest-sync' within 0"):
            await agent.ask(path, PING)


async def test_an_answer_may_be_waited_for_briefly(tmp_path: Path) -> None:
    async with served(tmp_path, answering(b"")) as path:
        with pytest.raises(AgentUnresponsive, match="no answer to 'guest-ping' within 0"):
            await agent.ask(path, PING, timeout_s=0.05)
        with pytest.raises(AgentUnresponsive, match="not available for now"):
            await agent.ask(path, PING, timeout_s=0)


async def test_a_channel_that_closes_or_is_not_there_is_named(tmp_path: Path) -> None:
    async def closes(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        return

    async with served(tmp_path, closes) as path:
        with pytest.raises(AgentUnresponsive, match="the agent channel broke"):
            await agent.ask(path, PING)
    with pytest.raises(agent.AgentNotReady, match="cannot be opened"):
        await agent.ask(str(tmp_path / "none"), PING)


async def test_a_call_ends_at_once_when_the_agent_leaves(tmp_path: Path) -> None:
    line = Line()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await synced(reader, writer)
        line.agent_left()
        await reader.read()

    async with served(tmp_path, talk) as path:
        with pytest.raises(AgentUnresponsive, match="disappeared while executing"):
            await line.ask(path, PING, timeout_s=None)


async def test_calls_take_turns_and_nobody_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line()
    async with served(tmp_path, answering(b"")) as path:
        blocked = asyncio.ensure_future(line.ask(path, PING, timeout_s=None))
        await asyncio.sleep(0)
        monkeypatch.setattr(agent, "TURN_TIMEOUT_S", 0.05)
        with pytest.raises(OperationTimeout, match="another command"):
            await line.ask(path, PING, timeout_s=None)
        blocked.cancel()
        await asyncio.gather(blocked, return_exceptions=True)
    path = ""
    monkeypatch.undo()
    async with served(second(tmp_path), answering(b'{"return": {}}\n')) as path:
        assert (
            await asyncio.gather(*(line.ask(path, PING, timeout_s=5) for _ in range(5)))
            == [{"return": {}}] * 5
        )


@pytest.mark.parametrize("heard", ["guest_went", "agent_left"])
@pytest.mark.parametrize("mode", ["powerdown", "reboot"])
async def test_a_shutdown_is_done_when_the_guest_goes(
    tmp_path: Path, heard: str, mode: str
) -> None:
    line, asked = Line(), []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await synced(reader, writer))
        getattr(line, heard)()
        await reader.read()

    async with served(tmp_path, talk) as path:
        await line.shut_down(path, mode)
    assert asked == [{"execute": "guest-shutdown", "arguments": {"mode": mode}}]


async def test_a_shutdown_whose_channel_breaks_waits_for_word_of_the_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await synced(reader, writer)
        writer.close()
        await asyncio.sleep(0.05)
        line.guest_went()

    async with served(tmp_path, talk) as path:
        await line.shut_down(path, "powerdown")

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await synced(reader, writer)

    monkeypatch.setattr(agent, "SYNC_TIMEOUT_S", 0.2)
    async with served(second(tmp_path), breaks) as path:
        with pytest.raises(agent.AgentGone):
            await line.shut_down(path, "powerdown")


async def test_a_shutdown_that_is_refused_or_ignored_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line()
    async with served(tmp_path, answering(b'{"error": {"desc": "not now"}}\n')) as path:
        with pytest.raises(agent.AgentRefused, match="'guest-shutdown': not now"):
            await line.shut_down(path, "powerdown")
    monkeypatch.setattr(agent, "SHUTDOWN_TIMEOUT_S", 0.05)
    async with served(tmp_path, answering(b"")) as path:
        with pytest.raises(AgentUnresponsive, match="no answer to 'guest-shutdown'"):
            await line.shut_down(path, "powerdown")


def test_what_nobody_waits_for_is_no_matter() -> None:
    line = Line()
    line.agent_left()
    line.guest_went()


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"execute": 1}', "[" * 200_000])
def test_a_command_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OperationFailed, match="the agent command"):
        agent.parse_command(text)


def test_an_answer_that_cannot_be_passed_on_is_refused() -> None:
    with pytest.raises(AgentUnresponsive, match="can be passed on"):
        agent.to_text({"return": "é" * (agent.ANSWER_LIMIT // 4)})
