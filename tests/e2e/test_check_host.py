"""`virtup check --boot` and `--shutdown` with real guests: what they foretell is what comes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from tests.machine import Machine, why_not
from tests.private import PrivateHost

pytestmark = [pytest.mark.e2e, pytest.mark.root]

URI = "qemu+unix:///system?socket=/run/libvirt/libvirt-sock"
ORDER = "<metadata><v:boot xmlns:v='urn:virtup:guests:1' order='{}'/></metadata>"
DISK = (
    "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


class Host:
    """A host of its own with virtupd and guests, and what is foretold there."""

    def __init__(self) -> None:
        self.host = PrivateHost()
        self.host.start_virtupd()
        self.virtup = lab.Client(self.host.command(lab.PROGRAMS / "virtup"), URI)

    def define(self, name: str, *, order: int = 0, devices: str = "", verb: str = "define") -> None:
        xml = lab.domain_xml(name, self.host.guest(), memory_mib=96, devices=devices)
        xml = xml.replace("<memory", f"{ORDER.format(order)}<memory", 1)
        self.host.outside(f"/var/lib/virtup/{name}.xml").write_text(xml)
        self.virtup(verb, f"/var/lib/virtup/{name}.xml")

    def guests(self, verb: str) -> str:
        command = ["env", f"URIS={URI}", lab.PROGRAMS / "virtup-guests", verb]
        return self.host.run(*command).stdout

    def check(self, which: str, status: int, **env: str) -> dict[str, dict[str, Any]]:
        """What is foretold of each guest; the document is in ``told``, the text in ``text``."""
        settings = [f"{key}={value}" for key, value in env.items()]
        command = ["env", *settings, lab.PROGRAMS / "virtup", "-c", URI]
        done = self.host.run(*command, "check", which, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        self.text = done.stdout
        lines = [line for line in self.text.splitlines() if URI not in line]
        assert all(len(line) <= 80 for line in lines), self.text
        told = self.host.run(*command, "--json", "check", which, check=False)
        assert told.returncode == status
        self.told = json.loads(told.stdout)
        assert self.told["ok"] == (status == 0)
        (daemon,) = self.told["daemons"]
        return {one["name"]: one for one in daemon["guests"]}


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.host.close()


def test_what_comes_back_and_what_bars_it(host: Host) -> None:
    disk = "/var/lib/virtup/data.img"
    host.define("db", order=-1)
    host.define("web")
    host.define("auto", devices=DISK.format(disk))
    host.define("idle", devices=DISK.format("/nowhere.img"))
    host.define("passing", verb="create")
    host.virtup("start", "db")
    host.virtup("start", "web")
    host.virtup("autostart", "auto")

    found = host.check("--boot", 1)
    assert {name: (one["comes"], one["by"], one["turn"]) for name, one in found.items()} == {
        "db": ("restored", "virtup-guests", 1),
        "web": ("restored", "virtup-guests", 2),
        "auto": ("blocked", "autostart", 0),
        "idle": ("stays off", "", 0),
        "passing": ("lost", "", 0),
    }
    assert [one["code"] for one in found["auto"]["findings"]] == ["VU004"]
    assert " -      auto      blocked     autostart       VU004 disk-file-missing\n" in host.text
    assert "more:     virtup check auto\n" in host.text
    assert "passing: it is transient" in host.text
    assert "note:     systemd does not run here" in host.text

    with host.host.outside(disk).open("wb") as file:
        file.truncate(1 << 20)
    found = host.check("--boot", 0)
    assert (found["auto"]["comes"], found["auto"]["turn"]) == ("booted", 1)
    host.virtup("autostart", "--disable", "auto")
    host.virtup("autostart", "--once", "auto")
    assert host.check("--boot", 0)["auto"]["by"] == "autostart --once"

    found = host.check("--boot", 1, ON_BOOT="ignore")
    assert {name for name, one in found.items() if one["comes"] == "blocked"} == {"db", "web"}
    assert "fix:      set ON_BOOT=start in /etc/default/virtup-guests\n" in host.text
    assert "setting 'ON_BOTT'" not in host.text


def test_who_waits_for_the_next_boot(host: Host) -> None:
    for name in ("db", "web", "gone"):
        host.define(name)
        host.virtup("start", name)
    host.guests("stop")
    found = host.check("--boot", 0)
    assert {one["comes"] for one in found.values()} == {"restored"}
    assert "it would go on from its saved state" in " ".join(host.text.split())

    image = host.host.outside("/var/lib/libvirt/qemu/save/web.save")
    os.truncate(image, image.stat().st_size // 2)
    host.virtup("undefine", "gone", "--managed-save")
    found = host.check("--boot", 1)
    assert found["db"]["comes"] == "restored"
    assert found["gone"]["why"] == ["there is no such guest any more"]
    damaged = found["web"]["findings"] or found["web"]["notes"]
    assert damaged, found["web"]
    comes = found["web"]["comes"]

    done = host.host.run(
        *("env", f"URIS={URI}", lab.PROGRAMS / "virtup-guests", "start"), check=False
    )
    assert "db: restored\n" in done.stdout
    assert ("web: failed" in done.stdout) == (comes == "blocked"), done.stdout


def test_what_a_shutdown_needs(host: Host) -> None:
    host.define("db")
    host.define("passing", verb="create")
    host.virtup("start", "db")
    found = host.check("--shutdown", 1)
    assert {name: one["becomes"] for name, one in found.items()} == {
        "db": "saved",
        "passing": "lost",
    }
    assert " db        saved     " in host.text
    assert "passing: it is transient" in host.text
    assert "that are free in '/var/lib/libvirt/qemu/save'" in " ".join(host.text.split())
    (daemon,) = host.told["daemons"]
    assert 32 << 20 < daemon["needs_bytes"] <= 130 << 20
    assert daemon["free_bytes"] > daemon["needs_bytes"]
    assert daemon["bytes_per_s"] > 0
    assert host.told["deadline_s"] == 600

    host.virtup("destroy", "passing")
    assert host.check("--shutdown", 0)["db"]["becomes"] == "saved"
    late = host.check("--shutdown", 1, SAVE_SPEED="1", DEADLINE="20")["db"]
    assert late["becomes"] == "shut down"
    assert "time does not suffice" in late["why"]
    asked = host.check("--shutdown", 0, ON_SHUTDOWN="shutdown")["db"]
    assert (asked["becomes"], asked["why"]) == ("shut down", "")
    wrong = host.check("--shutdown", 1, SAVE_SPEED="fast")
    assert wrong["db"]["becomes"] == "saved"
    assert "problem:  environment, SAVE_SPEED: SAVE_SPEED='fast'" in host.text

    save = "/var/lib/libvirt/qemu/save"
    host.host.run("mount", "-t", "tmpfs", "-o", "size=140m", "tmpfs", save)
    full = host.check("--shutdown", 1)["db"]
    assert "space does not suffice" in full["why"]
    assert f"'{save}'" in full["why"]
    host.host.run("umount", save)
    assert "db: saved\n" in host.guests("stop"), "and so it comes"
    assert host.check("--shutdown", 0) == {}
    assert " nobody runs\n" in host.text


@pytest.fixture
def machine() -> Iterator[Machine]:
    if reason := why_not():
        pytest.skip(reason)
    made = Machine()
    yield made
    made.close()


def test_units_that_do_not_start_and_a_boot_that_proves_it(machine: Machine) -> None:
    def check(which: str, status: int) -> dict[str, Any]:
        done = machine.program("virtup", "--json", "check", which, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def wants(name: str) -> Path:
        return machine.file(f"/etc/systemd/system/lab.target.wants/{name}")

    machine.boot()
    for name in ("runs", "auto"):
        xml = lab.domain_xml(name, lab.guest_dir(), memory_mib=96)
        machine.file(f"/root/{name}.xml").write_text(xml)
        machine.program("virtup", "define", f"/root/{name}.xml")
    machine.program("virtup", "start", "runs")
    machine.program("virtup", "autostart", "auto")
    for which in ("--boot", "--shutdown"):
        assert check(which, 0)["problems"] == []

    for name in ("virtupd.service", "virtup-guests.service"):
        wants(name).unlink()
    machine.systemctl("daemon-reload")
    told = check("--boot", 1)
    assert sorted(one["text"] for one in told["problems"]) == [
        "virtup-guests.service is not enabled",
        "virtupd.service is not enabled",
    ]
    assert {one["comes"] for one in told["daemons"][0]["guests"]} == {"blocked"}
    for one in told["problems"]:
        machine.run("sh", "-c", one["fix"])
    assert check("--boot", 0)["ok"]

    machine.systemctl("stop", "virtup-guests.service")
    machine.program("virtup", "start", "runs", check=False)
    told = check("--shutdown", 1)
    (problem,) = told["problems"]
    assert problem["text"] == "virtup-guests.service does not run: nobody is saved"
    assert told["daemons"][0]["guests"][0]["becomes"] == "lost"
    machine.run("sh", "-c", problem["fix"])
    assert check("--shutdown", 0)["ok"]
    drop_in = machine.file("/etc/systemd/system/virtup-guests.service.d/short.conf")
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nTimeoutStopSec=1min 30s\n")
    machine.systemctl("daemon-reload")
    (problem,) = check("--shutdown", 1)["problems"]
    assert "systemd ends virtup-guests.service after 90 s" in problem["text"]
