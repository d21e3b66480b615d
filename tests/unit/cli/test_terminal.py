"""The console: bytes both ways between a file and a guest's, until the escape character."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import sys
import termios
import threading
from collections.abc import Iterator

import pytest

from tests.fakes.daemon import FakeDaemon
from virtup.cli import terminal
from virtup.cli.grammar import Failure
from virtup.cli.run import Run, Settings
from virtup.client.connection import Connection
from virtup.errors import VirtError

ESCAPE = b"\x1d"


@pytest.fixture
def fake() -> FakeDaemon:
    """A daemon whose console says nothing by itself."""
    fake = FakeDaemon()
    fake.console = None
    return fake


@pytest.fixture
def run(fake: FakeDaemon) -> Iterator[Run]:
    """A run whose connection is a socket, served by a thread."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        # the client may go while it is answered
        with theirs, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while data := theirs.recv(65536):
                fake.receive(data)
                theirs.sendall(bytes(fake.pending))
                fake.pending.clear()

    thread = threading.Thread(target=serve)
    thread.start()
    run = Run(Settings())
    run._conn = Connection(ours)
    yield run
    run.close()
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The writing end of what is stdin to the command."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writer
    os.close(writer)


def test_what_is_typed_goes_to_the_guest_until_the_escape(
    run: Run, fake: FakeDaemon, keys: int, capfd: pytest.CaptureFixture[str]
) -> None:
    os.write(keys, b"root\n" + ESCAPE + b"not this")
    assert terminal.attach(run, fake.handle("web")) == 0
    run.conn.call("CONNECT_GET_TYPE")
    assert fake.got == b"root\n"
    assert capfd.readouterr().out == (
        "Connected to domain 'web'\nEscape character is ^] (Ctrl + ])\n"
    )


def test_what_the_guest_says_is_shown_to_its_end(
    run: Run, fake: FakeDaemon, keys: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert keys > 2
    run.settings.quiet = True
    fake.console = b"\x1b[1mlogin: \xff"
    terminal.attach(run, fake.handle("web"), device="serial0", force=True, safe=True)
    assert os.fsencode(capfd.readouterr().out.encode("utf-8", "surrogateescape")).startswith(
        b"\x1b[1mlogin: "
    )
    assert fake.asked("DOMAIN_OPEN_CONSOLE") == [
        {"dom": fake.handle("web"), "dev_name": "serial0", "flags": 3}
    ]


def test_the_end_of_the_input_is_not_the_end_of_the_console(
    run: Run, fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"uname\n")
    os.close(writer)
    receive = fake.receive

    def answer(data: bytes) -> None:
        receive(data)
        if fake.got == b"uname\n":
            serial = fake.streams[-1]
            fake.pending += fake.session.stream_data(serial, b"Linux\n")
            fake.pending += fake.session.stream_end(serial)
            fake.got = b""

    monkeypatch.setattr(fake, "receive", answer)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert terminal.attach(run, fake.handle("web")) == 0
    assert capfd.readouterr().out.endswith("Linux\n")


def test_a_console_that_fails_says_why(run: Run, fake: FakeDaemon, keys: int) -> None:
    def fail(_: object) -> None:
        raise VirtError("somebody else has it")

    fake.handlers["DOMAIN_OPEN_CONSOLE"] = fail
    assert keys > 2
    with pytest.raises(VirtError, match="somebody else has it"):
        terminal.attach(run, fake.handle("web"))


def test_what_has_no_console(run: Run, fake: FakeDaemon, keys: int) -> None:
    assert keys > 2
    with pytest.raises(Failure, match="The domain is not running"):
        terminal.attach(run, fake.handle("db"))
    run.json = True
    with pytest.raises(Failure, match="--json does not go with it"):
        terminal.attach(run, fake.handle("web"))


def test_without_any_input_the_guest_is_still_shown(
    run: Run, fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    fake.console = b"hello"
    assert terminal.attach(run, fake.handle("web")) == 0
    assert capfd.readouterr().out.endswith("hello")


@pytest.mark.parametrize(
    ("text", "byte"), [("^]", b"\x1d"), ("^x", b"\x18"), ("^[", b"\x1b"), ("q", b"q")]
)
def test_escape_characters(text: str, byte: bytes) -> None:
    assert terminal.escape_byte(text) == byte


def test_a_terminal_is_raw_for_the_while_and_put_back() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with terminal._raw(slave):
            raw = termios.tcgetattr(slave)
            assert not raw[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
            assert not raw[1] & termios.OPOST
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_what_was_typed_before_the_terminal_is_raw_is_kept() -> None:
    master, slave = pty.openpty()
    try:
        os.write(master, b"ab" + ESCAPE)
        with terminal._raw(slave):
            assert os.read(slave, 10) == b"ab" + ESCAPE
    finally:
        os.close(master)
        os.close(slave)


def test_a_terminal_is_put_back_when_the_command_is_ended() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with pytest.raises(SystemExit) as ended, terminal._raw(slave):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        assert ended.value.code == 128 + signal.SIGTERM
        assert termios.tcgetattr(slave) == before
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        os.close(master)
        os.close(slave)
