"""The systemd units: as systemd reads them, where they are put, and what must stand in them."""

from __future__ import annotations

import configparser
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import lab

UNITS = lab.PROJECT / "systemd"
NAMES = ["virtup-guests-boot.service", "virtup-guests.service", "virtupd.service", "virtupd.socket"]


def install(place: Path, *words: str, check: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, lab.PROJECT / "tools" / "install_units.py", "--destdir", place, *words],
        env={**lab.environment(), "HOME": "/root", "XDG_CONFIG_HOME": "/etc"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == check, done.stdout
    return done.stdout


def unit(kind: str, name: str) -> configparser.ConfigParser:
    parser = configparser.RawConfigParser(strict=False, delimiters=["="])
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(UNITS / kind / name)
    return parser


@pytest.mark.parametrize("kind", ["system", "user"])
def test_systemd_has_nothing_to_say_against_them(kind: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    said = install(tmp_path, *(["--user"] if kind == "user" else []))
    (folder,) = {path.parent for path in tmp_path.rglob("virtup*.service")}
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert "daemon-reload" in said
    done = subprocess.run(
        ["systemd-analyze", "--user" if kind == "user" else "--system", "verify", "--man=no"]
        + [str(folder / name) for name in NAMES],
        env={
            **lab.environment(),
            "SYSTEMD_UNIT_PATH": f"{folder}:",
            "XDG_RUNTIME_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "virtup" in line or str(folder) in line]
    assert (done.returncode, ours) == (0, [])


def test_the_programs_are_where_the_installer_says(tmp_path: Path) -> None:
    assert "written: " in install(tmp_path, "--bindir", "/opt/virtup/bin/")
    text = (tmp_path / "etc/systemd/system/virtupd.service").read_text()
    assert "ExecStart=/opt/virtup/bin/virtupd --system\n" in text
    assert "/usr/bin/" not in text
    assert "written: " not in install(tmp_path, "--bindir", "/opt/virtup/bin"), "nothing changed"


def test_guests_are_not_in_the_daemons_kill_group() -> None:
    for kind in ("system", "user"):
        service = unit(kind, "virtupd.service")["Service"]
        assert service["KillMode"] == "process"
        assert service["OOMPolicy"] == "continue"
        assert service["Type"] == "notify"
        assert int(service["WatchdogSec"]) > 0


def test_guests_go_down_before_what_they_need() -> None:
    after = (UNITS / "system" / "virtup-guests.service").read_text()
    behind = {
        word
        for line in after.splitlines()
        if line.startswith("After=")
        for word in line[6:].split()
    }
    assert {"virtupd.service", "virtupd.socket", "remote-fs.target"} <= behind
    assert (
        "/var/lib/virtup/qemu/save"
        in unit("system", "virtup-guests.service")["Unit"]["RequiresMountsFor"]
    )


def test_the_stop_may_take_longer_than_its_deadline() -> None:
    from virtup.guests.settings import Settings

    service = unit("system", "virtup-guests.service")["Service"]
    assert service["TimeoutStopSec"] == "11min"
    assert Settings().deadline < 11 * 60
    service = unit("user", "virtup-guests.service")["Service"]
    assert int(service["Environment"].removeprefix("DEADLINE=")) < int(service["TimeoutStopSec"])


def test_a_failed_start_does_not_keep_guests_from_being_saved() -> None:
    for kind in ("system", "user"):
        assert "ExecStart" not in unit(kind, "virtup-guests.service")["Service"]
        assert unit(kind, "virtup-guests-boot.service")["Unit"]["PartOf"] == "virtup-guests.service"


def test_programs_that_are_not_there_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lab.PROJECT / "tools" / "install_units.py"
    spec = importlib.util.spec_from_file_location("install_units", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PROGRAMS", ("no-such-program",))
    monkeypatch.setattr(sys, "argv", ["install_units.py", "--destdir", str(tmp_path)])
    assert module.main() == 1
    assert "--bindir" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
