"""RPC frames: a length word, a header of six words, a payload.

The layout is that of libvirt's ``virNetMessageHeader``. Passed file descriptors come as one byte
each behind the payload; the byte is skipped here, the descriptor is the socket's matter.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from virtup.errors import RpcError

MESSAGE_BYTES_MAX = 33554432
"""The largest frame, its length word not counted (``VIR_NET_MESSAGE_MAX``)."""
HEAD_BYTES = 28
"""Length word and header: the smallest frame."""
FDS_MAX = 32

_HEAD = struct.Struct(">IIIiIII")
_WORD = struct.Struct(">I")


class Kind(IntEnum):
    """What a frame is (``virNetMessageType``)."""

    CALL = 0
    REPLY = 1
    MESSAGE = 2
    STREAM = 3
    CALL_WITH_FDS = 4
    REPLY_WITH_FDS = 5
    STREAM_HOLE = 6


class Status(IntEnum):
    """How a frame's sender is doing (``virNetMessageStatus``)."""

    OK = 0
    ERROR = 1
    CONTINUE = 2


_KINDS = tuple(Kind)
_STATUSES = tuple(Status)


class Header(NamedTuple):
    """The header of a frame: ``type`` says what it is, ``serial`` what it belongs to."""

    program: int
    version: int
    procedure: int
    type: Kind
    serial: int
    status: Status


class Frame(NamedTuple):
    """A whole frame; ``nfds`` descriptors came with it."""

    header: Header
    payload: bytes
    nfds: int = 0


def encode_frame(header: Header, payload: bytes = b"") -> bytes:
    """The bytes of a frame without descriptors; RpcError when it would be too large."""
    size = HEAD_BYTES - 4 + len(payload)
    if size > MESSAGE_BYTES_MAX:
        raise RpcError(f"a message of {size} bytes is above the limit of {MESSAGE_BYTES_MAX}")
    return _HEAD.pack(size + 4, *header) + payload


class FrameDecoder:
    """Cuts a stream of bytes into frames, whatever pieces it comes in.

    It holds no more than the bytes of one unfinished frame, and refuses a frame by its head,
    before the rest is there. Frames that precede a broken one are still given; then ``broken``
    is set, and every later ``feed`` raises it.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        self.broken: RpcError | None = None

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that *data* completes, in order."""
        if self.broken is not None:
            raise self.broken
        self._buffer += data
        frames: list[Frame] = []
        try:
            self._cut(frames)
        except RpcError as exc:
            self.broken = exc
            if not frames:
                raise
        return frames

    def _cut(self, frames: list[Frame]) -> None:
        buffer, start = self._buffer, 0
        try:
            while True:
                skipped = min(self._skip, len(buffer) - start)
                self._skip -= skipped
                start += skipped
                header, end = self._head(start)
                if header is None:
                    return
                frame = _frame(header, bytes(memoryview(buffer)[start + HEAD_BYTES : end]))
                self._skip = frame.nfds
                frames.append(frame)
                start = end
        finally:
            del buffer[:start]

    def _head(self, start: int) -> tuple[Header | None, int]:
        """The header of the frame at *start* and its end; no header while bytes are missing."""
        held = len(self._buffer) - start
        if held < 4:
            return None, 0
        (size,) = _WORD.unpack_from(self._buffer, start)
        if not HEAD_BYTES <= size <= MESSAGE_BYTES_MAX + 4:
            raise RpcError(
                f"a message of {size} bytes was announced, which is not {HEAD_BYTES} to"
                f" {MESSAGE_BYTES_MAX + 4}"
            )
        if held < HEAD_BYTES:
            return None, 0
        _, program, version, number, kind, serial, status = _HEAD.unpack_from(self._buffer, start)
        if kind >= len(_KINDS):
            raise RpcError(f"a message has the type {kind}, which does not exist")
        if status >= len(_STATUSES):
            raise RpcError(f"a message has the status {status}, which does not exist")
        if held < size:
            return None, 0
        header = Header(program, version, number, _KINDS[kind], serial, _STATUSES[status])
        return header, start + size


def _frame(header: Header, payload: bytes) -> Frame:
    """The frame, with the count of descriptors taken off the payload."""
    if header.type not in (Kind.CALL_WITH_FDS, Kind.REPLY_WITH_FDS):
        return Frame(header, payload)
    if len(payload) < 4:
        raise RpcError("a message with descriptors does not say how many")
    (nfds,) = _WORD.unpack_from(payload)
    if nfds > FDS_MAX:
        raise RpcError(f"a message brings {nfds} descriptors, more than {FDS_MAX}")
    return Frame(header, payload[4:], nfds)
