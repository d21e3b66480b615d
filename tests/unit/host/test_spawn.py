"""Programs: what they are given, how a failure to run them is told, how they are found again."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtup.host import proc
from virtup.host.accounts import Account
from virtup.host.process import (
    Exit,
    Process,
    RunTimeout,
    SpawnError,
    adopt,
    run,
    signal_name,
    spawn,
)

NOBODY = Account("nobody", 65534, 65534, (65534, 61500))
LOOK = """
import json, os, resource, signal, sys
fds = {}
for name in os.listdir("/proc/self/fd"):
    try: fds[name] = os.readlink(f"/proc/self/fd/{name}")
    except OSError: pass
mask = os.umask(0)
print(json.dumps(dict(
    env=dict(os.environ), fds=fds, cwd=os.getcwd(), sid=os.getsid(0) == os.getpid(), umask=mask,
    ids=os.getresuid() + os.getresgid(), groups=sorted(os.getgroups()),
    caps=[l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1],
)))
"""


def system_python() -> str:
    """An interpreter that any user may run."""
    return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


async def looked(**how: object) -> dict[str, object]:
    """Start a program that tells what it was given, and return that."""
    read_end, write_end = os.pipe()
    child = spawn([system_python(), "-I", "-c", LOOK], {"A": "b"}, stdout=write_end, **how)  # type: ignore[arg-type]
    os.close(write_end)
    assert await child.wait() == Exit(0, None)
    with os.fdopen(read_end, "rb") as pipe:
        told: dict[str, object] = json.loads(pipe.read())
    return told


async def test_a_program_gets_what_it_was_given_and_nothing_else(tmp_path: Path) -> None:
    secret = os.open(tmp_path, os.O_RDONLY)
    passed = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        told = await looked(pass_fds=[passed], cwd=str(tmp_path))
    finally:
        os.close(secret)
        os.close(passed)
    env = told["env"]
    assert isinstance(env, dict)
    assert {k: v for k, v in env.items() if k != "LC_CTYPE"} == {"A": "b"}
    fds = told["fds"]
    assert isinstance(fds, dict)
    assert fds["0"] == "/dev/null"
    assert fds["1"] == fds["2"]
    assert fds["1"].startswith("pipe:")
    assert fds[str(passed)] == "/dev/zero"
    assert str(tmp_path) not in fds.values()
    assert set(fds) == {"0", "1", "2", str(passed)}
    assert told["cwd"] == str(tmp_path)
    assert (told["sid"], told["umask"]) == (True, 0o007)


async def test_signals_that_python_ignores_end_a_program_again() -> None:
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
    ran = await run(["/bin/grep", "SigIgn", "/proc/self/status"], timeout_s=10)
    assert int(ran.stdout.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


@pytest.mark.root
async def test_a_program_runs_as_the_account_alone() -> None:
    told = await looked(account=NOBODY)
    assert told["ids"] == [65534] * 6
    assert told["groups"] == [61500, 65534]
    assert int(str(told["caps"]), 16) == 0
    assert told["cwd"] == "/"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, errno.ENOENT),
        (lambda path: path.write_text("#!/bin/sh\n"), errno.EACCES),
        (lambda path: path.mkdir(), errno.EACCES),
        (lambda path: (path.write_text("no program"), path.chmod(0o755)), errno.ENOEXEC),
        (lambda path: (path.write_text("#!/no/such\n"), path.chmod(0o755)), errno.ENOENT),
        (lambda path: (path.write_bytes(b"\x7fELF" + bytes(60)), path.chmod(0o755)), errno.ENOEXEC),
    ],
    ids=["missing", "not executable", "directory", "text", "interpreter missing", "foreign"],
)
def test_a_program_that_cannot_run_is_told_at_once(
    tmp_path: Path, make: object, expected: int
) -> None:
    make(tmp_path / "p")  # type: ignore[operator]
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SpawnError) as told:
        spawn([f"{tmp_path}/p"], {})
    assert (told.value.errno, told.value.filename) == (expected, f"{tmp_path}/p")
    assert told.value.stage == "exec"
    assert told.value.strerror == os.strerror(expected)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_missing_working_directory_is_not_blamed_on_the_program() -> None:
    with pytest.raises(SpawnError) as told:
        spawn(["/bin/true"], {}, cwd="/no/such")
    assert (told.value.stage, told.value.filename) == ("prepare", "/no/such")


@pytest.mark.root
def test_a_program_that_its_user_may_not_reach_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    program = tmp_path / "closed" / "p"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(SpawnError) as told:
        spawn([str(program)], {}, account=NOBODY)
    assert (told.value.errno, told.value.stage) == (errno.EACCES, "exec")


async def test_the_end_is_told_by_status_or_signal() -> None:
    for script, ended in (("exit 3", Exit(3, None)), ("kill -SEGV $$", Exit(None, 11))):
        child = spawn(["/bin/sh", "-c", f"ulimit -c 0; {script}"], {})
        assert await child.wait() == ended
        assert proc.stat(child.pid) is None
    assert str(Exit(3, None)) == "exit status 3"
    assert str(Exit(None, 11)) == "killed by signal 11 (SIGSEGV)"
    assert "another process" in str(Exit(None, None))
    assert signal_name(40) == "SIG40"


async def test_a_child_that_ended_unseen_is_reaped_by_a_look() -> None:
    child = spawn(["/bin/true"], {})
    while child.alive():
        await asyncio.sleep(0.001)
    assert proc.stat(child.pid) is None
    assert await child.wait() == Exit(0, None)


async def test_what_hangs_is_described() -> None:
    child = spawn(["/bin/sleep", "60"], {})
    while "sleeping" not in child.describe():
        await asyncio.sleep(0.001)
    os.kill(child.pid, signal.SIGSTOP)
    while "stopped (T)" not in child.describe():
        await asyncio.sleep(0.001)
    child.kill(signal.SIGKILL)
    assert await child.wait() == Exit(None, 9)
    assert child.describe() == "killed by signal 9 (SIGKILL)"
    assert proc.describe(child.pid) == "gone"


@pytest.fixture
def sleeper() -> Iterator[Process]:
    child = spawn(["/bin/sleep", "60"], {})
    yield child
    os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)
    child.close()


def test_only_the_process_of_that_start_is_adopted(sleeper: Process) -> None:
    found = adopt(sleeper.pid, sleeper.start_ticks)
    assert found is not None
    assert found.alive()
    found.close()
    before = sorted(os.listdir("/proc/self/fd"))
    assert adopt(sleeper.pid, sleeper.start_ticks + 1) is None
    assert adopt(2**22 + 1, sleeper.start_ticks) is None
    assert adopt(-5, 0) is None
    assert adopt(2**70, 0) is None
    assert sorted(os.listdir("/proc/self/fd")) == before


async def test_a_zombie_is_not_adopted() -> None:
    child = spawn(["/bin/true"], {})
    while (stat := proc.stat(child.pid)) is not None and stat.state != "Z":
        await asyncio.sleep(0.001)
    assert adopt(child.pid, child.start_ticks) is None
    await child.wait()


async def test_the_end_of_anothers_child_is_told_where_the_kernel_can() -> None:
    from tests.contract.test_process import FOSTER

    foster = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOSTER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert foster.stdout is not None
    assert foster.stdin is not None
    pid = int(await foster.stdout.readline())
    stat = proc.stat(pid)
    assert stat is not None
    found = adopt(pid, stat.start_ticks)
    assert found is not None
    foster.stdin.write(b"x")
    os.kill(pid, signal.SIGTERM)
    expected = Exit(None, signal.SIGTERM) if proc.can_tell_exits() else Exit(None, None)
    assert await found.wait() == expected
    await foster.wait()


def test_a_command_name_may_hold_anything() -> None:
    read = proc.read

    def odd(pid: int, name: str) -> str | None:
        text = read(pid, name)
        assert text is not None
        return text.replace("(", "(a) b (c", 1)

    proc.read = odd  # type: ignore[assignment]
    try:
        stat = proc.stat(os.getpid())
    finally:
        proc.read = read
    assert stat is not None
    assert stat.comm.startswith("a) b (c")
    assert stat.ppid == os.getppid()


# -- run


async def test_a_tool_is_run_to_its_end() -> None:
    ran = await run(["/bin/sh", "-c", "echo out; echo err >&2; exit 4"], timeout_s=10)
    assert (ran.exit, ran.stdout, ran.stderr, ran.cut) == (Exit(4, None), b"out\n", b"err\n", False)


async def test_what_a_tool_writes_is_bounded() -> None:
    ran = await run(["/bin/sh", "-c", "head -c 3000000 /dev/zero"], timeout_s=10, limit_bytes=1000)
    assert ran.exit == Exit(0, None)
    assert (len(ran.stdout), ran.cut) == (1000, True)


async def test_a_tool_that_hangs_is_killed_with_its_children_and_described(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(RunTimeout, match=r"did not end within 0\.3 s") as told:
        await run(["/bin/sh", "-c", script], timeout_s=0.3)
    assert "(S)" in told.value.doing
    pid = int((tmp_path / "pid").read_text())
    while (stat := proc.stat(pid)) is not None and stat.state != "Z":
        await asyncio.sleep(0.001)


async def test_a_call_that_is_cancelled_kills_the_tool(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; exec sleep 60"
    task = asyncio.create_task(run(["/bin/sh", "-c", script], timeout_s=60))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.001)
    pid = int((tmp_path / "pid").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert proc.stat(pid) is None


async def test_a_grandchild_that_keeps_the_pipe_is_not_waited_for() -> None:
    script = "sleep 60 & echo $!"
    ran = await run(["/bin/sh", "-c", script], timeout_s=10)
    os.kill(int(ran.stdout), signal.SIGKILL)
    assert ran.exit == Exit(0, None)


async def test_no_descriptor_is_left_open_by_tools_good_and_bad() -> None:
    await run(["/bin/true"], timeout_s=10)
    before = sorted(os.listdir("/proc/self/fd"))
    await run(["/bin/true"], timeout_s=10)
    with pytest.raises(SpawnError):
        await run(["/no/such"], timeout_s=10)
    with pytest.raises(RunTimeout):
        await run(["/bin/sleep", "60"], timeout_s=0.05)
    assert sorted(os.listdir("/proc/self/fd")) == before
