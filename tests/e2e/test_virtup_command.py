"""The command where a person uses it: a terminal, a shell, no daemon yet, a broken guest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import lab
from virtup.client import aio

pytestmark = pytest.mark.e2e

GREETING = "GUEST-UP"


@pytest.fixture
def vm(daemon: lab.Daemon, guest_dir: Path) -> Path:
    """The definition of a guest that greets on its console."""
    path = daemon.root / "vm.xml"
    path.write_text(lab.domain_xml("vm", guest_dir))
    return path


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *words: str | Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(words[0], [str(word) for word in words], lab.environment())
        self.said = ""

    def expect(self, text: str) -> None:
        """Read until *text* was printed."""
        lab.eventually(lambda: self._read() and text in self.said, f"'{text}' in {self.said!r}")

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """Read to the end, which is bounded; the exit status."""
        lab.eventually(lambda: not self._read(), f"the end, after {self.said[-200:]!r}")
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return status

    def _read(self) -> bool:
        if not select.select([self.fd], [], [], lab.BOUND_S)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.said += data.decode(errors="replace")
        return bool(data)


@pytest.fixture
def virtup_in_terminal(daemon: lab.Daemon) -> Iterator[type[Terminal]]:
    """Make a terminal with the command against ``daemon``; what is left of it is ended."""
    made: list[Terminal] = []

    class Own(Terminal):
        def __init__(self, *words: str | Path) -> None:
            super().__init__(lab.PROGRAMS / "virtup", "-c", daemon.uri, *words)
            made.append(self)

    yield Own
    for one in made:
        os.close(one.fd)
        if one.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)


def test_a_guest_is_created_and_its_console_left_with_the_escape(
    virtup_in_terminal: type[Terminal], virtup: lab.Client, vm: Path
) -> None:
    terminal = virtup_in_terminal("create", vm, "--console")
    terminal.expect("Escape character is ^] (Ctrl + ])")
    terminal.expect(GREETING)
    terminal.type("\x1d")
    assert terminal.end() == 0
    assert virtup("domstate", "vm").stdout == "running\n\n"


def test_a_console_ends_with_its_guest(
    virtup_in_terminal: type[Terminal], virtup: lab.Client, vm: Path
) -> None:
    virtup("create", vm)
    terminal = virtup_in_terminal("console", "vm")
    terminal.expect("Connected to domain 'vm'")
    virtup("destroy", "vm")
    assert terminal.end() == 0


def test_another_escape_character(
    virtup_in_terminal: type[Terminal], virtup: lab.Client, vm: Path
) -> None:
    virtup("create", vm)
    terminal = virtup_in_terminal("-e", "^x", "console", "vm")
    terminal.expect("Escape character is ^x (Ctrl + x)")
    terminal.type("\x1d\x18")
    assert terminal.end() == 0


def test_the_console_without_a_terminal(virtup: lab.Client, vm: Path) -> None:
    virtup("create", vm)
    reader = virtup.popen("console", "vm")
    assert reader.stdout is not None
    for line in reader.stdout:
        if GREETING in line:
            break
    else:
        pytest.fail("the guest did not greet")
    virtup("destroy", "vm")
    reader.stdout.read()
    assert reader.wait(lab.BOUND_S) == 0
    reader.stdout.close()


def test_the_console_is_left_by_an_escape_from_a_pipe(virtup: lab.Client, vm: Path) -> None:
    virtup("create", vm)
    done = virtup("console", "vm", stdin="\x1d")
    assert done.stdout.startswith("Connected to domain 'vm'\nEscape character")


def test_autodestroy_ends_the_guest_with_the_console(
    virtup_in_terminal: type[Terminal], virtup: lab.Client, vm: Path
) -> None:
    terminal = virtup_in_terminal("create", vm, "--console", "--autodestroy")
    terminal.expect("Escape character")
    terminal.type("\x1d")
    assert terminal.end() == 0
    lab.eventually(
        lambda: virtup("domstate", "vm", check=False).returncode == 1, "the guest is gone"
    )


def test_why_names_the_cause_and_the_fix_starts_the_guest(
    daemon: lab.Daemon, virtup: lab.Client, vm: Path, guest_dir: Path
) -> None:
    kernel = daemon.root / "vmlinuz"
    vm.write_text(vm.read_text().replace(f"{guest_dir}/vmlinuz", str(kernel)))
    virtup("define", vm)
    done = virtup("start", "vm", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Failed to start domain 'vm'\nerror: ")
    assert str(kernel) in done.stderr
    told = virtup("why", "vm").stdout
    assert f"'{kernel}'" in told
    code = next(word for word in told.split() if word.startswith("VU"))
    assert virtup("explain", code).stdout.startswith(f"# {code} ")
    (finding,) = json.loads(virtup("--json", "why", "vm").stdout)["findings"]
    assert (finding["code"], finding["subject"]) == (code, str(kernel))
    shutil.copy(guest_dir / "vmlinuz", kernel)
    kernel.chmod(0o644)
    virtup("start", "vm")
    assert [one["verdict"] for one in json.loads(virtup("--json", "attempts", "vm").stdout)] == [
        "failed",
        "running",
    ]
    said = virtup("why", "vm").stdout
    assert said.startswith("Domain 'vm' is running since ")
    assert f"  {code} " in said


def test_bash_completes_verbs_options_and_guests(virtup: lab.Client, vm: Path) -> None:
    virtup("define", vm)
    script = """
        eval "$(virtup completion bash)"
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _virtup_completion virtup
                echo "${COMPREPLY[*]}"; }
        ask virtup domst; ask virtup start v; ask virtup list --inac
    """
    env = {
        **lab.environment(),
        "PATH": f"{lab.PROGRAMS}:{os.environ['PATH']}",
        "VIRTUP_DEFAULT_URI": virtup.uri,
    }
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["domstate", "vm", "--inactive"]


def test_the_first_command_starts_the_daemon(scratch: Path) -> None:
    home, runtime = scratch / "home", scratch / "run"
    for place in (home, runtime):
        place.mkdir(mode=0o700)
    env = {**lab.environment(), "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    command = [lab.PROGRAMS / "virtup", "-c", "qemu:///session", "list", "--all"]
    clients = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    try:
        said = [client.communicate(timeout=lab.BOUND_S)[0] for client in clients]
        assert said == [" Id   Name   State\n--------------------\n\n"] * 3
        assert len(daemons(runtime)) == 1
        (pid,) = daemons(runtime)
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    finally:
        for pid in daemons(runtime):
            os.kill(pid, signal.SIGTERM)
        lab.eventually(lambda: not daemons(runtime), "the daemon has ended")


def daemons(runtime: Path) -> list[int]:
    """The session daemons with that runtime directory."""
    mark = f"XDG_RUNTIME_DIR={runtime}\0".encode()
    return [
        pid
        for pid in lab.processes("virtupd\0--session")
        if mark in lab._of_process(pid, "environ")
    ]


async def test_a_program_follows_a_guest_from_start_to_end(daemon: lab.Daemon, vm: Path) -> None:
    async with await aio.connect(daemon.uri) as conn:
        await conn.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=0, dom=None)
        dom = (await conn.call("DOMAIN_CREATE_XML", xml_desc=vm.read_text(), flags=0))["dom"]
        console = await conn.stream("DOMAIN_OPEN_CONSOLE", dom=dom, dev_name=None, flags=0)
        said = b""
        end = time.monotonic() + lab.BOUND_S
        while GREETING.encode() not in said:
            said += await asyncio.wait_for(console.read(), end - time.monotonic())
        infos = await asyncio.gather(*(conn.call("DOMAIN_GET_INFO", dom=dom) for _ in range(20)))
        assert {info["state"] for info in infos} == {1}
        await conn.call("DOMAIN_DESTROY", dom=dom)
        async for message in conn.events():
            if message.body["msg"]["event"] == 5:
                break
        assert message.body["msg"]["detail"] == 1
        while await asyncio.wait_for(console.read(), lab.BOUND_S):
            pass
