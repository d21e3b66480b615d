"""What guests leave behind on a host: for tests that say that there is nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests import lab
from virtup.host.disk import is_leftover


def of(daemon: lab.Daemon) -> list[str]:
    """Everything that a start under this root makes and an end takes away, and is there now."""
    root = daemon.root
    found = [f"process {pid}" for pid in daemon.qemus()]
    for pattern in (
        "lib/qemu/domain-*",
        "run/qemu/channel/*",
        "run/qemu/*.status.json",
        "run/qemu/*.stderr",
    ):
        found += [str(path.relative_to(root)) for path in root.glob(pattern)]
    found += [str(path) for path in root.rglob("*") if is_leftover(path.name)]
    ledger = root / "lib" / "ownership.json"
    if ledger.exists():
        found += [f"lent: {each['path']}" for each in json.loads(ledger.read_text())["records"]]
    return found


def none(daemon: lab.Daemon, *, bound_s: float = lab.BOUND_S) -> None:
    """Wait until nothing is left behind; fail with what is."""
    seen: list[str] = []

    def clean() -> bool:
        seen[:] = of(daemon)
        return not seen

    try:
        lab.eventually(clean, "nothing is left", bound_s=bound_s)
    except AssertionError as error:
        raise AssertionError(f"left behind: {seen}\n{daemon.log}") from error


@dataclass(frozen=True)
class Owned:
    """Owner, group, mode and access list of a file."""

    uid: int
    gid: int
    mode: int
    acl: str

    @classmethod
    def of(cls, path: Path) -> Owned:
        """Look at *path*."""
        import subprocess

        seen = path.stat()
        acl = subprocess.run(
            ["getfacl", "-npE", path], capture_output=True, text=True, check=True
        ).stdout
        return cls(seen.st_uid, seen.st_gid, seen.st_mode, acl)
