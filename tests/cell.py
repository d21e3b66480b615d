"""Diagnoses within namespaces of their own, where a fault harms nobody and all ends with the cell.

`diagnosed` runs a script and a failing program inside fresh mount and network namespaces, then the
diagnosis there, and returns its findings as data. This module is also the program that runs inside.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

from tests import lab
from virtup.host import tap
from virtup.machine.diagnose import diagnose
from virtup.model.evidence import Evidence

UID = 65534
CELL = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
PRIVATE_DEV = (
    "mount -t tmpfs -o mode=755 cell /mnt && "
    "for one in null zero full random urandom tty; do cp -a /dev/$one /mnt/; done && "
    "mkdir /mnt/net && {inside} && mount --move /mnt /dev"
)
"""A /dev of the cell's own with the plain devices, and what ``inside`` makes in /mnt."""


def diagnosed(setup: str, action: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the findings on *action* after *setup* (a shell script), both in a cell.

    *action* is ``{"qemu": [options], "uid": number}``, ``{"tap": {arguments of open_tap}}`` or
    ``{"said": {fields of the evidence}}``, words that nobody there can bring about.
    """
    spec = json.dumps({"setup": setup, "action": action})
    done = subprocess.run(
        [*CELL, sys.executable, "-m", "tests.cell"],
        input=spec,
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        cwd=lab.PROJECT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _qemu(options: list[str], uid: int) -> Evidence:
    argv = [lab.QEMU, "-S", "-nodefaults", "-display", "none", "-m", "32", *options]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S,
        user=uid,
        group=uid,
        extra_groups=[],
        check=False,
    )
    return Evidence(
        phase="monitor",
        argv=tuple(argv),
        emulator=lab.QEMU,
        stderr=done.stderr,
        exit_status=done.returncode,
        user="" if uid else "root",
        uid=uid,
        gids=(uid,),
    )


def _tap(wanted: dict[str, Any]) -> Evidence:
    try:
        tap.open_tap(**wanted)
    except tap.TapError as error:
        return Evidence(phase="prepare", error=error.message, errno=error.errno or None, uid=0)
    raise AssertionError("the tap opened")


def _said(fields: dict[str, Any]) -> Evidence:
    return Evidence(phase="monitor", emulator=lab.QEMU, uid=UID, gids=(UID,), guest="g", **fields)


def _failed(action: dict[str, Any]) -> Evidence:
    if "tap" in action:
        return _tap(action["tap"])
    if "said" in action:
        return _said(action["said"])
    return _qemu(action["qemu"], action.get("uid", UID))


def main() -> None:
    """Make the fault, fail, diagnose, print the findings as JSON."""
    spec = json.load(sys.stdin)
    subprocess.run(["mount", "-t", "sysfs", "cell", "/sys"], check=True)
    subprocess.run(["sh", "-ec", spec["setup"]], check=True, stdout=subprocess.DEVNULL)
    found = asyncio.run(diagnose(_failed(spec["action"])))
    sys.stdout.write(json.dumps([one.to_dict() for one in found]))


if __name__ == "__main__":
    main()
