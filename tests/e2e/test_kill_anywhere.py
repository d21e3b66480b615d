"""kill -9 of the daemon at any moment of a start or an end: the next one leaves nothing behind."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import lab, remains
from tests.remains import Owned

pytestmark = [pytest.mark.e2e, pytest.mark.root]

SEED = int(os.environ.get("VIRTUP_SEED", "9"))
TIMES = int(os.environ.get("VIRTUP_TIMES", "7"))
"""How many moments of each act are tried: others with another seed, all with a large number."""

KILLED = Path(__file__).parents[1] / "fakes" / "killed_daemon.py"
TAP = "vtkill0"


@dataclass
class Scene:
    """A daemon that can be killed at will, and a guest that uses a bit of everything."""

    daemon: lab.Daemon
    xml: Path
    disk: Path
    before: Owned

    @property
    def armed(self) -> Path:
        return self.daemon.root / "armed"

    def arm(self, moment: int, signal: str = "KILL") -> None:
        """Have the daemon killed at that moment from now on."""
        new = self.armed.with_suffix(".new")
        new.write_text(f"{moment} {signal}")
        new.rename(self.armed)

    def again(self) -> None:
        """Kill the daemon if it lives, and start the next one, with nobody to kill it."""
        self.armed.unlink(missing_ok=True)
        self.daemon.kill()
        self.daemon.start()

    def names(self) -> list[str]:
        return self.daemon.virsh("list", "--all", "--name").stdout.split()

    def acts(self) -> list[str]:
        return re.findall(r"^ACT \d+ (.*)", self.daemon.log, re.MULTILINE)

    def as_before(self) -> None:
        """Nothing of the guest is there, and its disk is as it was."""
        remains.none(self.daemon)
        assert Owned.of(self.disk) == self.before
        assert not Path("/sys/class/net", TAP).exists()


@pytest.fixture
def scene(make_daemon: Callable[..., lab.Daemon], guest_dir: Path, scratch: Path) -> Scene:
    disk = scratch / "disk.img"
    disk.touch()
    os.truncate(disk, 1 << 20)
    disk.chmod(0o640)
    os.chown(disk, 12345, 54321)
    subprocess.run(["setfacl", "-m", "u:daemon:r", disk], check=True)
    daemon = make_daemon(start=False)
    daemon.program = [sys.executable, KILLED, daemon.root / "armed"]
    xml = daemon.root / "g.xml"
    devices = f"""
      <disk type='file' device='disk'><driver name='qemu' type='raw'/>
        <source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
      <interface type='ethernet'><target dev='{TAP}'/><model type='virtio'/></interface>
      <channel type='unix'><source mode='bind' path='{scratch}/own.sock'/>
        <target type='virtio' name='org.example.own'/></channel>
      <graphics type='vnc' autoport='yes'/>"""
    xml.write_text(lab.domain_xml("g", guest_dir, agent=True, devices=devices))
    daemon.start()
    daemon.virsh("create", xml, "--paused")  # asks QEMU what it can do, once
    daemon.virsh("destroy", "g")
    return Scene(daemon, xml, disk, Owned.of(disk))


def moments(acts: int, first: int = 1) -> list[int]:
    """Return the moments that this run tries."""
    those = range(first, acts + 1)
    return sorted(random.Random(SEED).sample(those, min(TIMES, len(those))))


def test_killed_while_it_starts_a_guest(scene: Scene) -> None:
    scene.arm(0)
    scene.daemon.virsh("create", scene.xml, "--paused")
    acts = scene.acts()
    scene.daemon.virsh("destroy", "g")
    (spawn,) = [number for number, act in enumerate(acts, 1) if act.startswith("subprocess.")]
    scene.again()
    for moment in sorted({spawn, spawn + 1, spawn + 2, *moments(len(acts))}):
        scene.arm(moment)
        done = scene.daemon.virsh("create", scene.xml, "--paused", check=False)
        scene.again()
        running = scene.names()
        if done.returncode == 0:
            assert running == ["g"]
        if running:
            assert len(scene.daemon.qemus()) == 1
            scene.daemon.virsh("destroy", "g")
        scene.as_before()


def test_killed_while_it_ends_a_guest(scene: Scene) -> None:
    scene.daemon.virsh("create", scene.xml, "--paused")
    scene.arm(0)
    scene.daemon.virsh("destroy", "g")
    acts = scene.acts()
    scene.again()
    for moment in moments(len(acts)):
        scene.daemon.virsh("create", scene.xml, "--paused")
        scene.arm(moment)
        done = scene.daemon.virsh("destroy", "g", check=False)
        scene.again()
        running = scene.names()
        if done.returncode == 0:
            assert running == []
        if running:
            scene.daemon.virsh("destroy", "g")
        scene.as_before()


def test_told_to_end_while_it_starts_a_guest(scene: Scene) -> None:
    scene.arm(0)
    scene.daemon.virsh("create", scene.xml, "--paused")
    acts = scene.acts()
    scene.daemon.virsh("destroy", "g")
    scene.again()
    for moment in moments(len(acts)):
        scene.arm(moment, "TERM")
        done = scene.daemon.virsh("create", scene.xml, "--paused", check=False)
        if "KILLED BEFORE" in scene.daemon.log.rpartition(" serving ")[2]:
            assert scene.daemon.process is not None
            assert scene.daemon.process.wait(lab.BOUND_S) == 0
        assert "Traceback" not in scene.daemon.log
        scene.again()
        running = scene.names()
        if done.returncode == 0:
            assert running == ["g"]
        if running:
            assert len(scene.daemon.qemus()) == 1
            scene.daemon.virsh("destroy", "g")
        scene.as_before()


def test_killed_while_it_mends_what_a_kill_left(scene: Scene) -> None:
    def leave_work() -> None:
        """Kill a daemon, and its guest after it."""
        scene.daemon.virsh("create", scene.xml, "--paused")
        scene.daemon.kill()
        os.kill(scene.daemon.qemu("g"), 9)
        lab.eventually(lambda: not scene.daemon.qemus(), "it is dead")

    leave_work()
    scene.arm(0)
    scene.daemon.start()
    acts = scene.acts()
    scene.again()
    scene.as_before()
    mending = next(number for number, act in enumerate(acts, 1) if "g.status.json" in act)
    for moment in moments(len(acts), mending):
        leave_work()
        scene.arm(moment)
        try:
            scene.daemon.start()
        except AssertionError:
            assert "KILLED BEFORE" in scene.daemon.log
        scene.again()
        assert scene.names() == []
        scene.as_before()
