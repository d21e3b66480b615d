"""Guests whose QEMU hangs: bounded, named, told apart, and never in another guest's way."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab, remains

pytestmark = pytest.mark.e2e

Make = Callable[..., lab.Daemon]

EMULATOR = """#!{python}
import os, re, socket, sys, time
if "none" in " ".join(sys.argv).partition("-machine ")[2][:5]:
    os.execv("{qemu}", ["{qemu}", *sys.argv[1:]])
number = re.search(r"id=charmonitor,fd=(\\d+)", " ".join(sys.argv))[1]
listener = socket.socket(fileno=int(number))
greeting = b'{{"QMP": {{"version": {{"qemu": {{"micro": 0, "minor": 2, "major": 7}}, "package": ""}}, "capabilities": []}}}}\\r\\n'
{acts}
time.sleep(1000)
"""
"""An emulator that answers for its abilities as QEMU does, and as a guest's does something else."""

ODD = {
    "silent": ("", "qemu-hangs"),
    "garbled": ("listener.accept()[0].send(b'SSH-2.0\\r\\n')", "qemu-monitor-garbage"),
    "closing": ("listener.accept()[0].close()", "qemu-monitor-closed"),
    "greeting": ("end = listener.accept()[0]; end.send(greeting)", "qemu-monitor-no-answer"),
    "leaving": ("sys.exit(3)", "qemu-exit-silent"),
    "parental": ("os.fork()", "qemu-hangs"),
    "half": (
        (
            "end = listener.accept()[0]; end.send(greeting); end.recv(999);"
            'end.send(b\'{"return": {}, "id": "__qmp#00000"}\\r\\n\')'
        ),
        "qemu-monitor-no-answer",
    ),
    "babbling": (
        "end = listener.accept()[0]; end.send(greeting); end.recv(999); end.send(b'no\\n')",
        "qemu-monitor-garbage",
    ),
    "fickle": (
        "end = listener.accept()[0]; end.send(greeting); end.close()",
        "qemu-monitor-closed",
    ),
}


def configured(make_daemon: Make, text: str) -> lab.Daemon:
    """Start a daemon with a configuration."""
    daemon = make_daemon(start=False)
    config = daemon.root / "etc" / "virtupd.toml"
    config.parent.mkdir(mode=0o700)
    config.write_text(text)
    daemon.start()
    return daemon


def define(daemon: lab.Daemon, name: str, guest_dir: Path, emulator: str | Path = lab.QEMU) -> Path:
    path = daemon.root / f"{name}.xml"
    path.write_text(lab.domain_xml(name, guest_dir).replace(lab.QEMU, str(emulator)))
    return path


def test_a_stopped_qemu_is_in_nobodys_way(make_daemon: Make, guest_dir: Path) -> None:
    daemon = configured(make_daemon, "command_timeout_s = 600\n")
    virsh = daemon.virsh
    virsh("create", define(daemon, "stuck", guest_dir))
    virsh("define", define(daemon, "other", guest_dir))
    pid = daemon.qemu("stuck")
    os.kill(pid, signal.SIGSTOP)
    with virsh.popen("suspend", "stuck") as suspending:
        listed = virsh("list", "--all").stdout.splitlines()[2:]
        assert [line.split()[1] for line in listed if line] == ["stuck", "other"]
        assert virsh("domstate", "stuck").stdout.strip() == "running"
        for verb in ("dominfo", "dumpxml", "domid", "ttyconsole"):
            virsh(verb, "stuck")
        virsh("start", "other", "--paused")
        virsh("resume", "other")
        virsh("suspend", "other")
        virsh("destroy", "other")
        assert suspending.poll() is None, "none of these waited for the guest that hangs"
        virsh("destroy", "stuck")
        said = suspending.communicate(timeout=lab.BOUND_S)[0]
    assert suspending.returncode == 1
    assert "the connection to QEMU's monitor ended" in said
    remains.none(daemon)


def test_a_call_on_a_stopped_qemu_is_bounded_and_names_it(
    make_daemon: Make, guest_dir: Path
) -> None:
    daemon = configured(make_daemon, "command_timeout_s = 1.5\njob_timeout_s = 0.2\n")
    virsh = daemon.virsh
    virsh("create", define(daemon, "stuck", guest_dir))
    pid = daemon.qemu("stuck")
    os.kill(pid, signal.SIGSTOP)
    busy = said = ""
    while "held by 'suspend'" not in busy:  # until the suspend is the first of the two
        with virsh.popen("suspend", "stuck") as suspending:
            busy = virsh("reset", "stuck", check=False).stderr
            said = suspending.communicate(timeout=lab.BOUND_S)[0]
    assert "state change lock of 'stuck' within 0.2 s (held by 'suspend')" in busy
    assert f"QEMU of 'stuck' (pid {pid}, stopped (T)" in said
    assert "did not answer 'stop' on its monitor within 1.5 s" in said
    assert virsh("domstate", "stuck").stdout.strip() == "running"
    os.kill(pid, signal.SIGCONT)
    lab.eventually(
        lambda: virsh("domstate", "stuck").stdout.strip() == "paused", "it heard in the end"
    )
    virsh("resume", "stuck")
    os.kill(pid, signal.SIGSTOP)
    virsh("destroy", "stuck")
    remains.none(daemon)


def test_emulators_that_do_not_come_up_are_told_apart_and_ended(
    make_daemon: Make, guest_dir: Path
) -> None:
    daemon = configured(make_daemon, "monitor_timeout_s = 1\n")
    python = getattr(sys, "_base_executable", sys.executable)
    starts = {}
    for name, (acts, _) in ODD.items():
        emulator = daemon.root / f"{name}.emulator"
        emulator.write_text(EMULATOR.format(python=python, qemu=lab.QEMU, acts=acts))
        emulator.chmod(0o755)
        starts[name] = daemon.virsh.popen("create", define(daemon, name, guest_dir, emulator))
    said = {name: start.communicate(timeout=lab.BOUND_S)[0] for name, start in starts.items()}
    found = {}
    for name, start in starts.items():
        assert start.returncode == 1, said[name]
        why = json.loads(daemon.virtup("why", name, "--json").stdout)
        found[name] = [one["slug"] for one in why["findings"]]
    assert found == {name: [slug] for name, (_, slug) in ODD.items()}
    assert "did not come up: its greeting is 'SSH-2.0', which is not QMP" in said["garbled"]
    assert "did not come up: its answer is 'no', which is not QMP" in said["babbling"]
    assert "did not come up: the connection was closed" in said["closing"]
    assert "did not come up: no greeting within 1 s" in said["silent"]
    assert "did not come up: it greeted and did not answer within 1 s" in said["greeting"]
    assert "process exited while connecting to monitor: exit status 3" in said["leaving"]
    for text in said.values():
        assert "Traceback" not in text
        assert "cause:" in text
    assert daemon.virsh("list", "--all", "--name").stdout.split() == []
    remains.none(daemon)
