"""The command, run in this process against a daemon in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import pytest

from tests.fakes.daemon import FakeDaemon, MemoryConnection
from tests.fakes.history import Starts
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


@pytest.fixture
def starts(fake: FakeDaemon) -> Starts:
    """What the daemon has recorded of the guest ``db``; to be filled."""
    made = Starts()

    def ask(call: Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]) -> Callable[[Any], Any]:
        def answer(args: dict[str, Any]) -> dict[str, str]:
            return {"reply": json.dumps(asyncio.run(call(json.loads(args["request"]))))}

        return answer

    async def attempts(asked: dict[str, Any]) -> dict[str, Any]:
        return {"attempts": await made.history.of(asked["domain"])}

    history = made.history
    fake.handlers["ATTEMPTS"] = ask(attempts)
    fake.handlers["WHY"] = ask(lambda asked: history.why(asked["domain"]))
    fake.handlers["DIFF"] = ask(
        lambda asked: history.diff(asked["domain"], asked["before"], asked["after"])
    )
    return made
