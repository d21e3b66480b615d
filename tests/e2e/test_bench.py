"""The bench measures, prints its table and its values; what the values are, it does not assert."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e

BENCH = lab.PROJECT / "bench" / "run.py"


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCH, *words],
        env=lab.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_measures_creates_refusals_and_clients(tmp_path: Path) -> None:
    values = tmp_path / "values.json"
    done = bench("-n", "1", "--no-libvirt", "--only", "create,refuse,client", "--json", str(values))
    assert done.returncode in {0, 1}, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("QEMU emulator version")
    starts = [line[:46].split("  ")[0] for line in lines]
    assert {"create", "client"} <= set(starts)
    measured = json.loads(values.read_text())
    wanted = {"create: bare QEMU", "create: virsh to virtupd", "create: virtup to virtupd"}
    wanted |= {"client: bare Python", "client: virsh --version", "client: virtup --version"}
    if lab.IS_ROOT:
        wanted |= {"refuse, after QEMU's exit: virsh to virtupd"}
    assert wanted <= set(measured)
    assert all(len(one) == 1 and one[0] > 0 for one in measured.values())


def test_an_unknown_section_is_refused() -> None:
    done = bench("--only", "creat")
    assert done.returncode == 2
    assert "no section is called creat; create, refuse, client, parallel, save are" in done.stderr
