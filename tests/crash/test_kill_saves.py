"""kill -9 of virtupd, of QEMU, of both, at random moments of saves and restores of a real guest.

The guest counts in memory and on its disk, and prints both. Whatever is killed, the number never
goes back and the two never split; and a state that was saved is not lost without a word.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import lab
from tests.figures import Tell

pytestmark = [pytest.mark.e2e, pytest.mark.root]

SEED = int(os.environ.get("VIRTUP_SEED", "9"))
KILLS = int(os.environ.get("VIRTUP_KILLS", "12"))
"""How many kills one run has."""

SPAN_S = 0.35
"""A save or a restore of this guest, its client's process included, takes less, most times."""

KILL_S = 10
"""More than one kill takes, with all that is looked at after it, on a busy host."""

VICTIMS = ("virtupd", "virtupd", "QEMU", "both")
"""virtupd more often: a guest without its QEMU has to boot, which takes seconds."""

LINE = re.compile(r"^(?:count (\d+) (\d+)|(counting) from (\d+))\s*$", re.MULTILINE)
RUNS, RESTORED, COLD = "ran on", "restored whole", "booted cold"
FOLLOWED = 10
"""One of so many cold boots is followed until the guest counts again: that takes seconds."""


@dataclass
class Counting:
    """The guest that counts, the daemon that saves it, and a state of it to begin from."""

    daemon: lab.Daemon
    serial: Path
    disk: Path
    cold: int = 0

    @property
    def kept(self) -> Path:
        return self.daemon.root / "kept"

    def lines(self) -> list[re.Match[str]]:
        """Every whole line that the guest printed since it was begun anew."""
        text = self.serial.read_text(errors="replace") if self.serial.exists() else ""
        return list(LINE.finditer(text[: text.rfind("\n") + 1]))

    def counts_on(self) -> None:
        """Wait until the guest has counted on from now, and look at all that it printed."""
        before = len(self.lines())
        lab.eventually(lambda: len(self.lines()) > before + 2, f"it counts\n{self.daemon.log}")
        highest = 0
        for line in self.lines():
            memory, disk = (line[4], line[4]) if line[3] else (line[1], line[2])
            assert memory == disk, f"memory and disk split: {line[0]!r}"
            assert int(memory) >= highest, f"it went back from {highest}: {line[0]!r}"
            highest = int(memory)

    def keep(self) -> None:
        """Save the guest, and keep its state and its disk, to begin from any number of times."""
        self.daemon.virsh("save", "counter", self.kept)
        shutil.copy2(self.disk, f"{self.kept}.disk")

    def begin(self) -> None:
        """Have the guest run as it was kept, with its disk as it was, and nothing else there."""
        if self.daemon.virsh("domstate", "counter").stdout.strip() != "shut off":
            self.daemon.virsh("destroy", "counter")
        self.daemon.virsh("managedsave-remove", "counter")
        for left in (self.daemon.root / "lib/qemu/save").iterdir():
            left.unlink()
        self.serial.unlink(missing_ok=True)
        was = os.stat(f"{self.kept}.disk")
        with self.disk.open("r+b") as disk:  # the same file, as far as can be told
            disk.write(Path(f"{self.kept}.disk").read_bytes())
        os.utime(self.disk, ns=(was.st_atime_ns, was.st_mtime_ns))
        again = shutil.copy(self.kept, f"{self.kept}.again")
        self.daemon.virsh("restore", again)
        self.counts_on()

    def state(self) -> str:
        return self.daemon.virsh("domstate", "counter", "--reason").stdout.strip()

    def kill(self, verb: str, victim: str, after_s: float, gap_s: float) -> bool:
        """Run *verb*, kill *victim* meanwhile; tell whether the verb succeeded all the same."""
        client = self.daemon.virsh.popen(verb, "counter")
        time.sleep(after_s)
        if victim != "QEMU":
            self.daemon.kill()
        if victim != "virtupd":
            time.sleep(gap_s if victim == "both" else 0)
            for pid in self.daemon.qemus():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        client.communicate(timeout=lab.BOUND_S)
        if victim != "QEMU":
            self.daemon.start()
        return client.returncode == 0

    def notes(self) -> str:
        """What the record of the last start says of a state that was not loaded."""
        said = self.daemon.virtup("attempts", "counter", "--json").stdout
        return " ".join(json.loads(said)[-1]["notes"])

    def settle(self) -> str:
        """Bring the guest to run, whatever became of it; how it came to run."""
        lab.eventually(
            lambda: self.state().startswith("running") == bool(self.daemon.qemus()),
            f"virtupd knows whether QEMU is there\n{self.daemon.log}",
        )
        if self.state().startswith("running"):
            self.counts_on()
            return RUNS
        done = self.daemon.virsh("start", "counter", check=False)
        if done.returncode:
            assert "/save/" in done.stderr, f"refused without naming the image: {done.stderr}"
            self.daemon.virsh("start", "counter")
        if self.state() == "running (restored)":
            self.counts_on()
            return RESTORED
        if self.cold % FOLLOWED == 0:
            self.counts_on()
        self.cold += 1
        return COLD


@pytest.fixture
def counting(make_daemon: Callable[..., lab.Daemon], guest_dir: Path) -> Counting:
    daemon = make_daemon()
    disk, serial = daemon.root / "disk.img", daemon.root / "serial"
    disk.write_bytes(b"count 0\n".ljust(64 << 10, b"\0"))
    device = f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/>
        <source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"""
    text = lab.domain_xml(
        "counter", guest_dir, devices=device, cmdline="guest=count", memory_mib=96
    )
    port = f"<serial type='file'><source path='{serial}' append='on'/></serial>"
    text = text.replace("<serial type='pty'/>", port).replace("<console type='pty'/>", "")
    xml = daemon.root / "counter.xml"
    xml.write_text(text)
    daemon.virsh("define", xml)
    daemon.virsh("start", "counter")
    counting = Counting(daemon, serial, disk)
    counting.counts_on()
    counting.keep()
    return counting


def killed_in_a_save(counting: Counting, rng: random.Random, victim: str) -> str:
    done = counting.kill("managedsave", victim, rng.uniform(0, SPAN_S), rng.uniform(0, 0.05))
    became = counting.settle()
    if done:
        assert became is RESTORED, "the save had succeeded, and its state was not restored"
    return became


def killed_in_a_restore(counting: Counting, rng: random.Random, victim: str) -> str:
    counting.daemon.virsh("managedsave", "counter")
    done = counting.kill("start", victim, rng.uniform(0, SPAN_S), rng.uniform(0, 0.05))
    printed = len(counting.lines())
    became = counting.settle()
    if became is COLD:
        ran = done or printed < len(counting.lines())
        # nothing is lost of a state that had been loaded and ran until its QEMU was killed
        assert ran or victim != "virtupd" or "restored before" in counting.notes()
    return became


@pytest.mark.bound(300 + KILLS * KILL_S)
def test_the_counter_never_goes_back_and_never_splits(counting: Counting, tell: Tell) -> None:
    rng = random.Random(SEED)
    counted: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for _ in range(KILLS):
        act = rng.choice(("save", "restore"))
        victim = rng.choice(VICTIMS)
        counting.begin()
        run = killed_in_a_save if act == "save" else killed_in_a_restore
        counted[act, victim, run(counting, rng, victim)] += 1
    tell(f"{KILLS} kills, seed {SEED}, each from a counting guest:")
    for (act, victim, became), number in sorted(counted.items()):
        tell(f"{number:>7}  {victim} killed in a {act}: {became}")
    assert sum(counted.values()) == KILLS
