"""Real files, a real ledger, a real ``kill -9`` at any moment of handing over and giving back."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from virtup.host.disk import FileDisk, sweep
from virtup.host.ownership import Ledger

LEND = """
import sys
from virtup.host.accounts import Account
from virtup.host.disk import FileDisk
from virtup.host.ownership import HandOver, Ledger
folder = sys.argv[1]
nobody = Account("nobody", 65534, 65534, (65534,))
ledger = Ledger(f"{folder}/ledger.json", FileDisk())
print("ready", flush=True)
while True:
    for guest, name in (("g", "a"), ("h", "b"), ("h", "a")):
        ledger.hand_over(guest, f"{folder}/{name}", nobody, write=True)
    print("lent", flush=True)
    ledger.give_back("g")
    ledger.give_back("h")
"""
ROUNDS = 12


def owner(path: Path) -> tuple[int, int, int]:
    seen = path.stat()
    return seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)


@pytest.mark.root
def test_whatever_moment_the_daemon_is_killed_the_next_gives_the_files_back(
    tmp_path: Path,
) -> None:
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    dice = random.Random(seed)
    before = {"a": (1234, 77, 0o4600), "b": (0, 0, 0o600)}
    for name, (uid, gid, mode) in before.items():
        (tmp_path / name).write_text("x")
        os.chown(tmp_path / name, uid, gid)
        (tmp_path / name).chmod(mode)
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", LEND, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
            assert daemon.stdout is not None
            for _ in range(dice.randrange(1, 20)):
                assert daemon.stdout.readline()
            daemon.send_signal(signal.SIGKILL)
        sweep(FileDisk(), str(tmp_path))
        ledger = Ledger(f"{tmp_path}/ledger.json", FileDisk())
        ledger.recover([])
        ledger.close()
        assert {name: owner(tmp_path / name) for name in before} == before
        assert set(os.listdir(tmp_path)) <= {"a", "b", "ledger.json"}
