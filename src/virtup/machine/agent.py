"""The guest agent: QEMU's ``org.qemu.guest_agent.0`` channel, spoken to without trusting the guest.

The agent lives inside the guest: it may be absent, dead or hostile. Every call is bounded in time,
in what it reads and in how long it keeps others waiting; a stale answer is never taken for a fresh
one (``guest-sync`` with an id of its own goes before each call), and nothing here can hurt the
start of a guest.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from virtup.errors import (
    AgentUnresponsive,
    Code,
    Fault,
    OperationFailed,
    OperationTimeout,
    VirtError,
)

CHANNEL = "org.qemu.guest_agent.0"
"""The name of the virtio-serial port on which the agent listens."""

SYNC_TIMEOUT_S = 5.0
"""How long an agent may take to answer ``guest-sync``; libvirt waits as long."""

SHUTDOWN_TIMEOUT_S = 60.0
"""How long a guest may take from ``guest-shutdown`` to its going down; libvirt waits as long."""

TURN_TIMEOUT_S = 30.0
"""How long a call waits for another one on the same agent."""

ANSWER_LIMIT = 4 * 1024 * 1024
"""The longest answer in bytes: what fits into a string of libvirt's protocol."""

STALE_LINES_MAX = 64
"""How many lines that are no answer are passed over before one that is."""

SYNC_ANSWER_BYTES_MAX = 4096
"""A longer line is no answer to ``guest-sync``."""

DESC_CHARS_MAX = 1024
"""How much of an agent's own words goes into an error."""

_ids = itertools.count(0x5655_0000)


class AgentRefused(VirtError):
    """The agent answered with an error."""

    code, fault = Code.INTERNAL_ERROR, Fault.GUEST
    template = "internal error: unable to execute QEMU agent command '{command}': {desc}"


class AgentNotConfigured(VirtError):
    """The definition has no agent channel."""

    code, fault = Code.ARGUMENT_UNSUPPORTED, Fault.CALLER
    template = "argument unsupported: QEMU guest agent is not configured"


class AgentNotReady(AgentUnresponsive):
    """The guest has no agent that holds its end of the channel open."""


class AgentGone(AgentUnresponsive):
    """The channel was closed while the agent was spoken to."""


class Line:
    """The line to one guest's agent: one call at a time, each ended when the agent goes away.

    Whoever hears QEMU's events calls `agent_left` when the guest closed its end of the channel,
    and `guest_went` when the guest went down or started over.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._left: asyncio.Event | None = None
        self._went: asyncio.Event | None = None

    def agent_left(self) -> None:
        """The guest closed its end of the channel: no answer comes any more."""
        if self._left is not None:
            self._left.set()

    def guest_went(self) -> None:
        """The guest went down, or was reset."""
        if self._went is not None:
            self._went.set()

    async def ask(
        self, path: str, command: dict[str, Any], *, timeout_s: float | None
    ) -> dict[str, Any]:
        """Send one command and return the agent's whole reply; see `ask`.

        Raises AgentUnresponsive as soon as the agent goes away, and OperationTimeout when another
        call keeps the line busy.
        """
        async with self._in_turn() as (left, _):
            asking = asyncio.ensure_future(ask(path, command, timeout_s=timeout_s))
            if not await _first(asking, left.wait()):
                raise AgentUnresponsive("Guest agent disappeared while executing command")
            return asking.result()

    async def shut_down(self, path: str, mode: str) -> None:
        """Have the guest go down (``powerdown``) or start over (``reboot``); wait until it does.

        The agent answers only to refuse. One that goes away has done its part. Raises
        AgentRefused, AgentUnresponsive when nothing happens, OperationTimeout.
        """
        command = {"execute": "guest-shutdown", "arguments": {"mode": mode}}
        async with self._in_turn() as (left, went):
            asking = asyncio.ensure_future(ask(path, command, timeout_s=SHUTDOWN_TIMEOUT_S))
            await _first(asking, left.wait(), went.wait())
            if left.is_set() or went.is_set():
                return
            try:
                asking.result()
            except AgentGone:
                # the channel ends with the guest: what became of that is heard in a moment
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SYNC_TIMEOUT_S):
                        await went.wait()
                if not went.is_set():
                    raise

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
        try:
            async with asyncio.timeout(TURN_TIMEOUT_S):
                await self._turn.acquire()
        except TimeoutError:
            raise OperationTimeout(
                f"cannot acquire the guest agent within {TURN_TIMEOUT_S:g} s: another command "
                "waits for its answer"
            ) from None
        self._left, self._went = asyncio.Event(), asyncio.Event()
        try:
            yield self._left, self._went
        finally:
            self._left = self._went = None
            self._turn.release()


async def _first(asking: asyncio.Future[Any], *others: Coroutine[Any, Any, Any]) -> bool:
    """Wait for *asking* or one of *others*, end the rest, and tell whether *asking* is done."""
    waiting = {asking, *map(asyncio.ensure_future, others)}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return asking.done()
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def ask(
    path: str, command: dict[str, Any], *, timeout_s: float | None = SYNC_TIMEOUT_S
) -> dict[str, Any]:
    """Send one command to the agent behind the unix socket *path* and return its whole reply.

    *timeout_s* bounds the answer (None waits as long as the connection lasts); the sync before it
    is always bounded. Raises AgentUnresponsive and AgentRefused.
    """
    try:
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_LIMIT)
    except (OSError, TimeoutError) as error:
        raise AgentNotReady(f"the agent channel cannot be opened: {error}") from error
    name, waited_s = "guest-sync", SYNC_TIMEOUT_S
    try:
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            await _synchronise(reader, writer)
        name, waited_s = str(command.get("execute")), timeout_s or 0.0
        writer.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(timeout_s):
            await writer.drain()
            return await _answer(reader, name)
    except TimeoutError:
        raise AgentUnresponsive(
            f"Guest agent not available for now: no answer to '{name}' within {waited_s:g} s"
        ) from None
    except asyncio.LimitOverrunError:
        raise AgentUnresponsive(
            f"No complete agent response found in {ANSWER_LIMIT} bytes"
        ) from None
    except (OSError, EOFError) as error:
        raise AgentGone(f"the agent channel broke: {error}") from error
    finally:
        writer.transport.abort()  # nothing that still waits to be sent is worth waiting for


def parse_command(text: str) -> dict[str, Any]:
    """Return the agent command in the JSON *text*, or refuse it in one sentence."""
    try:
        command = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OperationFailed(
            f"the agent command is not JSON: {error}", code=Code.INVALID_ARG
        ) from error
    if not isinstance(command, dict) or not isinstance(command.get("execute"), str):
        raise OperationFailed(
            "the agent command must be a JSON object with the member 'execute'",
            code=Code.INVALID_ARG,
        )
    return command


def to_text(reply: dict[str, Any]) -> str:
    """Return an agent's reply as the JSON text that clients get; AgentUnresponsive if too long."""
    text = json.dumps(reply, separators=(",", ":"))
    if len(text) > ANSWER_LIMIT:
        raise AgentUnresponsive(
            f"its answer has {len(text)} bytes, and at most {ANSWER_LIMIT} can be passed on"
        )
    return text


async def _synchronise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Get past whatever an earlier client left in the channel."""
    token = next(_ids)
    request = {"execute": "guest-sync-delimited", "arguments": {"id": token}}
    # the 0xFF flushes a half-written command in the agent's parser (QEMU's QGA reference)
    writer.write(b"\xff" + json.dumps(request).encode() + b"\n")
    await writer.drain()
    for _ in range(STALE_LINES_MAX):
        line = (await reader.readuntil(b"\n")).rpartition(b"\xff")[2]
        await asyncio.sleep(0)  # lines that are there already are read without a wait
        if len(line) > SYNC_ANSWER_BYTES_MAX:
            continue
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            continue  # the rest of an answer that nobody waited for
        if isinstance(reply, dict) and reply.get("return") == token:
            return
    raise AgentUnresponsive("what comes from the agent in the guest is no answer")


async def _answer(reader: asyncio.StreamReader, command: str) -> dict[str, Any]:
    line = await reader.readuntil(b"\n")
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AgentUnresponsive(
            f"the agent answered with something that is no JSON: {error}"
        ) from error
    if not isinstance(reply, dict):
        raise AgentUnresponsive("the agent answered with something that is no JSON object")
    if "error" in reply:
        refusal = reply["error"]
        desc = refusal.get("desc", refusal) if isinstance(refusal, dict) else refusal
        raise AgentRefused(command=command, desc=str(desc)[:DESC_CHARS_MAX])
    return reply
