"""Real daemons, clients and guests for the tests, each in a folder of its own.

A :class:`Daemon` is a virtupd with everything under one short path below /tmp, so that sockets fit
and QEMU's unprivileged user gets in. Its :meth:`Daemon.close` ends what it started, QEMUs included.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

PROJECT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
SHARED = Path(os.environ.get("VIRTUP_SHARED") or PROJECT.parent / "shared")
CONFORMANCE = Path(os.environ.get("VIRTUP_CONFORMANCE") or SHARED / "conformance")
QEMU = "/usr/bin/qemu-system-x86_64"
IS_ROOT = os.geteuid() == 0
KIND = "system" if IS_ROOT else "session"
BOUND_S = 60.0
"""How long anything real may take before a test gives up; no test asserts on less."""


def eventually(ask: Callable[[], T], what: str, *, bound_s: float = BOUND_S) -> T:
    """Ask until the answer is true, and return it; fail with *what* after *bound_s*."""
    end = time.monotonic() + bound_s
    while True:
        if answer := ask():
            return answer
        assert time.monotonic() < end, f"not within {bound_s:.0f} s: {what}"
        time.sleep(0.02)


def environment() -> dict[str, str]:
    """Return this process's environment without what would change a client's or daemon's mind."""
    drop = ("LIBVIRT_", "VIRTUP_", "VIRSH_", "LC_", "LANG", "NOTIFY_SOCKET", "LISTEN_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
    return {**kept, "LC_ALL": "C.UTF-8", "TERM": "dumb", "COLUMNS": "100"}


class Client:
    """A command with its URI: call it with the words of one verb.

    A nonzero exit is an assertion error with what the command printed, unless ``check=False``.
    """

    def __init__(self, command: Sequence[str | Path], uri: str) -> None:
        self.command = [str(part) for part in command]
        self.uri = uri

    def __call__(
        self, *words: str | Path, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end."""
        done = subprocess.run(
            [*self.command, "-c", self.uri, *map(str, words)],
            env=environment(),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=BOUND_S * 2,
            check=False,
        )
        if check:
            said = f"{done.stdout}{done.stderr}"
            assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.returncode}\n{said}"
        return done

    def popen(self, *words: str | Path, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start one verb and leave it running; all its output is one pipe."""
        return subprocess.Popen(
            [*self.command, "-c", self.uri, *map(str, words)],
            env=environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


class Daemon:
    """A virtupd with everything under ``root``; started by :meth:`start`, ended by :meth:`close`."""

    def __init__(self, root: Path, *options: str, kind: str = KIND) -> None:
        self.root = root
        self.kind = kind
        self.options = options
        self.program: list[str | Path] = [PROGRAMS / "virtupd"]
        self.process: subprocess.Popen[bytes] | None = None
        self.uri = f"qemu+unix:///{kind}?socket={root}/run/virtup-sock"
        self.virsh = Client(["virsh"], self.uri)
        self.virtup = Client([PROGRAMS / "virtup"], self.uri)

    @property
    def pid(self) -> int:
        """The daemon's process; it must have been started."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """What this daemon, and those before it under the same root, printed."""
        path = self.root / "virtupd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it says that it is ready; its own word if it refuses."""
        ours, theirs = os.pipe()
        command = [*self.program, f"--{self.kind}", "--root", self.root, *self.options]
        with (self.root / "virtupd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), "--ready-fd", str(theirs)],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs],
                start_new_session=True,
            )
        os.close(theirs)
        with os.fdopen(ours, "rb") as answer:
            assert select.select([answer], [], [], BOUND_S)[0], f"virtupd is silent:\n{self.log}"
            word = answer.readline().decode().strip()
        assert word == "ready", f"virtupd: {word}\n{self.log}"

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does; its guests run on."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end and return its exit status; its guests run on."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(BOUND_S)
        self.process = None
        return status

    def qemus(self) -> list[int]:
        """Every live process that a start under this root made: QEMUs, and children of theirs.

        They have a home under the root; the QEMUs that are only asked what they can do have a
        socket there.
        """
        home = f"HOME={self.root}/lib/qemu/domain-".encode()
        guests = [pid for pid in pids() if home in _of_process(pid, "environ")]
        asked = [pid for pid in processes(str(self.root)) if "qemu" in _comm(pid)]
        return sorted({*guests, *asked})

    def qemu(self, name: str) -> int:
        """The QEMU of the guest *name*; there must be one."""
        head = f"\0guest={name},".encode()
        named = [pid for pid in self.qemus() if head in _of_process(pid, "cmdline")]
        (pid,) = [pid for pid in named if _comm(pid).startswith("qemu-")]  # no wrapper
        return pid

    def close(self) -> None:
        """End the daemon and whatever it left running."""
        if self.process is not None:
            if self.process.poll() is None:
                self._end(signal.SIGTERM)
            self.process = None
        for pid in self.qemus():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        eventually(lambda: not self.qemus(), f"the QEMUs under {self.root} are gone")


def on_a_host_where(setup: str, program: Sequence[str | Path]) -> list[str | Path]:
    """Return the command that runs *program* with mounts of its own, after the shell text *setup*.

    It is one process throughout, whose mounts ``nsenter -t PID -m`` reaches.
    """
    inside = f'set -e\n{setup}\nexec "$@"'
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", inside, "sh", *program]


def pids() -> list[int]:
    """Every process, this one left out."""
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in found if pid != os.getpid()]


def processes(text: str) -> list[int]:
    """Every live process with *text* in its command line, this one left out."""
    return [pid for pid in pids() if text.encode() in _of_process(pid, "cmdline")]


def _comm(pid: int) -> str:
    return _of_process(pid, "comm").decode(errors="replace").strip()


def _of_process(pid: int, name: str) -> bytes:
    """One file of a process; nothing when it has ended, is a zombie, or is another user's."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def scratch() -> Path:
    """Make a short folder below /tmp that QEMU's user can pass through, and nobody else list."""
    place = Path(tempfile.mkdtemp(prefix="vt.", dir="/tmp"))
    place.chmod(0o711)
    return place


def discard(place: Path) -> None:
    """Remove what :func:`scratch` made, whatever modes a test gave it."""
    for folder, _, _ in os.walk(place):
        os.chmod(folder, 0o700)
    shutil.rmtree(place)


@contextmanager
def huge_pages() -> Iterator[None]:
    """Have the host's huge pages for oneself: other processes of the run wait that long."""
    lock = os.open(PROJECT, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


GUEST_MADE = "VIRTUP_TESTS_GUEST"
"""The variable that tells the processes of one run where the guest is."""


@cache
def guest_dir() -> Path:
    """Return the folder of the tiny guest, made or mended once in this run."""
    made = os.environ.get(GUEST_MADE)
    return Path(made) if made else make_guest()


def make_guest() -> Path:
    """Make the tiny guest if it is not there, give it back its owner and modes; its folder."""
    done = subprocess.run(
        [sys.executable, PROJECT / "tools" / "make_guest.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def domain_xml(
    name: str,
    guest: Path,
    *,
    devices: str = "",
    cmdline: str = "",
    agent: bool = False,
    memory_mib: int = 128,
    machine: str = "pc",
    virt: str = "qemu",
) -> str:
    """Return a small guest that boots, with a pty serial port and whatever *devices* add."""
    initrd = "initrd-agent.img" if agent else "initrd.img"
    channel = (
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        if agent
        else ""
    )
    return f"""<domain type='{virt}'>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{guest}/vmlinuz</kernel>
    <initrd>{guest}/{initrd}</initrd>
    <cmdline>console=ttyS0 quiet {cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>{QEMU}</emulator>
    <serial type='pty'/>
    <console type='pty'/>{channel}
    {devices}
  </devices>
</domain>
"""


USER = 65534
"""The unprivileged user of :func:`run_as_user`: nobody."""

AS_USER = """
set -e
for number in 1 2; do
    eval place=\\$PLACE$number
    mkdir -p "$KEEP/$number"
    mount --bind "$place" "$KEEP/$number"
done
for number in 1 2; do
    eval place=\\$PLACE$number
    shut= path=
    IFS=/
    for part in ${place#/}; do
        path=$path/$part
        case $(stat -c %A "$path" 2>/dev/null) in *x | *t) ;; *) shut=$path; break ;; esac
    done
    unset IFS
    [ -n "$shut" ] || continue
    [ ! -e "$shut" ] || mount -t tmpfs -o mode=755 tmpfs "$shut"
    mkdir -p "$place"
    mount --bind "$KEEP/$number" "$place"
done
cd "$PLACE1"
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups "$@"
"""


def run_as_user(
    command: Sequence[str | Path], home: Path, *, guest: bool = False, before: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run *command* as an unprivileged user with *home*; as oneself if that is not root.

    Root goes through a mount namespace in which that user can reach the project and its Python,
    wherever they are; *before* is shell text that changes that namespace first. With *guest* the
    guest's files are copied into the user's cache.
    """
    cache = home / ".cache" / "virtup" / "demo"
    if guest:
        shutil.copytree(guest_dir(), cache)
    wanted = {**environment(), "HOME": str(home), "VIRTUP_GUEST": str(cache)}
    wanted.pop("XDG_RUNTIME_DIR", None)
    if not IS_ROOT:
        return subprocess.run(command, env=wanted, capture_output=True, text=True, check=False)
    for path in [home, *home.rglob("*")]:
        os.chown(path, USER, USER)
    keep = scratch()
    try:
        return subprocess.run(
            [
                *["unshare", "-m", "--propagation", "private", "sh", "-c"],
                *[f"set -e; {before}\n{AS_USER}", "sh", *map(str, command)],
            ],
            env={
                **wanted,
                "PLACE1": str(PROJECT),
                "PLACE2": sys.base_prefix,
                "KEEP": str(keep),
                "USER_ID": str(USER),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        discard(keep)


class Terminal:
    """A command on a terminal of its own: what it shows is read, what a person types is written."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        words = [str(part) for part in command]
        self.seen = ""
        self._pid, self.fd = pty.fork()
        if self._pid == 0:
            os.execvpe(words[0], words, environment())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.fd)

    def until(self, text: str) -> str:
        """Read until *text* stands there; what was shown since the last time."""
        start, end = len(self.seen), time.monotonic() + BOUND_S
        while text not in self.seen[start:]:
            assert self._readable(end), self.seen
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                break  # the command is gone
        assert text in self.seen[start:], self.seen
        return self.seen[start:]

    def shows(self, text: str, *, wait_s: float) -> bool:
        """Read for at most *wait_s* seconds, and tell whether *text* stands there by then."""
        end = time.monotonic() + wait_s
        while text not in self.seen and self._readable(end):
            self.seen += os.read(self.fd, 65536).decode(errors="replace")
        return text in self.seen

    def _readable(self, end: float) -> bool:
        return bool(select.select([self.fd], [], [], max(0.0, end - time.monotonic()))[0])

    def finish(self) -> None:
        """Read until the command has ended."""
        end = time.monotonic() + BOUND_S
        while self._readable(end):
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                return
        raise AssertionError(f"it does not end:\n{self.seen}")

    def type(self, text: str) -> None:
        """Type *text*."""
        os.write(self.fd, text.encode())
