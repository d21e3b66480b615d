"""What the host layer is for, with a real QEMU: its words, its monitor, its user, its end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from virtup.host import layout, link, proc
from virtup.host.accounts import Account
from virtup.host.logfile import GuestLog
from virtup.host.process import Exit, adopt, spawn

NOBODY = Account("nobody", 65534, 65534, (65534,))
QEMU = shutil.which("qemu-system-x86_64")
BARE = ("-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none")

Loop = Callable[[], asyncio.AbstractEventLoop]


def uv() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop", reason="no uvloop here")
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


@pytest.fixture(params=[asyncio.new_event_loop, uv], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    chosen: Loop = request.param
    return chosen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that everybody can pass."""
    if QEMU is None:
        pytest.skip("no QEMU here")
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)
    return tmp_path


def opened(folder: Path) -> GuestLog:
    log = GuestLog(f"{folder}/vm.log", fifo=f"{folder}/vm.fifo", clock=FakeClock())
    log.open()
    return log


def account() -> Account | None:
    return NOBODY if os.geteuid() == 0 else None


def test_a_qemu_that_refuses_is_heard_to_the_last_word(folder: Path, loop: Loop) -> None:
    async def main() -> None:
        log = opened(folder)
        argv = (str(QEMU), *BARE, "-bogus")
        log.starting_up((), argv, {"virtup version": "1"})
        child = spawn(argv, {"LC_ALL": "C"}, stdout=log.write_fd, account=account())
        assert await child.wait() == Exit(1, None)
        await log.drain()
        assert "-bogus: invalid option" in log.words()
        log.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


def test_a_monitor_is_inherited_as_another_user_and_outlives_its_daemon(
    folder: Path, loop: Loop
) -> None:
    async def first_daemon() -> tuple[int, int]:
        log = opened(folder)
        layout.guest_dir(f"{folder}/d", account())
        server = link.listen(f"{folder}/d/monitor.sock", mode=0o600)
        monitor = link.connect(f"{folder}/d/monitor.sock")
        fd = server.fileno()
        chardev = f"socket,id=m,fd={fd},server=on,wait=off"
        argv = (str(QEMU), *BARE, "-chardev", chardev, "-mon", "chardev=m,mode=control")
        child = spawn(argv, {}, pass_fds=[fd], stdout=log.write_fd, account=account())
        server.close()
        greeting = await asyncio.get_running_loop().sock_recv(monitor, 65536)
        assert "QMP" in json.loads(greeting)
        monitor.close()
        child.close()
        log.leave()
        return child.pid, child.start_ticks

    async def second_daemon(pid: int, start_ticks: int) -> None:
        if account() is not None:
            assert os.stat(f"/proc/{pid}").st_uid in (0, NOBODY.uid)
            status = Path(f"/proc/{pid}/status").read_text()
            assert f"Uid:\t{NOBODY.uid}\t{NOBODY.uid}\t{NOBODY.uid}\t{NOBODY.uid}" in status
        log = opened(folder)
        found = adopt(pid, start_ticks)
        assert found is not None
        monitor = link.connect(f"{folder}/d/monitor.sock")
        assert link.peer(monitor)[0] == pid  # QEMU calls listen on what it inherits
        greeting = await asyncio.get_running_loop().sock_recv(monitor, 65536)
        assert "QMP" in json.loads(greeting)
        # QEMU greets before it heeds signals, and answers only when it does
        await asyncio.get_running_loop().sock_sendall(monitor, b'{"execute":"qmp_capabilities"}')
        answer = await asyncio.get_running_loop().sock_recv(monitor, 65536)
        assert json.loads(answer) == {"return": {}}
        monitor.close()
        found.kill(signal.SIGTERM)
        while (stat := proc.stat(pid)) is not None and stat.state != "Z":
            await asyncio.sleep(0.001)
        await log.drain()
        assert f"terminating on signal 15 from pid {os.getpid()}" in log.words()
        os.waitpid(pid, 0)
        assert await found.wait() in (Exit(0, None), Exit(None, None))
        log.close()
        layout.remove_guest_dir(f"{folder}/d")

    with asyncio.Runner(loop_factory=loop) as runner:
        pid, start_ticks = runner.run(first_daemon())
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(second_daemon(pid, start_ticks))
    finally:
        left = adopt(pid, start_ticks)
        if left is not None:  # the test failed before it ended
            left.kill(signal.SIGKILL)
            left.close()
