"""Runs the fault lab against virtup, and counts what it made of the faults.

The lab (a folder with ``run-faults``, its specifications and its adapters' base) is data: it is run
where it lies and not written to. Every fault has a cell of its own, with a daemon of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import lab

LAB = lab.SHARED / "faults"
ADAPTER = Path(__file__).with_name("virtup_adapter.py")
PRIVATE = ("/etc/virtup", "/var/lib/virtup", "/var/log/virtup", "/var/cache/virtup")
"""The mount points that the adapter needs; empty ones that were not there are removed."""
BOUND_S = 1800.0


@dataclass(frozen=True)
class Faults:
    """What virtup made of the faults; each is a dict as the lab's JSON has it.

    ``table`` is what the lab printed of each.
    """

    results: tuple[dict[str, Any], ...]
    table: str

    @property
    def failing(self) -> list[dict[str, Any]]:
        """The faults that kept the guest from starting, as they are meant to."""
        return [one for one in self.results if one["expect"] == "fail" and one["fails"]]

    def having(self, *columns: str) -> set[str]:
        """The failing faults of which the error, or what ``why`` or ``check`` says, has *columns*."""
        return {
            one["id"]
            for one in self.failing
            if any(all(one[by][each] for each in columns) for by in ("score", "score_explain"))
        }

    @property
    def misled(self) -> set[str]:
        """Those where ``why`` or ``check`` blames the wrong thing, QEMU's own words left out."""
        return {one["id"] for one in self.failing if one["score_explain"]["wrong"]}

    @property
    def kept(self) -> set[str]:
        """Those with cause, thing and repair within a second of the failure, all told."""
        named = self.having("cause", "subject", "fix")
        took = {one["id"]: one["seconds"] + one["explain_seconds"] for one in self.failing}
        return {name for name in named if took[name] <= 1.0}

    def told(self, key: str) -> set[str]:
        """The faults of which the lab notes *key*."""
        return {one["id"] for one in self.results if one.get(key)}

    @property
    def started(self) -> set[str]:
        """The faults that did not keep the guest from starting."""
        return {one["id"] for one in self.results if one["expect"] == "fail" and not one["fails"]}

    @property
    def alarms(self) -> set[str]:
        """Those where something was explained of a guest that ran well."""
        well = ("is running", "went well", "No start")
        said = {one["id"]: str(one.get("healthy_explain", "")).strip() for one in self.results}
        return {
            name for name, text in said.items() if text and not any(one in text for one in well)
        }

    def figures(self) -> str:
        """The table and the figures, in lines to print."""
        failing = len(self.failing)
        safe = [one for one in self.failing if one["fix_class"] == "auto"]
        mended = self.told("autofix_ok")
        rows = [
            ("cause named", len(self.having("cause")), failing),
            ("subject named", len(self.having("subject")), failing),
            ("cause and subject", len(self.having("cause", "subject")), failing),
            ("fix named", len(self.having("fix")), failing),
            ("all three", len(self.having("cause", "subject", "fix")), failing),
            ("... within a second", len(self.kept), failing),
            ("mended, safe fixes", len({one["id"] for one in safe} & mended), len(safe)),
            ("mended, all fixes", len(mended), failing),
        ]
        lines = [f"  {what + ':':22} {count:3} of {whole}" for what, count, whole in rows]
        lists = {
            "wrong blamed": self.misled,
            "harm by a fix": self.told("autofix_harm"),
            "hangs": self.told("hang"),
            "silent loss": self.told("silent_loss"),
            "false alarms": self.alarms,
            "started all the same": self.started,
            "cause or subject not named": {one["id"] for one in self.failing}
            - self.having("cause", "subject"),
        }
        lines += [
            f"  {what + ':':27} {', '.join(sorted(names)) or '-'}" for what, names in lists.items()
        ]
        return "\n".join([self.table, f"faults: {len(self.results)} run, {failing} fail", *lines])


def run(only: Sequence[str], guest: Path, *, healthy: bool, jobs: int = 2) -> Faults:
    """Run the faults *only* (ids, families; all for none) with the guest in the folder *guest*.

    *healthy* also proves that each guest starts and nothing is explained before the fault.
    """
    place = lab.scratch()
    out = place / "results.json"
    command = [str(LAB / "run-faults"), "--adapter", str(ADAPTER), "--json", str(out)]
    command += ["--jobs", str(jobs), *([] if healthy else ["--no-healthy"])]
    command += ["--only", ",".join(only)] if only else []
    try:
        with _mount_points():
            warm(place / "cache")
            done = subprocess.run(
                [sys.executable, *command],
                env=_environment(place, guest),
                capture_output=True,
                text=True,
                timeout=BOUND_S,
                check=False,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        results = json.loads(out.read_text())["results"]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    broken = {one["id"]: one["lab_error"] for one in results if one.get("lab_error")}
    assert not broken, broken
    return Faults(tuple(results), done.stdout.partition("\n{")[0].rstrip())


def _environment(place: Path, guest: Path) -> dict[str, str]:
    return {
        **lab.environment(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LAB_TMP": str(place),
        "LAB_GUEST": str(guest),
        "VIRTUP_PROGRAMS": str(lab.PROGRAMS),
        "VIRTUP_LAB_CACHE": str(place / "cache"),
    }


def warm(cache: Path) -> None:
    """Put what a daemon learns of this host's QEMU into *cache*, so that no cell learns it anew."""
    root = cache.with_name("warm")
    root.mkdir()
    daemon = lab.Daemon(root)
    try:
        daemon.start()
        daemon.virtup("domcapabilities")
    finally:
        daemon.close()
    shutil.copytree(root / "cache", cache)


@contextlib.contextmanager
def _mount_points() -> Iterator[None]:
    missing = [path for path in PRIVATE if not os.path.isdir(path)]
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                os.rmdir(path)
