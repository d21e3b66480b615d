"""The QMP monitor of one QEMU: bounded commands, events, and what a broken one means.

QEMU's own library (``qemu.qmp``) speaks the protocol; this module bounds every call, turns its
errors into virtup's, and tells the ways in which a monitor can fail to come up apart.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from qemu.qmp import ConnectError, ExecuteError, QMPClient, QMPError, StateError
from qemu.qmp.message import DeserializationError
from qemu.qmp.qmp_client import ExecInterruptedError, GreetingError, NegotiationError

from virtup.errors import Code, Fault, OperationFailed, OperationTimeout, VirtError

# what it logs is said in errors of ours; a cancelled connect it would log as a crash
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL + 1)

QUOTED_BYTES = 60
"""How much is quoted of what is not QMP."""

READ_LIMIT = 64 * 1024 * 1024
"""The longest reply in bytes that is read from a monitor."""


class Silence(Enum):
    """How a monitor failed to come up while its QEMU lives."""

    NO_GREETING = "no greeting"
    NO_ANSWER = "no answer"
    GARBAGE = "garbage"
    CLOSED = "closed"


class MonitorFailed(VirtError):
    """The monitor did not come up; ``kind`` says how, ``detail`` quotes what was seen."""

    fault = Fault.HOST

    def __init__(self, kind: Silence, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class MonitorGone(OperationFailed):
    """The connection to QEMU ended before the reply."""

    template = "operation failed: the connection to QEMU's monitor ended: {message}"


class CommandFailed(VirtError):
    """QEMU refused a command; ``kind`` is the QMP error class, ``desc`` its words."""

    code, fault = Code.INTERNAL_ERROR, Fault.HOST
    template = "internal error: unable to execute QEMU command '{command}': {desc}"

    def __init__(self, command: str, kind: str, desc: str) -> None:
        super().__init__(command=command, desc=desc)
        self.command = command
        self.kind = kind
        self.desc = desc


class Monitor:
    """A live monitor; made by `open_monitor`, ended by `close`.

    ``timeout_s`` is how long a command may take before its caller is told; the guest is left
    alone. ``whose`` names the QEMU in what is told.
    """

    timeout_s: float = 30.0
    whose: Callable[[], str] = staticmethod(lambda: "QEMU")

    def __init__(self, client: QMPClient, side: socket.socket) -> None:
        self._client = client
        self._side = side
        self._events: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def version(self) -> tuple[int, int, int]:
        """QEMU's version as its greeting gives it."""
        greeting = self._client.greeting
        if greeting is None:
            return (0, 0, 0)
        qemu: Any = greeting.QMP.version
        seen = qemu["qemu"]
        return (seen["major"], seen["minor"], seen["micro"])

    def listen(
        self,
        on_event: Callable[[dict[str, Any]], None],
        on_close: Callable[[], None],
    ) -> None:
        """Call *on_event* with each QMP event from now on, and *on_close* once at the end."""

        async def pump() -> None:
            """Hand events on until the connection ends."""
            try:
                async for event in self._client.events:
                    on_event(dict(event))
            except QMPError:
                pass  # the connection ended: on_close says so
            finally:
                if not self._closing:
                    on_close()

        async def watch() -> None:
            """End the pump with the connection."""
            # the listener does not end with the connection: the run state does
            pumping = asyncio.ensure_future(pump())
            try:
                while self._client.runstate.name == "RUNNING":
                    await self._client.runstate_changed()
            finally:
                await asyncio.sleep(0)
                pumping.cancel()
                await asyncio.gather(pumping, return_exceptions=True)

        self._events = asyncio.get_running_loop().create_task(watch(), name="qmp-events")

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Any:
        """Run a QMP command and return its value.

        Raises CommandFailed when QEMU refuses, MonitorGone when the connection ends, and
        OperationTimeout after *timeout_s*; a late reply is then discarded.
        """
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await self._client.execute(command, arguments)
        except TimeoutError:
            raise OperationTimeout(
                f"{self.whose()} did not answer '{command}' on its monitor within {timeout_s:g} s"
            ) from None
        except ExecuteError as error:
            raise CommandFailed(command, str(error.error_class), error.error.error.desc) from error
        except (ExecInterruptedError, StateError) as error:
            raise MonitorGone(f"while '{command}' ran") from error

    async def give_fd(self, name: str, fd: int) -> None:
        """Pass a descriptor to QEMU, which knows it as *name*; ours stays open.

        Takes no other call between the descriptor and its name: QEMU pairs them by order.
        """
        # past the stream's own buffer: the library's way needs a loop's private parts
        socket.send_fds(self._side, [b" "], [fd])
        await self.execute("getfd", {"fdname": name})

    async def cancel_migration(self, *, timeout_s: float | None = None) -> None:
        """Have QEMU give up a migration, if one is under way; its disks are its own again."""
        try:
            await self.execute("migrate_cancel", timeout_s=timeout_s)
        except CommandFailed:
            return  # it had ended by itself

    async def hmp(self, line: str, *, timeout_s: float | None = None) -> str:
        """Run a human-monitor line and return what it prints."""
        reply = await self.execute(
            "human-monitor-command", {"command-line": line}, timeout_s=timeout_s
        )
        return str(reply)

    async def raw(self, text: str, *, timeout_s: float | None = None) -> str:
        """Run the QMP command in the JSON *text* and return the whole reply as JSON text.

        An error of QEMU's is part of the reply, as libvirt hands it on; the id is the caller's.
        """
        try:
            message = json.loads(text)
        except ValueError as error:
            raise OperationFailed(
                f"the monitor command is not JSON: {error}", code=Code.INVALID_ARG
            ) from error
        if not isinstance(message, dict) or "execute" not in message:
            raise OperationFailed(
                "the monitor command must be a JSON object with the member 'execute'",
                code=Code.INVALID_ARG,
            )
        own_id = message.pop("id", "virtup-1")
        try:
            value = await self.execute(
                message["execute"], message.get("arguments"), timeout_s=timeout_s
            )
            reply = {"return": value, "id": own_id}
        except CommandFailed as error:
            reply = {"id": own_id, "error": {"class": error.kind, "desc": error.desc}}
        return json.dumps(reply, separators=(",", ":"))

    async def close(self) -> None:
        """End the connection; QEMU stays. Never raises for a QEMU that is already gone."""
        self._closing = True
        if self._events is not None:
            self._events.cancel()
            await asyncio.gather(self._events, return_exceptions=True)
        await _disconnect(self._client)
        self._side.close()


async def open_monitor(sock: socket.socket, *, timeout_s: float) -> Monitor:
    """Wait for the greeting on the connected *sock* and negotiate; *sock* is the monitor's then.

    Raises MonitorFailed after *timeout_s* without a greeting, when something else than QMP
    comes, and when the connection is closed.
    """
    client = QMPClient("virtup", readbuflen=READ_LIMIT)
    side = sock.dup()
    try:
        async with asyncio.timeout(timeout_s):
            await client.connect(sock)
    except TimeoutError:
        side.close()
        greeted = client.greeting is not None
        await _disconnect(client)
        if greeted:
            raise MonitorFailed(
                Silence.NO_ANSWER, f"it greeted and did not answer within {timeout_s:g} s"
            ) from None
        raise MonitorFailed(Silence.NO_GREETING, f"no greeting within {timeout_s:g} s") from None
    except ConnectError as error:
        side.close()
        await _disconnect(client)
        raise _misheard(error.exc) from error
    except (AssertionError, EOFError, OSError) as error:
        # the library takes for granted that a session lasts for the moment after its negotiation
        side.close()
        await _disconnect(client)
        raise MonitorFailed(Silence.CLOSED, "the connection was closed") from error
    except asyncio.CancelledError:
        side.close()
        await _disconnect(client)
        raise
    return Monitor(client, side)


def _misheard(error: BaseException) -> MonitorFailed:
    """Tell a monitor that was closed from one that spoke something else, and quote that."""
    wrong = isinstance(error, (GreetingError, NegotiationError))
    what = "its greeting" if isinstance(error, GreetingError) else "its answer"
    while isinstance(error, (GreetingError, NegotiationError)):
        error = error.exc
    if isinstance(error, (EOFError, OSError)) or not wrong:
        return MonitorFailed(Silence.CLOSED, "the connection was closed")
    if isinstance(error, DeserializationError):
        sent = error.raw[:QUOTED_BYTES].decode("utf-8", "backslashreplace").strip()
        return MonitorFailed(Silence.GARBAGE, f"{what} is '{sent}', which is not QMP")
    if isinstance(error, AssertionError):  # no reply, or an error
        return MonitorFailed(Silence.GARBAGE, "it does not answer 'qmp_capabilities' as QMP has it")
    first, _, _ = str(error).partition("\n")
    return MonitorFailed(Silence.GARBAGE, f"{what} is not QMP: {first}")


async def _disconnect(client: QMPClient) -> None:
    """Release *client* whatever state it is in."""
    try:
        async with asyncio.timeout(2):
            await client.disconnect()
    except (QMPError, OSError, EOFError, TimeoutError, AssertionError):
        pass  # it ended by itself: that is what was wanted
