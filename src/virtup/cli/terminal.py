"""The console: bytes between this terminal and a guest's, until the escape character."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from virtup.cli.grammar import Failure
from virtup.cli.run import Run
from virtup.cli.verbs.states import SHUT_OFF
from virtup.client.connection import Connection, Stream
from virtup.client.guests import Handle

FORCE, SAFE = 1, 2
"""``virDomainConsoleFlags``."""

_UNSENT_MAX = 65536
_CHUNK = 4096
_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)


def attach(
    run: Run, handle: Handle, *, device: str | None = None, force: bool = False, safe: bool = False
) -> int:
    """Connect stdin and stdout to the console of a guest; returns the exit status.

    Ends at the escape character, and when the guest's console ends. A stdin that is no terminal
    may end before: what the guest prints is still shown.
    """
    if run.json:
        raise Failure("a console is no record: --json does not go with it")
    state = run.conn.call("DOMAIN_GET_STATE", dom=handle, flags=0)["state"]
    if state == SHUT_OFF:
        raise Failure("The domain is not running")
    flags = (FORCE if force else 0) | (SAFE if safe else 0)
    if not run.settings.quiet:
        run.line(f"Connected to domain '{handle['name']}'")
        run.line(f"Escape character is {_shown(run.settings.escape)}")
    stream = run.conn.stream("DOMAIN_OPEN_CONSOLE", dom=handle, dev_name=device, flags=flags)
    source = None if sys.stdin is None or sys.stdin.closed else sys.stdin.fileno()
    with _raw(source):
        _copy(run.conn, stream, source, escape_byte(run.settings.escape))
    if stream.error is not None:
        raise stream.error
    return 0


def escape_byte(text: str) -> bytes:
    """The byte of an escape sequence: ``^]`` is 0x1d, a single character is itself."""
    if len(text) == 2:
        return bytes((ord(text[1].upper()) & 0x1F,))
    return text.encode()[:1]


def _shown(escape: str) -> str:
    return f"{escape} (Ctrl + {escape[1]})" if len(escape) == 2 else escape


def _copy(conn: Connection, stream: Stream, source: int | None, escape: bytes) -> None:
    while True:
        _show(stream.read())
        if stream.over:
            return
        readers = [conn.fileno()]
        if source is not None and conn.unsent < _UNSENT_MAX:
            readers.append(source)
        writers = [conn.fileno()] if conn.unsent else []
        readable, writable, _ = select.select(readers, writers, [])
        if source in readable and source is not None:
            data = os.read(source, _CHUNK)
            before, found, _ = data.partition(escape)
            if before:
                stream.send(before)
            if found:
                stream.close()
                return
            if not data:
                source = None
        if writable or conn.fileno() in readable or conn.unsent:
            conn.pump(0)


def _show(data: bytes) -> None:
    """Write all of *data* to stdout, which may be a pipe that fills."""
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


@contextmanager
def _raw(source: int | None) -> Iterator[None]:
    """Have the terminal, where *source* is one, pass every key; it is put back at the end."""
    if source is None or not os.isatty(source):
        yield
        return
    before = termios.tcgetattr(source)
    old = {number: signal.signal(number, _leave) for number in _SIGNALS}
    try:
        # what was typed ahead stays: it is meant for the guest, or it is the escape
        tty.setraw(source, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(source, termios.TCSADRAIN, before)
        for number, handler in old.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
