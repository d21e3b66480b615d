"""Consoles: raw, non-blocking, one user at a time."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtup.host import link
from virtup.host.console import ConsoleBusy, ConsoleGone, Consoles


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """QEMU's end of a pty and the name of the other."""
    qemus, ours = pty.openpty()
    yield qemus, os.ttyname(ours)
    os.close(qemus)
    os.close(ours)


def test_every_byte_passes_both_ways_as_it_is(terminal: tuple[int, str]) -> None:
    qemus, path = terminal
    console = Consoles().open(path)
    every = bytes(range(256))
    os.write(console.fd, every)
    assert os.read(qemus, 1000) == every
    os.write(qemus, every)
    assert os.read(console.fd, 1000) == every
    with pytest.raises(BlockingIOError):
        os.read(console.fd, 1)
    assert termios.tcgetattr(console.fd)[3] & termios.ECHO == 0
    assert not os.get_inheritable(console.fd)
    console.close()


def test_a_console_is_one_users_until_it_is_closed(terminal: tuple[int, str]) -> None:
    consoles = Consoles()
    first = consoles.open(terminal[1])
    with pytest.raises(ConsoleBusy, match="Active console session exists for this domain"):
        consoles.open(terminal[1])
    first.close()
    first.close()
    consoles.open(terminal[1]).close()


def test_force_takes_it_away(terminal: tuple[int, str]) -> None:
    consoles = Consoles()
    first = consoles.open(terminal[1])
    second = consoles.open(terminal[1], force=True)
    assert (first.fd, first.taken) == (-1, True)
    first.close()
    with pytest.raises(ConsoleBusy):
        consoles.open(terminal[1])
    assert not second.taken
    os.write(second.fd, b"x")
    second.close()


def test_a_socket_is_a_console_too(tmp_path: Path) -> None:
    with link.listen(f"{tmp_path}/s") as server:
        console = Consoles().open(f"{tmp_path}/s")
        accepted, _ = server.accept()
        os.write(console.fd, b"hi")
        assert accepted.recv(5) == b"hi"
        accepted.close()
        assert os.read(console.fd, 5) == b""
        console.close()


def test_what_is_gone_or_no_console_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    link.listen(f"{tmp_path}/dead").close()
    before = sorted(os.listdir("/proc/self/fd"))
    for name, why in (
        ("none", "No such file"),
        ("file", "Inappropriate ioctl"),
        ("dead", "Connection refused"),
    ):
        with pytest.raises(ConsoleGone, match=why) as told:
            Consoles().open(f"{tmp_path}/{name}")
        assert f"{tmp_path}/{name}" in told.value.message
    with pytest.raises(ConsoleGone):
        Consoles().open("/dev/null")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_failed_force_leaves_the_holder_his(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    consoles = Consoles()
    first = consoles.open(terminal[1])

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(ConsoleGone, match="Input/output error"):
        consoles.open(terminal[1], force=True)
    monkeypatch.undo()
    assert not first.taken
    os.write(first.fd, b"x")
    first.close()
