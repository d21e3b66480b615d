"""The log of a guest: its grammar, QEMU's words through a FIFO, floods, restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from virtup.host import logfile
from virtup.host.clock import SystemClock
from virtup.host.logfile import GuestLog, command_text
from virtup.host.process import Exit, spawn

ENV = (("LC_ALL", "C"), ("HOME", "/a b"), ("EMPTY", ""))
ARGV = ("/usr/bin/qemu", "-name", "guest=x,debug=on", "-S", "-object", '{"a":"b"}', "-bogus")
HOST = {"virtup version": "1", "kernel": "6"}
FLOOD = """
import os, sys
data = bytes(range(65, 91)) * 400
left = int(sys.argv[1])
while left > 0:
    try: left -= os.write(2, data[:left])
    except BlockingIOError: pass
os.write(2, b"last words\\n") if len(sys.argv) < 3 else None
"""


class Lab:
    """A log in a directory, and programs that write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(1_769_846_709.123)
        self.made: list[GuestLog] = []

    def log(self, *, max_bytes: int = 2 << 20, clock: object = None) -> GuestLog:
        made = GuestLog(
            f"{self.folder}/vm.log",
            fifo=f"{self.folder}/vm.fifo",
            clock=clock or self.clock,  # type: ignore[arg-type]
            max_bytes=max_bytes,
            backups=2,
        )
        made.open()
        self.made.append(made)
        return made

    async def says(self, log: GuestLog, *command: str) -> None:
        child = spawn(command, {"PATH": "/usr/bin:/bin"}, stdout=log.write_fd)
        assert await child.wait() == Exit(0, None)
        await log.drain()

    def text(self) -> str:
        return (self.folder / "vm.log").read_text()


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for log in made.made:
        log.close()


def test_a_command_is_written_an_option_a_line_to_be_pasted() -> None:
    text = command_text(ENV, ARGV)
    assert text.splitlines() == [
        "LC_ALL=C \\",
        "HOME='/a b' \\",
        "EMPTY= \\",
        "/usr/bin/qemu \\",
        "-name guest=x,debug=on \\",
        "-S \\",
        '-object \'{"a":"b"}\' \\',
        "-bogus",
    ]
    shown = text.replace("/usr/bin/qemu", "printf '%s\\n'").replace("HOME=", "H=")
    ran = subprocess.run(["/bin/sh", "-c", shown], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == list(ARGV[1:])


async def test_a_whole_life_is_written_in_libvirts_grammar(lab: Lab) -> None:
    log = lab.log()
    log.starting_up(ENV, ARGV, HOST)
    await lab.says(log, "/bin/sh", "-c", "echo on stdout; echo on stderr >&2")
    log.note("Domain id=1 is tainted: custom-argv")
    log.shutting_down("crashed")
    lines = lab.text().splitlines()
    time = "2026-01-31 08:05:09.123+0000: "
    assert lines[0] == f"{time}starting up virtup version: 1, kernel: 6"
    assert lines[1:9] == command_text(ENV, ARGV).splitlines()
    assert lines[9:] == [
        "on stdout",
        "on stderr",
        f"{time}Domain id=1 is tainted: custom-argv",
        f"{time}shutting down, reason=crashed",
    ]
    assert log.words() == "on stdout\non stderr\n"
    assert stat.S_IMODE(os.stat(log.path).st_mode) == 0o600


async def test_words_arrive_by_themselves(lab: Lab) -> None:
    log = lab.log()
    os.write(log.write_fd, b"hello\n")
    while not log.words():
        await asyncio.sleep(0)
    assert lab.text() == "hello\n"


async def test_each_start_has_its_own_words_and_the_log_has_all(lab: Lab) -> None:
    for word in ("one", "two"):
        log = lab.log()
        log.starting_up((), ["/q"], HOST)
        await lab.says(log, "/bin/echo", word)
        assert log.words() == f"{word}\n"
        log.close()
        assert not os.path.exists(log.fifo)
    assert lab.text().count("starting up") == 2
    assert lab.text().endswith("/q\ntwo\n")


async def test_a_qemu_outlives_its_daemon_and_is_heard_again(lab: Lab) -> None:
    first = lab.log()
    first.starting_up(ENV, ["/bin/sh", "-c", "a"], HOST)
    # two FIFOs: on one, the second read could meet the end of the first write
    script = "echo before; read go < $1; echo while away; read go < $2; echo after"
    os.mkfifo(lab.folder / "go")
    os.mkfifo(lab.folder / "again")
    command = ["/bin/sh", "-c", script, "sh", f"{lab.folder}/go", f"{lab.folder}/again"]
    child = spawn(command, {}, stdout=first.write_fd)
    while "before" not in first.words():
        await asyncio.sleep(0.001)
    first.leave()
    (lab.folder / "go").write_text("\n")
    await asyncio.sleep(0.02)
    assert child.alive()
    second = lab.log()
    assert second.words().startswith("before\n")
    (lab.folder / "again").write_text("\n")
    assert await child.wait() == Exit(0, None)
    await second.drain()
    assert second.words() == "before\nwhile away\nafter\n"
    second.shutting_down("shutdown")
    assert lab.text().splitlines()[-4:-1] == ["before", "while away", "after"]


async def test_a_program_that_floods_while_nobody_reads_is_not_held_up(lab: Lab) -> None:
    log = lab.log()
    script = "import os\nfor _ in range(3000):\n try: os.write(2, b'x' * 4096)\n except BlockingIOError: pass"
    child = spawn([sys.executable, "-c", script], {}, stdout=log.write_fd)
    log.leave()  # the daemon is gone
    assert await child.wait() == Exit(0, None)


async def test_a_flood_is_bounded_counted_and_its_last_words_are_kept(lab: Lab) -> None:
    log = lab.log(max_bytes=400_000)
    log.starting_up((), ["/q"], HOST)
    await lab.says(log, sys.executable, "-c", FLOOD, str(6 << 20))
    log.shutting_down("crashed")
    sizes = [path.stat().st_size for path in lab.folder.glob("vm.log*")]
    assert max(sizes) <= 400_000
    assert sum(sizes) <= logfile.BURST_BYTES + 20_000
    tail = lab.text()
    assert "QEMU wrote faster than 128 KiB/s: at least " in tail
    assert tail.splitlines()[-2].endswith("last words")
    words = log.words()
    assert words.startswith("ABCDEFG")
    assert words.endswith("last words\n")
    assert "bytes left out]" in words
    assert len(words) < 140_000


async def test_after_a_flood_words_are_logged_again(lab: Lab) -> None:
    log = lab.log()
    await lab.says(log, sys.executable, "-c", FLOOD, str(2 << 20), "quietly")
    before = lab.text().count("wrote faster")
    lab.clock.advance(60)
    await lab.says(log, "/bin/echo", "calm again")
    assert lab.text().count("wrote faster") == before
    assert lab.text().endswith("calm again\n")


async def test_a_flood_does_not_keep_the_daemon_from_other_work(lab: Lab) -> None:
    log = lab.log(clock=SystemClock())
    script = FLOOD.replace("left > 0", "True").replace("data[:left]", "data")
    child = spawn([sys.executable, "-c", script, "1"], {}, stdout=log.write_fd)
    while not log._dropped:
        await asyncio.sleep(0.001)
    turns = 0
    for _ in range(200):
        await asyncio.sleep(0)
        turns += 1
    assert turns == 200
    assert log._pause is not None  # it is read in bouts only
    await log.drain()  # ends although the flood does not
    child.kill(signal.SIGKILL)
    await child.wait()


async def test_words_that_are_no_text_are_kept_as_they_are_and_shown_replaced(lab: Lab) -> None:
    log = lab.log()
    os.write(log.write_fd, b"\xff\xfe ok\n")
    await log.drain()
    assert (lab.folder / "vm.log").read_bytes() == b"\xff\xfe ok\n"
    assert log.words() == "\ufffd\ufffd ok\n"


async def test_names_that_are_no_text_can_be_logged(lab: Lab) -> None:
    log = lab.log()
    log.starting_up((), ["/q", "-x", os.fsdecode(b"/img/\xff")], HOST)
    log.note(os.fsdecode(b"/img/\xff"))
    assert b"/img/\xff" in (lab.folder / "vm.log").read_bytes()


async def test_what_is_no_fifo_is_replaced(lab: Lab) -> None:
    (lab.folder / "vm.fifo").write_text("left by something")
    log = lab.log()
    assert stat.S_ISFIFO(os.stat(log.fifo).st_mode)
    assert stat.S_IMODE(os.stat(log.fifo).st_mode) == 0o600


async def test_a_log_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "vm.log").mkdir()
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(IsADirectoryError):
        Lab(tmp_path).log()
    (tmp_path / "vm.log").rmdir()
    bad = GuestLog(f"{tmp_path}/vm.log", fifo=f"{tmp_path}/no/fifo", clock=FakeClock())
    with pytest.raises(FileNotFoundError):
        bad.open()
    assert sorted(os.listdir("/proc/self/fd")) == before


async def test_closing_twice_and_after_the_loop_has_gone_is_harmless(lab: Lab) -> None:
    log = lab.log()
    before = len(os.listdir("/proc/self/fd"))
    log.close()
    log.close()
    await log.drain()
    assert len(os.listdir("/proc/self/fd")) == before - 3
