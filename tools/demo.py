#!/usr/bin/env python3
"""Show virtup to a newcomer: a guest starts, its kernel is made unreadable, virtup says why, it is mended.

Every line after a ``$`` was run, and what stands below it is what it printed. The daemon keeps
everything in a folder of its own below /tmp, so that neither an installed libvirt nor a running
virtup is touched; the folder, the guest and the daemon are gone at the end, also when interrupted.
Root gets examples/vm.xml as it is; others get it with their own files and user networking.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import shlex
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

PROJECT = Path(__file__).resolve().parents[1]
PROGRAMS = PROJECT / ".venv" / "bin"
EXAMPLE = "examples/vm.xml"
EXAMPLE_FILES = "/var/lib/virtup/demo"
IS_ROOT = os.geteuid() == 0
KIND = "system" if IS_ROOT else "session"
BOUND_S = 60.0
ESCAPE = b"\x1d"


class Broken(Exception):
    """The demo cannot go on; the text is for a person."""


def main() -> int:
    """Run the demo and return its exit status."""
    os.chdir(PROJECT)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    began = time.monotonic()
    try:
        guest = guest_files()
        with private_folder() as root, kernel_put_back(guest / "vmlinuz"), daemon(root):
            show_a_guest(root, guest)
    except Broken as broken:
        print(f"demo: {broken}", file=sys.stderr)
        return 1
    say(f"Done in {time.monotonic() - began:.0f} s; the guest, its daemon and {root} are gone.")
    return 0


def interrupted(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave through every clean-up on the way, and take no second signal meanwhile."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def show_a_guest(root: Path, guest: Path) -> None:
    """The demo itself."""
    tap = IS_ROOT and has_tap()
    as_it_is = tap and str(guest) == EXAMPLE_FILES
    definition = EXAMPLE if as_it_is else personal_example(root, guest, tap=tap)
    kernel = guest / "vmlinuz"
    run("virtup", "create", definition)
    console("vm")
    run("virtup", "list")
    run("virtup", "dominfo", "vm")
    run("virtup", "destroy", "vm")
    say("Now the kernel is made unreadable, and the same guest is started again:")
    run("chmod", "0", str(kernel))
    run("virtup", "create", definition, fails=True)
    say("The fix is the one that virtup printed:")
    for command in fix_of("vm"):
        run(*shlex.split(command))
    run("virtup", "create", definition)
    run("virtup", "list")
    run("virtup", "destroy", "vm")


def say(text: str) -> None:
    """Print a sentence of the demo's own, told from output by its mark."""
    print(f"# {text}\n", flush=True)


def run(*command: str, fails: bool = False) -> None:
    """Show a command, run it with its output going straight to the reader, and check its end."""
    print(f"$ {shlex.join(command)}", flush=True)
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=BOUND_S, check=False
    )
    if command[0] != "virtup":
        print(flush=True)
    if bool(done.returncode) != fails:
        raise Broken(f"'{shlex.join(command)}' ended with {done.returncode}")


def fix_of(name: str) -> list[str]:
    """Return the commands of the first fix that virtup has for the guest's last failure."""
    done = subprocess.run(
        ["virtup", "why", name, "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Broken(f"'virtup why {name}' failed: {done.stderr.strip()}")
    answer: Any = json.loads(done.stdout)
    findings = answer["findings"] if isinstance(answer, dict) else answer
    commands = [command for one in findings for fix in one["fixes"] for command in fix["commands"]]
    if not commands:
        raise Broken("virtup has no fix for what the demo broke")
    return list(findings[0]["fixes"][0]["commands"])


def console(name: str) -> None:
    """Show the guest's console up to its login line, then leave it as a person does, with ^]."""
    print(f"$ virtup console {name}", flush=True)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        ["virtup", "console", name],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            seen, began, pressed = b"", time.monotonic(), 0
            while b"login: " not in seen:
                waited = time.monotonic() - began
                if process.poll() is not None or waited > BOUND_S:
                    raise Broken(f"the guest's console ended before the login line: {seen!r}")
                seen += copy(ours)
                if b"GUEST-UP" not in seen and waited > 5 * (pressed + 1):
                    os.write(ours, b"\r")  # it was up before us: Enter brings the line again
                    pressed += 1
            end = time.monotonic() + BOUND_S
            os.write(ours, ESCAPE)
            while process.poll() is None and time.monotonic() < end:
                copy(ours)
            copy(ours)
        finally:
            process.kill()
            os.close(ours)
    print(flush=True)


def copy(terminal: int) -> bytes:
    """Pass on what the terminal shows within a moment, as plain lines; return it."""
    if not select.select([terminal], [], [], 0.5)[0]:
        return b""
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return b""
    sys.stdout.write(data.decode(errors="replace").replace("\r", ""))
    sys.stdout.flush()
    return data


def has_tap() -> bool:
    """Whether this host lets root make a tap."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        say(f"/dev/net/tun cannot be opened ({error.strerror}): the guest gets user networking")
        return False
    return True


def personal_example(root: Path, guest: Path, *, tap: bool) -> str:
    """Write the example with this user's files and, without a *tap*, networking that needs no root."""
    text = (PROJECT / EXAMPLE).read_text().replace(EXAMPLE_FILES, str(guest))
    if not tap:
        text = text.replace("<interface type='ethernet'>", "<interface type='user'>")
        text = text.replace("      <target dev='vmtap0'/>\n", "")
    path = root / "vm.xml"
    path.write_text(text)
    network = "a tap" if tap else "user networking"
    say(f"{path} is {EXAMPLE} with the files in {guest} and {network}.")
    return str(path)


def guest_files() -> Path:
    """Return the folder of the guest, made if it is not there yet."""
    done = subprocess.run(
        [sys.executable, PROJECT / "tools" / "make_guest.py"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Broken("the guest could not be made")
    return Path(done.stdout.strip())


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that QEMU's user can pass through and nobody can list; removed at the end."""
    root = Path(tempfile.mkdtemp(prefix="virtup-demo.", dir="/tmp"))
    root.chmod(0o711)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def kernel_put_back(kernel: Path) -> Iterator[None]:
    """Give the kernel the mode and owner back that it has now, and no access list.

    Meanwhile nobody else makes or mends the guest: the lock is that of make_guest.
    """
    before = kernel.stat()
    lock = (kernel.parent / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.removexattr(kernel, "system.posix_acl_access")
        kernel.chmod(stat.S_IMODE(before.st_mode))
        os.chown(kernel, before.st_uid, before.st_gid)
        lock.close()


@contextlib.contextmanager
def daemon(root: Path) -> Iterator[None]:
    """A daemon with everything under *root*; at the end it and its guests are gone."""
    uri = f"qemu+unix:///{KIND}?socket={root}/run/virtup-sock"
    os.environ["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"
    os.environ["VIRTUP_DEFAULT_URI"] = uri
    os.environ["LC_ALL"] = "C.UTF-8"
    print(f"$ virtupd --{KIND} --root {root} &", flush=True)
    ours, theirs = os.pipe()
    with (root / "virtupd.log").open("wb") as log:
        process = subprocess.Popen(
            ["virtupd", f"--{KIND}", "--root", root, "--ready-fd", str(theirs)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs],
            start_new_session=True,
        )
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb") as answer:
            word = (
                answer.readline().decode().strip() if select.select([answer], [], [], 30)[0] else ""
            )
        if word != "ready":
            raise Broken(
                f"the daemon did not come up: {word or (root / 'virtupd.log').read_text()}"
            )
        print(f"$ export VIRTUP_DEFAULT_URI='{uri}'\n", flush=True)
        yield
    finally:
        if process.poll() is None:
            quiet("virtup", "destroy", "vm")
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        end_guests(root)


def quiet(*command: str) -> None:
    """Run a command of the clean-up, whose failure is no news."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=15, check=False)


def end_guests(root: Path) -> None:
    """Kill every QEMU that still has something of *root* on its command line."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if (
                int(entry.name) != os.getpid()
                and str(root).encode() in (entry / "cmdline").read_bytes()
                and "qemu" in (entry / "comm").read_text()
            ):
                os.kill(int(entry.name), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
