"""What a program has said, kept within bounds: the beginning and the end of it."""

from __future__ import annotations

HEAD_BYTES = 64 << 10
TAIL_BYTES = 64 << 10


class Words:
    """The first and the last bytes of a stream of any length."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Take in more of the stream."""
        room = HEAD_BYTES - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room < len(data) else b""
        excess = len(self._tail) - TAIL_BYTES
        if excess > 0:
            self._left_out += excess
            del self._tail[:excess]

    def text(self) -> str:
        """Return it, as UTF-8 with what is none replaced; a gap says how long it is."""
        gap = f"\n[{self._left_out} bytes left out]\n".encode() if self._left_out else b""
        return bytes(self._head + gap + self._tail).decode("utf-8", "replace")
