"""The guest agent: QEMU's ``org.qemu.guest_agent.0`` channel, spoken to without trusting the guest.

The agent lives inside the guest: it may be absent, dead or hostile. Every call is bounded, every
answer is limited in length, a stale answer is never taken for a fresh one (``guest-sync`` with an
id of its own goes before each call), and nothing here can hurt the start of a guest.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from virtup.errors import AgentUnresponsive, Code, Fault, OperationFailed, VirtError

CHANNEL = "org.qemu.guest_agent.0"
"""The name of the virtio-serial port on which the agent listens."""

SYNC_TIMEOUT_S = 5.0
"""How long an agent may take to answer ``guest-sync``; libvirt waits as long."""

ANSWER_LIMIT = 16 * 1024 * 1024
"""The longest line in bytes that is taken from a guest."""

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


async def ask(
    path: str,
    command: dict[str, Any],
    *,
    timeout_s: float | None = SYNC_TIMEOUT_S,
    wait_answer: bool = True,
) -> dict[str, Any] | None:
    """Send one command to the agent behind the unix socket *path* and return its whole reply.

    *timeout_s* bounds the answer (None waits as long as the connection lasts); the sync before it
    is always bounded. With *wait_answer* false (``guest-shutdown`` does not answer) None is
    returned once the command is sent. Raises AgentUnresponsive and AgentRefused.
    """
    try:
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_LIMIT)
    except (OSError, TimeoutError) as error:
        raise AgentNotReady(f"the agent channel cannot be opened: {error}") from error
    try:
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            await _synchronise(reader, writer)
        writer.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(timeout_s):
            await writer.drain()
            if not wait_answer:
                return None
            return await _answer(reader, str(command.get("execute")))
    except TimeoutError:
        raise AgentUnresponsive(
            f"no answer to '{command.get('execute')}' from the agent in the guest"
        ) from None
    except (OSError, EOFError, ValueError) as error:
        raise AgentUnresponsive(f"the agent channel broke: {error}") from error
    finally:
        writer.close()


def parse_command(text: str) -> dict[str, Any]:
    """Return the agent command in the JSON *text*, or refuse it in one sentence."""
    try:
        command = json.loads(text)
    except ValueError as error:
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
    """Return an agent's reply as the JSON text that clients get."""
    return json.dumps(reply, separators=(",", ":"))


async def _synchronise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Get past whatever an earlier client left in the channel."""
    token = next(_ids)
    request = {"execute": "guest-sync-delimited", "arguments": {"id": token}}
    # the 0xFF flushes a half-written command in the agent's parser (QEMU's QGA reference)
    writer.write(b"\xff" + json.dumps(request).encode() + b"\n")
    await writer.drain()
    while True:
        line = (await reader.readuntil(b"\n")).rpartition(b"\xff")[2]
        try:
            reply = json.loads(line)
        except ValueError:
            continue  # the rest of an answer that nobody waited for
        if isinstance(reply, dict) and reply.get("return") == token:
            return


async def _answer(reader: asyncio.StreamReader, command: str) -> dict[str, Any]:
    reply = json.loads(await reader.readuntil(b"\n"))
    if not isinstance(reply, dict):
        raise AgentUnresponsive("the agent answered with something that is no JSON object")
    if "error" in reply:
        error = reply["error"]
        desc = error.get("desc", error) if isinstance(error, dict) else error
        raise AgentRefused(command=command, desc=desc)
    return reply
