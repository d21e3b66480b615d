"""Emulators that are broken in every way that a file, a kernel and a program know."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from virtup.host import accounts
from virtup.host.accounts import Account
from virtup.machine import probe
from virtup.machine.probe import (
    EmulatorExited,
    EmulatorForeign,
    EmulatorHung,
    EmulatorIncomplete,
    EmulatorMissing,
    EmulatorNotExecutable,
    EmulatorNotQemu,
    ProbeFailed,
)

Maker = Callable[..., Path]

TALK = f"""#!{sys.executable} -ES
import os, re, sys, time
fd = int(re.search(r"fd=(\\d+)", " ".join(sys.argv))[1])
def say(data): os.write(fd, data)
def hear(): return os.read(fd, 65536)
GREETING = b'{{"QMP": {{"version": {{}}, "capabilities": []}}}}\\n'
"""


@pytest.fixture
def make(scratch: Path) -> Maker:
    """Make a program: ``make(text)``, or ``make(talk=...)`` for one that has the monitor's fd."""

    def made(content: str | bytes = "", *, talk: str = "", mode: int = 0o755) -> Path:
        path = scratch / "emulator"
        data = f"{TALK}{talk}\n" if talk else content
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(mode)
        return path

    return made


def children() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {child for each in tasks for child in each.read_text().split()}


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No probe leaves a process or a file descriptor behind."""
    before, known = set(os.listdir("/proc/self/fd")), children()
    yield
    assert not children() - known
    left = {n for n in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{n}").exists()} - before
    targets = [os.readlink(f"/proc/self/fd/{number}") for number in left]
    assert not [target for target in targets if target.startswith(("socket:", "pipe:"))]


async def fails(
    path: Path | str,
    kind: type[ProbeFailed],
    *,
    account: Account | None = None,
    bound_s: float = 60,
) -> ProbeFailed:
    with pytest.raises(ProbeFailed) as caught:
        await probe.probe(str(path), account, timeout_s=bound_s)
    assert type(caught.value) is kind, caught.value.message
    assert caught.value.path == str(path)
    assert str(path) in caught.value.message
    return caught.value


async def test_missing(scratch: Path) -> None:
    error = await fails(scratch / "nope", EmulatorMissing)
    assert error.errno == errno.ENOENT
    assert error.message.endswith("No such file or directory")


async def test_below_a_file(make: Maker) -> None:
    assert (await fails(make() / "below", EmulatorMissing)).errno == errno.ENOTDIR


async def test_a_loop_of_links(scratch: Path) -> None:
    (scratch / "a").symlink_to(scratch / "b")
    (scratch / "b").symlink_to(scratch / "a")
    assert (await fails(scratch / "a", EmulatorMissing)).errno == errno.ELOOP


async def test_not_executable(make: Maker) -> None:
    error = await fails(make("#!/bin/sh\n", mode=0o644), EmulatorNotExecutable)
    assert error.errno == errno.EACCES


async def test_a_directory(scratch: Path) -> None:
    assert (await fails(scratch, EmulatorNotExecutable)).errno == errno.EACCES


@pytest.mark.root
async def test_not_executable_for_qemus_user_alone(make: Maker) -> None:
    nobody = accounts.lookup("nobody")
    path = make("#!/bin/sh\necho ran\n", mode=0o700)
    assert (await fails(path, EmulatorNotExecutable, account=nobody)).errno == errno.EACCES
    path.chmod(0o755)
    assert (await fails(path, EmulatorNotQemu, account=nobody)).words == "ran"


async def test_a_program_of_another_machine(make: Maker) -> None:
    elf = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    sparc = 2
    struct.pack_into("<H", elf, 18, sparc)
    error = await fails(make(bytes(elf)), EmulatorForeign)
    assert error.errno == errno.ENOEXEC
    assert "another machine" in error.message


@pytest.mark.parametrize("content", ["", "no program at all\n", b"\x7fELF garbage"])
async def test_no_program(make: Maker, content: str | bytes) -> None:
    assert (await fails(make(content), EmulatorForeign)).errno == errno.ENOEXEC


async def test_a_missing_interpreter(make: Maker) -> None:
    error = await fails(make("#!/no/such/interpreter\n"), EmulatorIncomplete)
    assert error.errno == errno.ENOENT
    assert "the file exists" in error.message


@pytest.mark.parametrize(
    "words",
    [
        (
            "emulator: error while loading shared libraries: libfdt.so.1: cannot open shared object"
            " file: No such file or directory"
        ),
        "Error loading shared library libfdt.so.1: No such file or directory",
    ],
)
async def test_a_missing_library(make: Maker, words: str) -> None:
    error = await fails(make(f"#!/bin/sh\necho '{words}' >&2\nexit 127\n"), EmulatorIncomplete)
    assert (error.status, error.words) == (127, words)
    assert "libfdt.so.1" in error.message


async def test_a_really_missing_library(make: Maker) -> None:
    """The dynamic loader's own words, from a real program with a wrong name of a library."""
    data = Path("/bin/ls").resolve().read_bytes()
    assert b"libc.so.6\0" in data
    error = await fails(make(data.replace(b"libc.so.6\0", b"libq.so.6\0")), EmulatorIncomplete)
    assert error.status == 127
    assert "libq.so.6" in error.words


async def test_it_ends_with_a_status_and_words(make: Maker) -> None:
    error = await fails(make("#!/bin/sh\necho 'no such option' >&2\nexit 3\n"), EmulatorExited)
    assert (error.status, error.signal, error.words) == (3, None, "no such option")
    assert error.message.endswith("exit status 3: no such option")


async def test_it_is_killed(make: Maker) -> None:
    error = await fails(make("#!/bin/sh\nkill -SEGV $$\n"), EmulatorExited)
    assert (error.status, error.signal) == (None, signal.SIGSEGV)
    assert "SIGSEGV" in error.message


async def test_it_prints_garbage_and_ends_well(make: Maker) -> None:
    error = await fails(make("#!/bin/sh\necho hello\n"), EmulatorNotQemu)
    assert (error.status, error.words) == (0, "hello")


async def test_it_says_nothing(make: Maker) -> None:
    error = await fails(make("#!/bin/sh\n"), EmulatorNotQemu)
    assert error.message.endswith("it said nothing")


async def test_it_writes_without_end(make: Maker) -> None:
    error = await fails(make("#!/bin/sh\nyes | head -c 3000000 >&2\nexit 9\n"), EmulatorExited)
    assert len(error.words) <= probe.WORDS_MAX
    assert len(error.message) < 3000


async def test_it_hangs(make: Maker) -> None:
    path = make("#!/bin/sh\necho 'before I sleep' >&2\nexec sleep 1000\n")
    error = await fails(path, EmulatorHung, bound_s=1)
    assert error.words == "before I sleep"
    assert "sleeping" in error.doing
    assert error.status is None


async def test_it_greets_and_hangs(make: Maker) -> None:
    await fails(make(talk="say(GREETING); hear(); time.sleep(1000)"), EmulatorHung, bound_s=1)


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        ("say(b'garbage\\n'); time.sleep(1000)", "garbage"),
        ("say(b'{}\\n'); time.sleep(1000)", "no QMP greeting"),
        ("say(b'[1, 2]\\n'); time.sleep(1000)", "[1, 2]"),
        ("say(b'[' * 60000 + b'\\n'); time.sleep(1000)", "it sent"),
        ("say(b'half a mess'); os.close(fd); time.sleep(1000)", "half a mess"),
        ("say(GREETING); hear(); say(b'\\xff\\xfe\\n'); time.sleep(1000)", "xff"),
        ("say(GREETING); hear(); say(b'{\"id\": 7000}\\n'); time.sleep(1000)", "not asked"),
    ],
)
async def test_it_speaks_something_else(make: Maker, talk: str, words: str) -> None:
    error = await fails(make(talk=talk), EmulatorNotQemu)
    assert words in error.message


async def test_a_message_without_end_is_bounded(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "MESSAGE_MAX", 65536)
    talk = "say(GREETING)\nwhile True: say(b'x' * 65536)"
    assert "more than 65536 bytes" in (await fails(make(talk=talk), EmulatorNotQemu)).message


async def test_it_closes_its_monitor_and_ends(make: Maker) -> None:
    talk = "os.close(fd); print('sorry', file=sys.stderr); sys.exit(5)"
    error = await fails(make(talk=talk), EmulatorExited)
    assert (error.status, error.words) == (5, "sorry")


async def test_it_closes_its_monitor_and_runs_on(make: Maker) -> None:
    error = await fails(make(talk="os.close(fd); time.sleep(1000)"), EmulatorNotQemu)
    assert "closed its monitor and runs on" in error.message


async def test_events_between_answers_are_passed_over(make: Maker) -> None:
    talk = """
say(GREETING); hear()
say(b'{"event": "X", "data": {}}\\n{"return": {}, "id": -1}\\n{"return": [5], "id": 0}\\n')
time.sleep(1000)"""
    question = probe.Question("query-cpu-definitions")
    said = await probe.ask(str(make(talk=talk)), [question], account=None)
    assert said == {question: {"return": [5], "id": 0}}


async def test_a_cancelled_probe_leaves_nothing(make: Maker) -> None:
    path = make("#!/bin/sh\nexec sleep 1000\n")
    task = asyncio.create_task(probe.probe(str(path), None))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EPERM, ProbeFailed),
        (errno.ENOMEM, ProbeFailed),
        (errno.ELIBBAD, EmulatorIncomplete),
        (errno.ETXTBSY, EmulatorNotExecutable),
        (errno.ENAMETOOLONG, EmulatorMissing),
    ],
)
def test_the_kernels_rarer_words(number: int, kind: type[ProbeFailed]) -> None:
    error = probe.not_run("/no/such", OSError(number, os.strerror(number), "/no/such"))
    assert type(error) is kind
    assert error.errno == number
    assert os.strerror(number) in error.message
