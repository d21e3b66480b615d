"""Programs: started with nothing that they were not given, waited for by pidfd, found again.

A process is known by its pid and the tick it started at, so that a pid that the kernel gave to
another program since is never taken for it. Ending the daemon ends none of what it started.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import select
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from virtup.host import proc
from virtup.host.accounts import Account


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: by itself with ``status``, or by ``signal``.

    Both are None when nobody can say: it was another's child.
    """

    status: int | None
    signal: int | None

    def __str__(self) -> str:
        """Say it in words: ``exit status 1``, ``killed by signal 11 (SIGSEGV)``."""
        if self.signal is not None:
            return f"killed by signal {self.signal} ({signal_name(self.signal)})"
        if self.status is not None:
            return f"exit status {self.status}"
        return "ended, its exit status went to another process"


class SpawnError(OSError):
    """A program did not come to run: ``errno`` and ``filename`` say what the kernel said of what.

    ``stage`` is "exec" when the kernel refused the program itself, and "prepare" when the
    working directory or the account could not be taken on before that.
    """

    stage: str = "exec"


class Running(Protocol):
    """A process that is watched: what :class:`Process` offers, and its fake."""

    pid: int
    start_ticks: int

    async def wait(self) -> Exit:
        """Wait for the end, as often as one likes; every caller gets the same Exit."""

    def kill(self, sig: int) -> bool:
        """Send a signal; tell whether there was a process to get it."""

    def alive(self) -> bool:
        """Tell whether it runs; a zombie does not."""

    def describe(self) -> str:
        """Say what it is doing right now."""

    def close(self) -> None:
        """Stop to watch it; the process itself runs on."""


class Process:
    """A process of this host, our child or adopted, watched through a pidfd.

    ``start_ticks`` is field 22 of /proc/PID/stat. A child is reaped when :meth:`wait` or
    :meth:`alive` sees its end; until then its pid is not given to another. With the leader of a
    process group, as :func:`spawn` makes them, ends the group: what a wrapper script left behind.
    """

    def __init__(self, pid: int, start_ticks: int, pidfd: int) -> None:
        self.pid = pid
        self.start_ticks = start_ticks
        self._pidfd = pidfd
        self._leads_group = _leads_group(pid)
        self._exit: Exit | None = None
        self._waiters: list[asyncio.Future[Exit]] = []
        self._watched_by: asyncio.AbstractEventLoop | None = None

    async def wait(self) -> Exit:
        """Wait for the end; any number of tasks of one event loop may wait at once."""
        if self._ended() is not None:
            return await self._settled()
        assert self._pidfd >= 0, "a process that was closed is not waited for"
        loop = asyncio.get_running_loop()
        if self._watched_by is None:
            loop.add_reader(self._pidfd, self._notice)
            self._watched_by = loop
        waiter = loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        return await self._settled()

    def kill(self, sig: int) -> bool:
        """Send a signal to this very process, never to a successor of its pid."""
        if self._exit is not None or self._pidfd < 0:
            return False
        try:
            signal.pidfd_send_signal(self._pidfd, sig)
        except ProcessLookupError:
            return False
        return True

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._ended() is None

    def describe(self) -> str:
        """Say what it is doing: state, what the kernel waits for, system call; never blocks."""
        ended = self._ended()
        return str(ended) if ended is not None else proc.describe(self.pid)

    def close(self) -> None:
        """Stop to watch it; a task that still waits is cancelled."""
        self._unwatch()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.cancel()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _ended(self) -> Exit | None:
        """Look, without waiting, whether it ended, and reap it if it is a child."""
        if self._exit is None and self._pidfd >= 0:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            if poll.poll(0):
                if self._leads_group:
                    _end_group(self._pidfd, self.pid)
                self._exit = _reap(self._pidfd)
        return self._exit

    async def _settled(self) -> Exit:
        """Return how it ended; another's child is asked for until its parent has reaped it."""
        assert self._exit is not None
        for _ in range(_REAP_TRIES):
            if self._exit != _UNKNOWN or self._pidfd < 0:
                break
            status = proc.exit_of_pidfd(self._pidfd)
            if status is not None:
                self._exit = _exit(status)
            elif proc.can_tell_exits():
                await asyncio.sleep(_REAP_PAUSE_S)
            else:
                break
        self.close()
        return self._exit

    def _notice(self) -> None:
        if self._ended() is None:
            return
        self._unwatch()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(_UNKNOWN)

    def _unwatch(self) -> None:
        loop, self._watched_by = self._watched_by, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._pidfd)


_UNKNOWN = Exit(None, None)
_REAP_TRIES = 20
_REAP_PAUSE_S = 0.005


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    pass_fds: Iterable[int] = (),
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    account: Account | None = None,
    cwd: str = "/",
    umask: int = 0o007,
    may_lock_memory: bool = False,
) -> Process:
    """Start a program, in a session of its own, and return once it runs.

    It gets exactly *env*, *stdin* (default /dev/null), *stdout* (default /dev/null), *stderr* (default:
    where stdout goes), the fds of *pass_fds* under their own numbers and no other, and the
    user, group and groups of *account*. Signals that the daemon ignores are default again. With
    *may_lock_memory* it may keep all its memory from being swapped, as far as our own hard limit
    lets us grant that.

    Raises SpawnError at once when it cannot be run. Without an account the child shares the
    daemon's memory until it execs (vfork), which costs the same for any size of the daemon; with
    one it is forked, which costs about 1 ms for each 30 MB that the daemon has written to.
    """
    out = subprocess.DEVNULL if stdout is None else stdout
    limits = _unlimited(resource.RLIMIT_MEMLOCK) if may_lock_memory else contextlib.nullcontext()
    try:
        with limits:
            child = subprocess.Popen(
                list(argv),
                env=dict(env),
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=out,
                stderr=out if stderr is None else stderr,
                pass_fds=tuple(pass_fds),
                cwd=cwd,
                umask=umask,
                start_new_session=True,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else account.groups,
            )
    except OSError as exc:
        raise _spawn_error(exc, argv[0], cwd) from exc
    pidfd = os.pidfd_open(child.pid)
    child.returncode = 0  # the pidfd is waited for from here on; keeps Popen from doing it
    stat = proc.stat(child.pid)
    assert stat is not None, "a child that nobody reaped has a /proc entry"
    return Process(child.pid, stat.start_ticks, pidfd)


def adopt(pid: int, start_ticks: int) -> Process | None:
    """Find a process again that an earlier daemon started; None when it has ended.

    Both numbers must be of this boot (see :func:`virtup.host.node.boot_id`). How it ends is
    known from Linux 6.15 on; before that its Exit has neither status nor signal.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError, OverflowError):
        return None
    stat = proc.stat(pid)
    found = Process(pid, start_ticks, pidfd)
    if stat is None or stat.start_ticks != start_ticks or stat.state in "ZX" or not found.alive():
        found.close()
        return None
    return found


def with_home(home: str) -> list[Process]:
    """Find the processes that were started with *home* as their home directory.

    Only those whose environment this process may read: its own user's, or, for root with
    CAP_SYS_PTRACE, all.
    """
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        pid = int(entry)
        stat = proc.stat(pid)
        environment = proc.read(pid, "environ")
        if stat is None or environment is None or f"HOME={home}" not in environment.split("\0"):
            continue
        process = adopt(pid, stat.start_ticks)
        if process is not None:
            found.append(process)
    return found


@dataclass(frozen=True, slots=True)
class Ran:
    """What :func:`run` saw; ``cut`` says that more than the limit was written."""

    exit: Exit
    stdout: bytes
    stderr: bytes
    cut: bool


class RunTimeout(TimeoutError):
    """A program did not end in time and was killed.

    ``doing`` says what it was at, ``stderr`` what it had written there.
    """

    doing: str = ""
    stderr: bytes = b""


async def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    pass_fds: Iterable[int] = (),
    limit_bytes: int = 1 << 20,
) -> Ran:
    """Run a program to its end and return what it wrote, each stream up to *limit_bytes*.

    Raises SpawnError, and RunTimeout after *timeout_s*. A program that is given up on, cancelled
    calls included, is killed with everything in its session's process group.
    """
    out, err = _Collector(limit_bytes), _Collector(limit_bytes)
    try:
        child = spawn(
            argv,
            {"LC_ALL": "C", "PATH": _PATH} if env is None else env,
            stdout=out.write_end,
            stderr=err.write_end,
            account=account,
            pass_fds=pass_fds,
        )
    except OSError:
        out.close()
        err.close()
        raise
    try:
        async with asyncio.timeout(timeout_s):
            out.begin()
            err.begin()
            ended = await child.wait()
    except TimeoutError as exc:
        late = RunTimeout(f"'{argv[0]}' did not end within {timeout_s:g} s and was killed")
        late.doing = child.describe()
        err.take()
        late.stderr = bytes(err.data)
        raise late from exc
    finally:
        if child.alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await asyncio.shield(child.wait())
        out.finish()
        err.finish()
    return Ran(ended, bytes(out.data), bytes(err.data), out.cut or err.cut)


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class _Collector:
    """Reads one pipe on the event loop, keeping the first *limit* bytes."""

    def __init__(self, limit: int) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.write_end, True)
        self.data = bytearray()
        self.cut = False
        self._limit = limit

    def begin(self) -> None:
        os.close(self.write_end)
        self.write_end = -1
        asyncio.get_running_loop().add_reader(self.read_end, self._read)

    def finish(self) -> None:
        """Take what is left in the pipe; a grandchild that holds it open is not waited for."""
        self.take()
        if self.read_end >= 0:
            asyncio.get_running_loop().remove_reader(self.read_end)
        self.close()

    def take(self) -> None:
        """Read what is in the pipe by now."""
        while self._read():
            pass

    def close(self) -> None:
        for fd in (self.read_end, self.write_end):
            if fd >= 0:
                os.close(fd)
        self.read_end = self.write_end = -1

    def _read(self) -> bool:
        if self.read_end < 0:
            return False
        try:
            chunk = os.read(self.read_end, 65536)
        except BlockingIOError:
            return False
        if not chunk:
            asyncio.get_running_loop().remove_reader(self.read_end)
            return False
        room = self._limit - len(self.data)
        self.data += chunk[:room]
        self.cut |= len(chunk) > room
        return True


def signal_name(number: int) -> str:
    """Return ``SIGSEGV`` for 11, ``SIG40`` for a number without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


@contextlib.contextmanager
def _unlimited(kind: int) -> Iterator[None]:
    """Lift one of our own limits, which a child inherits, for the time of a start."""
    _, hard = before = resource.getrlimit(kind)
    most = resource.RLIM_INFINITY if os.geteuid() == 0 else hard
    try:
        resource.setrlimit(kind, (most, most))
    except (ValueError, PermissionError):  # root without the capability for it
        resource.setrlimit(kind, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def _spawn_error(exc: OSError, program: str, cwd: str) -> SpawnError:
    prepare = exc.filename == cwd and program != cwd
    error = SpawnError(exc.errno, exc.strerror or str(exc), exc.filename or program)
    error.stage = "prepare" if prepare else "exec"
    return error


_SIGNAL_PROCESS_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h, from 6.9 on


def _leads_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _end_group(pidfd: int, pid: int) -> None:
    """Kill what is left of the process group of a leader that has ended."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL, None, _SIGNAL_PROCESS_GROUP)
    except ProcessLookupError:
        return
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.EPERM):
            raise
        stat = proc.stat(pid)
        if stat is not None and stat.ppid == os.getpid():  # its number is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _reap(pidfd: int) -> Exit:
    try:
        info = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return _UNKNOWN
    assert info is not None, "a readable pidfd is of a process that ended"
    if info.si_code == os.CLD_EXITED:
        return Exit(info.si_status, None)
    return Exit(None, info.si_status)


def _exit(wait_status: int) -> Exit:
    if os.WIFSIGNALED(wait_status):
        return Exit(None, os.WTERMSIG(wait_status))
    return Exit(os.WEXITSTATUS(wait_status), None)
