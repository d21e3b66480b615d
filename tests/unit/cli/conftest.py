"""The command, run in this process against a daemon in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.fakes.daemon import FakeDaemon, MemoryConnection
from virtup.cli.main import run
from virtup.client.uri import Target


class Said(NamedTuple):
    """What a run of the command printed, and its status."""

    status: int
    out: str
    err: str


Virtup = Callable[..., Said]


@pytest.fixture
def fake() -> FakeDaemon:
    """The daemon that the command finds."""
    return FakeDaemon()


@pytest.fixture
def opened() -> list[MemoryConnection]:
    """Every connection that the command made."""
    return []


@pytest.fixture
def virtup(
    fake: FakeDaemon,
    opened: list[MemoryConnection],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Virtup:
    """Run the command with some words."""

    def connect(
        uri: str | None = None, *, readonly: bool = False, autostart: bool = True
    ) -> MemoryConnection:
        target = Target("system", "/s", False, uri)
        conn = MemoryConnection(fake, target)
        conn.call("CONNECT_OPEN", name=target.name, flags=int(readonly))
        opened.append(conn)
        assert autostart or uri is None
        return conn

    monkeypatch.setattr("virtup.client.connection.connect", connect)

    def call(*words: str) -> Said:
        capsys.readouterr()
        status = run(list(words))
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return call
