"""What systemd hands over, and what it hears."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from virtup.daemon import main, systemd


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_the_watchdog_wants_to_hear(env, seconds):
    assert systemd.watchdog_s(env) == seconds
    assert env == {}, "no program started later takes it for its own"


async def test_the_watchdog_hears_again_and_again(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path)
        end.setblocking(False)
        task = asyncio.ensure_future(main._live(0.005))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            assert [await loop.sock_recv(end, 64) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_a_watchdog_nothing_is_said():
    await asyncio.wait_for(main._live(None), 20)
