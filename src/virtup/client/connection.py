"""The blocking connection: what a command needs, and nothing heavier.

    with connect("qemu:///session") as conn:
        guest = conn.call("DOMAIN_LOOKUP_BY_NAME", name="web")["dom"]
        conn.call("DOMAIN_CREATE", dom=guest)

An error of the daemon arrives as VirtError with libvirt's code. A connection belongs to one
thread.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from virtup.client.exchange import Answer, Channel, ConnectionLost, Exchange
from virtup.client.uri import Target, find
from virtup.errors import Code, Fault, Origin, VirtError
from virtup.wire.session import CallState, MessageReceived
from virtup.wire.sockets import sockets
from virtup.wire.tables import QEMU, REMOTE, VIRTUP

READONLY = 1
"""The flag of CONNECT_OPEN for a connection that only looks (``VIR_CONNECT_RO``)."""

_CHUNK = 262144
_AT_ONCE = 16
_AUTH_NONE, _AUTH_POLKIT = 0, 2


class ConnectFailed(VirtError):
    """Nobody listens on the socket, or we may not reach it."""

    code, origin, fault = Code.SYSTEM_ERROR, Origin.RPC, Fault.HOST

    @classmethod
    def at(cls, path: str, exc: OSError) -> ConnectFailed:
        """The error of a connect to *path* that failed with *exc*."""
        if exc.errno is None:  # the socket module's own refusal
            size = len(os.fsencode(path))
            return cls(
                f"Failed to connect socket to '{path}': the path has {size} bytes, and a socket's "
                "has at most 107"
            )
        reason = os.strerror(exc.errno or 0)
        if isinstance(exc, PermissionError):
            reason += _who_may(path)
        elif isinstance(exc, (FileNotFoundError, ConnectionRefusedError)):
            reason += " (no daemon listens there)"
        return cls(f"Failed to connect socket to '{path}': {reason}")


def _who_may(path: str) -> str:
    """Return the words for whom the socket *path* is open to; none when it cannot be seen."""
    import grp
    import pwd
    import stat

    try:
        seen = os.stat(path)
        owner = pwd.getpwuid(seen.st_uid).pw_name
        group = grp.getgrgid(seen.st_gid).gr_name
    except (OSError, KeyError):
        return ""
    if seen.st_mode & stat.S_IWGRP and seen.st_gid:
        return f" (it is open to {owner} and to members of the group '{group}')"
    return f" (it is open to {owner} alone; qemu:///session needs no other rights)"


class Connection:
    """An open connection to a daemon; ``target`` says to which, where it was made from a URI."""

    def __init__(self, sock: socket.socket, target: Target | None = None) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._exchange = Exchange()
        self._out = bytearray()
        self.target = target

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what waits to be sent is dropped."""
        self._sock.close()

    def fileno(self) -> int:
        """The socket, to wait on together with other files; then call ``pump``."""
        return self._sock.fileno()

    def call(self, name: str, /, **args: Any) -> dict[str, Any]:
        """Call a procedure of libvirt's remote program, e.g. ``"DOMAIN_CREATE"``; its reply.

        Raises VirtError with the daemon's code and words, ConnectionLost.
        """
        return self.finish(self._send_call(REMOTE, name, args))

    def call_qemu(self, name: str, /, **args: Any) -> dict[str, Any]:
        """Call a procedure of libvirt's QEMU program, e.g. ``"DOMAIN_MONITOR_COMMAND"``."""
        return self.finish(self._send_call(QEMU, name, args))

    def call_virtup(self, name: str, request: dict[str, Any]) -> Any:
        """Call a procedure of virtup's own program with a JSON-ready *request*; what it replies.

        A stock libvirtd refuses it with an RPC error.
        """
        import json

        args = {"request": json.dumps(request)}
        reply = self.finish(self._send_call(VIRTUP, name, args))
        return json.loads(reply["reply"])

    def is_virtupd(self, *, timeout_s: float = 2.0) -> bool:
        """Whether virtupd is at the other end; False for a libvirtd, and for silence."""
        serial = self._send_call(VIRTUP, "PING", {"request": "{}"})
        deadline = time.monotonic() + timeout_s
        while serial not in self._exchange.answers:
            if not self.pump(max(0.0, deadline - time.monotonic())):
                return False
        return not isinstance(self._exchange.answers.pop(serial), VirtError)

    def begin(self, name: str, /, **args: Any) -> Pending:
        """Send a call of the remote program whose answer may take long; others may go meanwhile."""
        return Pending(self, self._send_call(REMOTE, name, args))

    def is_answered(self, serial: int, timeout_s: float) -> bool:
        """Wait up to *timeout_s* for the answer to a call, and tell whether it is here."""
        deadline = time.monotonic() + timeout_s
        while serial not in self._exchange.answers:
            if not self.pump(max(0.0, deadline - time.monotonic())):
                return False
        return True

    def gather(self, calls: Iterable[tuple[str, dict[str, Any]]]) -> list[Answer]:
        """Call many procedures of the remote program, a few under way at once.

        The answers come in the order of *calls*; a failed call is a VirtError among them.
        """
        serials: list[int] = []
        answers: list[Answer] = []
        for name, args in calls:
            if len(serials) - len(answers) >= _AT_ONCE:
                answers.append(self._answer(serials[len(answers)]))
            serials.append(self._send_call(REMOTE, name, args))
        answers += [self._answer(serial) for serial in serials[len(answers) :]]
        return answers

    def events(self, timeout_s: float | None = None) -> Iterator[MessageReceived]:
        """The messages that the daemon sends, as they come, until *timeout_s* has passed."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            while self._exchange.messages:
                yield self._exchange.messages.popleft()
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self.pump(left):
                return

    def stream(self, name: str, /, **args: Any) -> Stream:
        """Call a procedure of the remote program that opens a stream, e.g. a console's."""
        serial, data = self._exchange.session.call(REMOTE, name, args, stream=True)
        channel = self._exchange.open_channel(serial)
        try:
            self._send(data)
            self.finish(serial)
        except VirtError:
            self._exchange.channels.pop(serial, None)
            raise
        return Stream(self, self._exchange, channel)

    def pump(self, timeout_s: float | None = None) -> bool:
        """Wait for the daemon, take in what it sent, send what waits; False when time ran out.

        Returns True after one round, whatever it brought. Raises ConnectionLost.
        """
        writers = [self._sock] if self._out else []
        readable, writable, _ = select.select([self._sock], writers, [], timeout_s)
        if writable:
            self._write()
        if readable:
            self._read()
        return bool(readable or writable)

    @property
    def unsent(self) -> int:
        """How many bytes wait until the daemon takes them."""
        return len(self._out)

    def send_soon(self, data: bytes) -> None:
        """Queue *data* for ``pump`` to send; used by streams, which must not block."""
        self._out += data

    def _send_call(self, program: int, name: str, args: dict[str, Any]) -> int:
        serial, data = self._exchange.session.call(program, name, args)
        self._send(data)
        return serial

    def _send(self, data: bytes) -> None:
        self._out += data
        self._write()
        while self._out:
            self.pump()

    def finish(self, serial: int) -> dict[str, Any]:
        """Wait for the reply to a call; raises VirtError where it is an error."""
        answer = self._answer(serial)
        if isinstance(answer, VirtError):
            raise answer
        return answer

    def _answer(self, serial: int) -> Answer:
        answers = self._exchange.answers
        while serial not in answers:
            self.pump()
        return answers.pop(serial)

    def _write(self) -> None:
        if self._sock.fileno() < 0:
            raise ConnectionLost.by_close()
        try:
            del self._out[: self._sock.send(self._out)]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise ConnectionLost.at_end() from exc

    def _read(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except ConnectionResetError as exc:
            raise ConnectionLost.at_end() from exc
        if not data:
            raise ConnectionLost.at_end()
        self._out += self._exchange.receive(data)
        if self._out:
            self._write()


class Pending:
    """A call under way."""

    def __init__(self, conn: Connection, serial: int) -> None:
        self._conn = conn
        self._serial = serial

    def wait(self, timeout_s: float) -> bool:
        """Wait up to *timeout_s*; whether the answer is here. Raises ConnectionLost."""
        return self._conn.is_answered(self._serial, timeout_s)

    def reply(self) -> dict[str, Any]:
        """Wait for the reply, which is given once; raises what ``Connection.call`` raises."""
        return self._conn.finish(self._serial)


class Stream:
    """An open stream of a connection; nothing here blocks: wait with the connection's ``pump``."""

    def __init__(self, conn: Connection, exchange: Exchange, channel: Channel) -> None:
        self._conn = conn
        self._exchange = exchange
        self._channel = channel

    @property
    def over(self) -> bool:
        """Whether nothing more can come, once ``read`` has given what is there."""
        return self._channel.over

    @property
    def error(self) -> VirtError | None:
        """Why the daemon ended the stream, if it did not end well."""
        return self._channel.error

    def read(self) -> bytes:
        """What has come since the last read; b"" for nothing."""
        data = b"".join(self._channel.data)
        self._channel.data.clear()
        return data

    def send(self, data: bytes) -> None:
        """Queue *data*; what is sent after the end of the stream is dropped."""
        session = self._exchange.session
        if session.state(self._channel.serial) is CallState.OPEN:
            self._conn.send_soon(session.stream_data(self._channel.serial, data))

    def close(self) -> None:
        """Tell the daemon to drop the stream, and wait until it was told."""
        self._conn.send_soon(self._exchange.abandon(self._channel))
        while self._conn.unsent:
            self._conn.pump()


def connect(
    uri: str | None = None, *, readonly: bool = False, autostart: bool = True
) -> Connection:
    """Connect to the daemon that *uri* names, and start virtup's own where it does not run yet.

    Raises UriRefused, ConnectFailed, and what the daemon answers to a refused client. With
    *autostart* False, and for a socket that the URI names, nothing is started.
    """
    target = find(uri, readonly=readonly, env=os.environ, uid=os.geteuid())
    sock = reach(target, autostart=autostart)
    conn = Connection(sock, target)
    try:
        procedure = authentication(conn.call("AUTH_LIST")["types"])
        if procedure is not None:
            conn.call(procedure)
        conn.call("CONNECT_OPEN", name=target.name, flags=READONLY if readonly else 0)
    except BaseException:
        conn.close()
        raise
    return conn


def authentication(kinds: Sequence[int]) -> str | None:
    """The procedure to call before the daemon serves a client, for the *kinds* that it offers.

    None for no check; raises VirtError when it offers only what this client does not speak.
    """
    if not kinds or _AUTH_NONE in kinds:
        return None
    if _AUTH_POLKIT in kinds:
        return "AUTH_POLKIT"
    raise VirtError(
        "authentication failed: the daemon asks for SASL, which this client does not speak",
        code=Code.AUTH_FAILED,
        origin=Origin.REMOTE,
        fault=Fault.CALLER,
    )


def reach(target: Target, *, autostart: bool) -> socket.socket:
    """A socket connected to the daemon of *target*, which is started where that is allowed."""
    try:
        return _open(target.socket)
    except (FileNotFoundError, ConnectionRefusedError) as exc:
        if not autostart or target.named_socket:
            raise ConnectFailed.at(target.socket, exc) from exc
        sock = _in_place_of_libvirt(target)
        if sock is not None:
            return sock
    except OSError as exc:
        raise ConnectFailed.at(target.socket, exc) from exc
    from virtup.client.autostart import start

    return start(target, _attempt(target.socket))


def _in_place_of_libvirt(target: Target) -> socket.socket | None:
    """A socket connected to the virtupd that took a libvirtd's place, if there is one."""
    ends = sockets(target.kind, name="libvirt", env=os.environ, uid=os.geteuid())
    path = ends.readonly if target.socket.endswith("-ro") else ends.main
    try:
        with Connection(_open(path)) as conn:
            if conn.is_virtupd():
                return _open(path)
    except (OSError, VirtError):
        return None  # it is not for us: whoever listens there is no matter
    return None


def _attempt(path: str) -> Callable[[], socket.socket | None]:
    """Return a function that connects to *path*, and gives None when nobody listens there."""

    def attempt() -> socket.socket | None:
        try:
            return _open(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as exc:
            raise ConnectFailed.at(path, exc) from exc

    return attempt


def _open(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock
