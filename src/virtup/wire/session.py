"""Both ends of an RPC connection, without any IO.

``receive`` takes bytes and gives events; the other methods give the bytes to send. What a peer
may send is told by two tables, one an end, over the state of the stream that a packet belongs to;
anything else raises RpcError, after which the connection is good for nothing but closing.

The order on one connection: the client calls, the server replies; a reply may open a stream of
the call's serial, on which both send data until the client finishes or aborts it, or the server
fails it. Messages (events) and keepalive go beside. Packets for a stream that is gone are late,
not wrong, and are dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import Any, NamedTuple

from virtup.errors import Fault, RpcError, VirtError
from virtup.wire.errors import error_body, error_from_body
from virtup.wire.frame import Frame, FrameDecoder, Header, Kind, Status, encode_frame
from virtup.wire.tables import KEEPALIVE, VERSION, Procedure, UnknownProcedure, procedure
from virtup.wire.xdr import XdrError, codec


class CallReceived(NamedTuple):
    """A client calls; answer with ``reply`` or ``error``."""

    serial: int
    procedure: Procedure
    args: dict[str, Any]


class CallRefused(NamedTuple):
    """A client calls what cannot be served; answer with ``error``."""

    serial: int
    error: RpcError


class ReplyReceived(NamedTuple):
    """A call went well; ``body`` is empty where the procedure gives nothing."""

    serial: int
    procedure: Procedure
    body: dict[str, Any]


class ErrorReceived(NamedTuple):
    """A call failed."""

    serial: int
    procedure: Procedure
    error: VirtError


class MessageReceived(NamedTuple):
    """The server tells of an event."""

    procedure: Procedure
    body: dict[str, Any]


class StreamData(NamedTuple):
    """Data came on a stream."""

    serial: int
    data: bytes


class StreamEnded(NamedTuple):
    """The peer has no more data to send; the stream stays open."""

    serial: int


class StreamHole(NamedTuple):
    """*length* bytes of zeros that were not sent."""

    serial: int
    length: int


class StreamFinished(NamedTuple):
    """At the server: asked for, answer ``stream_finish``. At the client: the stream is over."""

    serial: int


class StreamAborted(NamedTuple):
    """At the server: asked for, answer ``stream_finish``. At the client: the stream is over."""

    serial: int


class StreamFailed(NamedTuple):
    """The server failed the stream, which is over."""

    serial: int
    error: VirtError


class PingReceived(NamedTuple):
    """The peer asks whether we live; answer with ``pong``."""


class PongReceived(NamedTuple):
    """The peer lives."""


Event = (
    CallReceived
    | CallRefused
    | ReplyReceived
    | ErrorReceived
    | MessageReceived
    | StreamData
    | StreamEnded
    | StreamHole
    | StreamFinished
    | StreamAborted
    | StreamFailed
    | PingReceived
    | PongReceived
)


class CallState(Enum):
    """Where a call and its stream are; one that is over is forgotten."""

    CALLED = "called"
    OPEN = "open"
    FINISHING = "finishing"
    ABORTING = "aborting"
    GONE = "gone"


class Packet(IntEnum):
    """What a stream packet says."""

    DATA = 0
    END = 1
    HOLE = 2
    FINISH = 3
    ABORT = 4


_S, _P = CallState, Packet
_Maker = Callable[[int, bytes], Event | None]


def _drop(_serial: int, _payload: bytes) -> None:
    """A packet that may come and means nothing any more."""


def _hole(serial: int, payload: bytes) -> StreamHole:
    return StreamHole(serial, codec("virNetStreamHole").decode(payload)["length"])


def _failed(serial: int, payload: bytes) -> StreamFailed:
    return StreamFailed(serial, _error(payload))


def _ended(serial: int, _payload: bytes) -> StreamEnded:
    return StreamEnded(serial)


def _finished(serial: int, _payload: bytes) -> StreamFinished:
    return StreamFinished(serial)


def _aborted(serial: int, _payload: bytes) -> StreamAborted:
    return StreamAborted(serial)


_Moves = dict[CallState, dict[Packet, tuple[CallState, _Maker]]]

SERVER_MOVES: _Moves = {
    _S.CALLED: {},
    _S.OPEN: {
        _P.DATA: (_S.OPEN, StreamData),
        _P.END: (_S.OPEN, _ended),
        _P.HOLE: (_S.OPEN, _hole),
        _P.FINISH: (_S.FINISHING, _finished),
        _P.ABORT: (_S.ABORTING, _aborted),
    },
    _S.FINISHING: {_P.ABORT: (_S.ABORTING, _aborted)},
    _S.ABORTING: {},
    _S.GONE: dict.fromkeys(Packet, (_S.GONE, _drop)),
}
"""What a client may send on a stream, and what becomes of the stream."""

CLIENT_MOVES: _Moves = {
    _S.CALLED: {},
    _S.OPEN: {
        _P.DATA: (_S.OPEN, StreamData),
        _P.END: (_S.OPEN, _ended),
        _P.HOLE: (_S.OPEN, _hole),
        _P.FINISH: (_S.GONE, _finished),
        _P.ABORT: (_S.GONE, _failed),
    },
    _S.FINISHING: {
        _P.DATA: (_S.FINISHING, StreamData),
        _P.END: (_S.FINISHING, _ended),
        _P.HOLE: (_S.FINISHING, _hole),
        _P.FINISH: (_S.GONE, _finished),
        _P.ABORT: (_S.GONE, _failed),
    },
    _S.ABORTING: {
        _P.DATA: (_S.ABORTING, _drop),
        _P.END: (_S.ABORTING, _drop),
        _P.HOLE: (_S.ABORTING, _drop),
        _P.FINISH: (_S.GONE, _aborted),
        _P.ABORT: (_S.GONE, _aborted),
    },
    _S.GONE: dict.fromkeys(Packet, (_S.GONE, _drop)),
}
"""What a server may send on a stream, and what becomes of the stream."""


class _Call:
    __slots__ = ("header", "procedure", "state", "stream")

    def __init__(self, header: Header, known: Procedure | None, stream: bool = False) -> None:
        self.header = header
        self.procedure = known
        self.stream = stream
        self.state = CallState.CALLED


class _Session(ABC):
    """What both ends share: framing, streams, keepalive."""

    _moves: _Moves

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._calls: dict[int, _Call] = {}
        self.broken: RpcError | None = None

    def receive(self, data: bytes) -> list[Event]:
        """What *data* says, in order.

        Raises RpcError when the peer breaks the protocol and nothing came before that; events
        that came before are given, ``broken`` is set, and the next ``receive`` raises it.
        """
        if self.broken is not None:
            raise self.broken
        events: list[Event] = []
        try:
            for frame in self._decoder.feed(data):
                event = self._frame(frame)
                if event is not None:
                    events.append(event)
            self.broken = self._decoder.broken
        except RpcError as exc:
            self.broken = exc
            if not events:
                raise
        return events

    def state(self, serial: int) -> CallState:
        """Where the call with *serial* is; GONE for one that is over or never was."""
        call = self._calls.get(serial)
        return call.state if call else CallState.GONE

    @property
    def in_flight(self) -> int:
        """How many calls wait for their reply."""
        return sum(call.state is CallState.CALLED for call in self._calls.values())

    def ping(self) -> bytes:
        """Ask whether the peer lives."""
        return _keepalive("PING")

    def pong(self) -> bytes:
        """Answer a ping."""
        return _keepalive("PONG")

    def stream_data(self, serial: int, data: bytes) -> bytes:
        """Send *data* (at most 256 KiB at once, to be kind) on an open stream."""
        assert data, "empty data is stream_end"
        return self._stream(self._require(serial, CallState.OPEN), Status.CONTINUE, data)

    def stream_end(self, serial: int) -> bytes:
        """Say that no more data will come from this end; the stream stays open."""
        return self._stream(self._require(serial, CallState.OPEN), Status.CONTINUE)

    def _stream(self, call: _Call, status: Status, payload: bytes = b"") -> bytes:
        return encode_frame(call.header._replace(type=Kind.STREAM, status=status), payload)

    def _require(self, serial: int, *states: CallState) -> _Call:
        call = self._calls.get(serial)
        if call is None or call.state not in states:
            raise RpcError(
                f"the stream of call {serial} is {self.state(serial).value}", fault=Fault.US
            )
        return call

    def _frame(self, frame: Frame) -> Event | None:
        kind = frame.header.type
        if frame.header.program == KEEPALIVE:
            return _keepalive_event(frame)
        if kind in (Kind.STREAM, Kind.STREAM_HOLE):
            return self._stream_packet(frame)
        return self._own_kind(frame)

    @abstractmethod
    def _own_kind(self, frame: Frame) -> Event | None:
        """Take a frame of a kind that only this end may get."""

    def _stream_packet(self, frame: Frame) -> Event | None:
        serial, packet = frame.header.serial, _packet(frame)
        state = self.state(serial)
        move = self._moves[state].get(packet)
        if move is None:
            raise RpcError(f"stream {serial} is {state.value} and got {packet.name.lower()}")
        after, make = move
        event = make(serial, frame.payload)
        if state is not CallState.GONE:
            self._move(serial, after)
        return event

    def _move(self, serial: int, state: CallState) -> None:
        if state is CallState.GONE:
            del self._calls[serial]
        else:
            self._calls[serial].state = state


class ServerSession(_Session):
    """The daemon's end of a connection."""

    _moves = SERVER_MOVES

    def reply(
        self, serial: int, body: dict[str, Any] | None = None, *, stream: bool = False
    ) -> bytes:
        """Answer a call; with *stream* its stream is open from now on.

        Raises XdrError, and the call stays unanswered, when *body* does not fit.
        """
        call = self._require(serial, CallState.CALLED)
        assert call.procedure is not None
        payload = _encode(call.procedure.ret, body)
        data = encode_frame(call.header._replace(type=Kind.REPLY, status=Status.OK), payload)
        self._move(serial, CallState.OPEN if stream else CallState.GONE)
        return data

    def error(self, serial: int, error: VirtError) -> bytes:
        """Fail a call."""
        call = self._require(serial, CallState.CALLED)
        payload = codec("virNetMessageError").encode(error_body(error))
        self._move(serial, CallState.GONE)
        return encode_frame(call.header._replace(type=Kind.REPLY, status=Status.ERROR), payload)

    def message(self, program: int, name: str, body: dict[str, Any]) -> bytes:
        """Tell of an event, by the name of its procedure."""
        known = procedure(program, name)
        assert known.msg is not None, f"{name} is no message"
        header = Header(program, VERSION, known.number, Kind.MESSAGE, 0, Status.OK)
        return encode_frame(header, _encode(known.msg, body))

    def stream_finish(self, serial: int) -> bytes:
        """Confirm that the client finished or aborted the stream, which is over then."""
        call = self._require(serial, CallState.FINISHING, CallState.ABORTING)
        self._move(serial, CallState.GONE)
        return self._stream(call, Status.OK)

    def stream_abort(self, serial: int, error: VirtError) -> bytes:
        """Fail the stream, which is over then."""
        call = self._require(serial, CallState.OPEN, CallState.FINISHING, CallState.ABORTING)
        payload = codec("virNetMessageError").encode(error_body(error))
        self._move(serial, CallState.GONE)
        return self._stream(call, Status.ERROR, payload)

    def _own_kind(self, frame: Frame) -> Event | None:
        header = frame.header
        if header.type not in (Kind.CALL, Kind.CALL_WITH_FDS) or header.status is not Status.OK:
            raise RpcError(
                f"a client sent {header.type.name.lower()} with status {header.status.name.lower()}"
            )
        serial = header.serial
        if serial in self._calls:
            raise RpcError(f"serial {serial} is in use by an earlier call")
        call = self._calls[serial] = _Call(header, None)
        try:
            if header.version != VERSION:
                raise UnknownProcedure(
                    f"Cannot find program {header.program} version {header.version}"
                )
            call.procedure = procedure(header.program, header.procedure)
            args = _decode(call.procedure.args, frame.payload)
        except (UnknownProcedure, XdrError) as exc:
            return CallRefused(serial, exc)
        return CallReceived(serial, call.procedure, args)


class ClientSession(_Session):
    """A client's end of a connection."""

    _moves = CLIENT_MOVES

    def __init__(self) -> None:
        super().__init__()
        self._serial = 0

    def call(
        self,
        program: int,
        name: str,
        args: dict[str, Any] | None = None,
        *,
        stream: bool = False,
    ) -> tuple[int, bytes]:
        """Call a procedure by name: its serial and the bytes to send.

        With *stream*, a good reply opens the stream of that serial. Raises XdrError when *args*
        do not fit.
        """
        known = procedure(program, name)
        payload = _encode(known.args, args)
        self._serial += 1
        header = Header(program, VERSION, known.number, Kind.CALL, self._serial, Status.OK)
        data = encode_frame(header, payload)
        self._calls[self._serial] = _Call(header, known, stream)
        return self._serial, data

    def stream_finish(self, serial: int) -> bytes:
        """Ask the server to finish the stream; StreamFinished or StreamFailed will answer."""
        call = self._require(serial, CallState.OPEN)
        call.state = CallState.FINISHING
        return self._stream(call, Status.OK)

    def stream_abort(self, serial: int) -> bytes:
        """Ask the server to drop the stream; StreamAborted will answer."""
        call = self._require(serial, CallState.OPEN, CallState.FINISHING)
        call.state = CallState.ABORTING
        return self._stream(call, Status.ERROR)

    def _own_kind(self, frame: Frame) -> Event | None:
        header = frame.header
        if header.type is Kind.MESSAGE:
            known = procedure(header.program, header.procedure)
            return MessageReceived(known, _decode(known.msg, frame.payload))
        if header.type not in (Kind.REPLY, Kind.REPLY_WITH_FDS):
            raise RpcError(f"a server sent {header.type.name.lower()}")
        call = self._calls.get(header.serial)
        if call is None or call.state is not CallState.CALLED:
            raise RpcError(f"a reply came to call {header.serial}, which waits for none")
        return self._answer(call, frame)

    def _answer(self, call: _Call, frame: Frame) -> Event:
        header, known = frame.header, call.procedure
        assert known is not None
        if (header.program, header.procedure) != (known.program, known.number):
            raise RpcError(f"the reply to {known.name} names another procedure")
        if header.status is Status.ERROR:
            error = _error(frame.payload)
            self._move(header.serial, CallState.GONE)
            return ErrorReceived(header.serial, known, error)
        if header.status is not Status.OK:
            raise RpcError(f"the reply to {known.name} has the status 'continue'")
        body = _decode(known.ret, frame.payload)
        self._move(header.serial, CallState.OPEN if call.stream else CallState.GONE)
        return ReplyReceived(header.serial, known, body)


def _packet(frame: Frame) -> Packet:
    status = frame.header.status
    if frame.header.type is Kind.STREAM_HOLE:
        return Packet.HOLE
    if status is Status.CONTINUE:
        return Packet.DATA if frame.payload else Packet.END
    return Packet.FINISH if status is Status.OK else Packet.ABORT


def _keepalive(name: str) -> bytes:
    number = procedure(KEEPALIVE, name).number
    return encode_frame(Header(KEEPALIVE, VERSION, number, Kind.MESSAGE, 0, Status.OK))


def _keepalive_event(frame: Frame) -> Event:
    if frame.header.type is not Kind.MESSAGE or frame.payload:
        raise RpcError("a keepalive message that is none")
    known = procedure(KEEPALIVE, frame.header.procedure)
    return PingReceived() if known.name == "PING" else PongReceived()


def _encode(type_name: str | None, body: dict[str, Any] | None) -> bytes:
    if type_name is None:
        if body:
            raise XdrError(f"the procedure takes no fields, not {sorted(body)}")
        return b""
    return codec(type_name).encode(body or {})


def _decode(type_name: str | None, payload: bytes) -> dict[str, Any]:
    if type_name is None:
        if payload:
            raise XdrError(f"{len(payload)} bytes came where none belong")
        return {}
    return codec(type_name).decode(payload)


def _error(payload: bytes) -> VirtError:
    return error_from_body(codec("virNetMessageError").decode(payload))


__all__ = [
    "CLIENT_MOVES",
    "SERVER_MOVES",
    "CallReceived",
    "CallRefused",
    "CallState",
    "ClientSession",
    "ErrorReceived",
    "Event",
    "MessageReceived",
    "Packet",
    "PingReceived",
    "PongReceived",
    "ReplyReceived",
    "ServerSession",
    "StreamAborted",
    "StreamData",
    "StreamEnded",
    "StreamFailed",
    "StreamFinished",
    "StreamHole",
]
