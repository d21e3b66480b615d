"""The port Running: one suite for a child, for an adopted process and for the fake."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from tests.fakes.process import FakeProcess
from virtup.host import proc
from virtup.host.process import Exit, Process, Running, adopt, spawn

FOSTER = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come here
pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
print(pid, flush=True)
sys.stdin.read(1)
os.waitpid(pid, 0)
"""


@dataclass
class Subject:
    process: Running
    term: Callable[[], None]


@pytest.fixture(params=["child", "adopted", "fake"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """A process that sleeps and ends on SIGTERM."""
    if request.param == "fake":
        fake = FakeProcess()
        yield Subject(fake, lambda: fake.end(Exit(None, signal.SIGTERM)))
        return
    if request.param == "child":
        child = spawn(["/bin/sleep", "60"], {})
        yield Subject(child, lambda: os.kill(child.pid, signal.SIGTERM))
        if child.kill(signal.SIGKILL):
            await child.wait()
        elif child.alive():  # closed by the test
            os.waitpid(child.pid, 0)
        return
    with subprocess.Popen(
        [sys.executable, "-c", FOSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as foster:
        assert foster.stdout is not None
        pid = int(foster.stdout.readline())
        stat = proc.stat(pid)
        assert stat is not None
        found = adopt(pid, stat.start_ticks)
        assert found is not None
        yield Subject(found, lambda: os.kill(pid, signal.SIGTERM))
        found.kill(signal.SIGKILL)
        foster.communicate(b"x")
        found.close()


async def test_every_waiter_gets_the_same_end(subject: Subject) -> None:
    waiters = [asyncio.create_task(subject.process.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    subject.term()
    first, *others = await asyncio.gather(*waiters)
    assert others == [first, first]
    assert first in (Exit(None, signal.SIGTERM), Exit(None, None))
    assert await subject.process.wait() == first


async def test_it_is_alive_until_it_ends(subject: Subject) -> None:
    assert subject.process.alive()
    assert subject.process.kill(0)
    assert "sleep" in subject.process.describe() or "(" in subject.process.describe()
    assert subject.process.kill(signal.SIGKILL)
    ended = await subject.process.wait()
    assert not subject.process.alive()
    assert not subject.process.kill(signal.SIGKILL)
    assert subject.process.describe() == str(ended)


async def test_a_waiter_that_gives_up_harms_nobody(subject: Subject) -> None:
    one, two = (asyncio.create_task(subject.process.wait()) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    subject.term()
    assert (await two).status is None
    assert one.cancelled()


async def test_closing_ends_the_wait_and_not_the_process(subject: Subject) -> None:
    waiter = asyncio.create_task(subject.process.wait())
    await asyncio.sleep(0)
    subject.process.close()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    if isinstance(subject.process, Process):
        os.kill(subject.process.pid, 0)
        subject.term()
