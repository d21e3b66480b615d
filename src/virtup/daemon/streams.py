"""A guest's console as a stream of the protocol, both ways, each bounded by the slower side."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

from virtup.errors import OperationFailed, SystemError_

if TYPE_CHECKING:
    from virtup.daemon.client import Client
    from virtup.host.console import Console

CHUNK_BYTES = 65536
INPUT_BYTES_MAX = 256 * 1024
"""What a client may have sent that the guest has not taken, before the client is not read."""


class OpenStream(NamedTuple):
    """A handler's answer that opens a stream to a console."""

    console: Console


class ConsoleStream:
    """Pumps between a client and a console until one of them ends.

    It starts paused. The client is told of the console's end once; it then finishes the stream.
    """

    def __init__(self, client: Client, serial: int, console: Console) -> None:
        self._client = client
        self._serial = serial
        self._console = console
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._reading = False
        self._writing = False
        self._ended = False
        self._closed = False
        console.on_taken = self._taken

    def resume(self) -> None:
        """Send what the console prints."""
        if not (self._reading or self._ended or self._closed):
            self._reading = True
            self._loop.add_reader(self._console.fd, self._readable)

    def pause(self) -> None:
        """Leave what the console prints in the kernel."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._console.fd)

    def write(self, data: bytes) -> None:
        """Give the guest what the client typed, as fast as the guest takes it."""
        if self._ended or self._closed:
            return
        self._input += data
        self._flush()

    def close(self) -> None:
        """Let go of the console."""
        if self._closed:
            return
        self.pause()
        self._stop_writing()
        self._closed = True
        self._console.close()
        self._client.hear(self._key, True)

    @property
    def _key(self) -> str:
        return f"stream {self._serial}"

    def _readable(self) -> None:
        try:
            data = os.read(self._console.fd, CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # EIO: QEMU closed the other end of a pty
            data = b""
        if data:
            self._client.stream_data(self._serial, data)
        else:
            self._end()

    def _end(self) -> None:
        self.pause()
        self._stop_writing()
        self._input.clear()
        self._ended = True
        self._client.hear(self._key, True)
        self._client.stream_end(self._serial)

    def _taken(self) -> None:
        error = OperationFailed("the console was taken by another client, with --force")
        self._client.fail_stream(self._serial, error)

    def _flush(self) -> None:
        try:
            while self._input:
                del self._input[: os.write(self._console.fd, self._input)]
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._console.fd, self._flush)
            self._client.hear(self._key, len(self._input) < INPUT_BYTES_MAX)
            return
        except OSError as exc:
            error = SystemError_(f"the console does not take input: {os.strerror(exc.errno or 0)}")
            self._client.fail_stream(self._serial, error)
            return
        self._stop_writing()
        self._client.hear(self._key, True)

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._console.fd)
