"""A machine that goes down and comes up: systemd, virtupd, virtup-guests, guests and their counters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests import lab
from tests.machine import Machine, terminal, why_not

pytestmark = pytest.mark.e2e

TICK = re.compile(r"tick (\d+)\r?\n")
ORDER = "<metadata><v:boot xmlns:v='urn:virtup:guests:1' {}/></metadata>"


@pytest.fixture
def machine() -> Iterator[Machine]:
    if reason := why_not():
        pytest.skip(reason)
    made = Machine()
    yield made
    made.close()


def define(machine: Machine, name: str, *, boot: str = "", extra: str = "") -> None:
    xml = lab.domain_xml(name, lab.guest_dir(), memory_mib=96, devices=extra)
    if boot:
        xml = xml.replace("<memory", f"{ORDER.format(boot)}<memory", 1)
    machine.file(f"/root/{name}.xml").write_text(xml)
    machine.program("virtup", "define", f"/root/{name}.xml")


def tick(machine: Machine, name: str, least: int = 0) -> int:
    """Read a guest's counter off its console, once it is at least so high."""
    with terminal(machine, ["virtup", "console", "--force", name]) as console:
        while True:
            console.until("tick ")
            console.until("\n")
            seen = [int(number) for number in TICK.findall(console.seen)]
            if seen and seen[-1] >= least:
                return seen[-1]


def status(machine: Machine) -> dict:
    return json.loads(machine.program("virtup-guests", "status", "--json", check=False).stdout)


def came_back(machine: Machine) -> dict[str, tuple[str, str]]:
    """What became of each guest in this boot, once all is over."""
    lab.eventually(
        lambda: (
            machine.systemctl("is-active", "virtup-guests-boot", check=False).stdout.strip()
            in ("active", "failed")
        ),
        "virtup-guests start is over",
    )
    return {
        each["name"]: (each["outcome"], each["why"]) for each in status(machine)["start"]["guests"]
    }


def qemus(machine: Machine) -> set[str]:
    return set(machine.run("pidof", "qemu-system-x86_64", check=False).stdout.split())


@pytest.mark.root
def test_guests_come_back_with_the_machine_and_their_counters(machine: Machine) -> None:
    machine.boot()
    define(machine, "db", boot="order='-1'")
    define(machine, "web")
    define(machine, "auto")
    machine.program("virtup", "autostart", "auto")
    for name in ("web", "db", "auto"):
        machine.program("virtup", "start", name)
    before = {name: tick(machine, name, 5) for name in ("web", "db", "auto")}

    machine.poweroff()
    report = json.loads(machine.disk("/var/lib/virtup/guests/report.json").read_text())
    assert {each["name"]: each["outcome"] for each in report["stop"]["guests"]} == dict.fromkeys(
        before, "saved"
    ), report
    listed = json.loads(machine.disk("/var/lib/virtup/guests/waiting.json").read_text())
    assert {each["name"]: each["how"] for each in listed["guests"]} == dict.fromkeys(
        before, "saved"
    )

    machine.boot()
    assert came_back(machine) == dict.fromkeys(before, ("restored", ""))
    for name, last in before.items():
        now = tick(machine, name)
        assert last <= now, f"{name} counted to {last} before, and {now} after"
        assert tick(machine, name, now + 1) > now
    facts = status(machine)
    assert facts["state"] == "started"
    assert facts["waiting"] == []
    assert [each["name"] for each in facts["autostart"][0]["guests"]] == ["auto"]
    assert facts["autostart"][0]["guests"][0]["outcome"] == "restored"
    text = machine.program("virtup-guests", "status").stdout
    assert "restored:     auto, db, web" in text
    assert machine.systemctl("--failed", "--quiet", check=False).stdout == ""
    the_daemon_may_go_and_guests_run_on(machine)


def the_daemon_may_go_and_guests_run_on(machine: Machine) -> None:
    """Restart, kill and hang the daemon: systemd starts it anew, and nobody notices in a guest."""
    running = qemus(machine)
    assert len(running) == 3
    machine.systemctl("restart", "virtupd")
    assert qemus(machine) == running
    machine.systemctl("kill", "--signal=KILL", "--kill-whom=main", "virtupd")
    machine.program("virtup", "list")  # waits at the socket until the new daemon serves it
    assert qemus(machine) == running
    drop_in = machine.file("/etc/systemd/system/virtupd.service.d/lab.conf")
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=2\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "virtupd")
    machine.systemctl("kill", "--signal=STOP", "--kill-whom=main", "virtupd")
    lab.eventually(
        lambda: (
            "Result=watchdog" in machine.systemctl("show", "virtupd", "-p", "Result").stdout
            or "NRestarts=2" in machine.systemctl("show", "virtupd", "-p", "NRestarts").stdout
        ),
        "the watchdog bites",
    )
    assert sorted(machine.program("virtup", "list", "--name").stdout.split()) == [
        "auto",
        "db",
        "web",
    ]
    assert qemus(machine) == running
    now = tick(machine, "web")
    assert tick(machine, "web", now + 1) > now


@pytest.mark.root
def test_what_fails_is_told_and_nobody_is_forgotten(machine: Machine) -> None:
    settings = machine.disk("/etc/default/virtup-guests")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("CONNECT_TIMEOUT=3  # seconds\nPARALLEL_SAVE=1\n")
    machine.boot()
    machine.run(
        "sh", "-c", "mkdir /srv/disks && truncate -s 1M /srv/disks/bad.img && chmod 755 /srv"
    )
    disk = (
        "<disk type='file'><driver name='qemu' type='raw'/><source file='/srv/disks/bad.img'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    define(machine, "good")
    define(machine, "bad", extra=disk)
    for name in ("good", "bad"):
        machine.program("virtup", "start", name)
    last = tick(machine, "good", 3)
    machine.poweroff()
    machine.disk("/srv/disks/bad.img").unlink()

    machine.boot()
    seen = came_back(machine)
    assert seen["good"] == ("restored", "")
    assert seen["bad"][0] == "failed"
    assert "/srv/disks/bad.img" in seen["bad"][1]
    assert tick(machine, "good") >= last
    assert [each["name"] for each in status(machine)["waiting"]] == ["bad"]
    states = machine.systemctl("is-active", "virtup-guests-boot", "virtup-guests", check=False)
    assert states.stdout.split() == ["failed", "active"], "the failure shows, and saves go on"
    machine.poweroff()

    drop_in = machine.disk("/etc/systemd/system/virtupd.service.d/lab.conf")
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/bin/false\n")
    machine.boot()
    assert came_back(machine) == {}
    facts = status(machine)
    assert {each["name"] for each in facts["waiting"]} == {"good", "bad"}
    assert "still listed: bad, good" in facts["start"]["errors"][0]

    machine.file("/etc/systemd/system/virtupd.service.d/lab.conf").unlink()
    machine.systemctl("daemon-reload")
    machine.systemctl("reset-failed")
    machine.systemctl("restart", "virtupd.socket", "virtupd.service")
    done = machine.program("virtup-guests", "start", check=False)
    assert done.returncode == 1, done.stdout
    assert "good: restored" in done.stdout
    assert tick(machine, "good") >= last
    assert machine.program("virtup-guests", "forget", "bad").returncode == 0
    assert status(machine)["waiting"] == []
    the_machine_is_held_up_through_logind(machine)


HOLDS = """
import subprocess
from virtup.host.inhibit import inhibited

with inhibited("virtup-guests", "guests are being saved") as held:
    said = subprocess.run(["systemd-inhibit", "--list", "--no-pager"], capture_output=True, text=True)
    print(held, said.stdout)
"""


def the_machine_is_held_up_through_logind(machine: Machine) -> None:
    machine.systemctl("start", "dbus.service", "systemd-logind.service")
    said = machine.run(lab.PROGRAMS / "python", "-c", HOLDS).stdout
    assert said.startswith("True "), said
    (line,) = [line for line in said.splitlines() if "virtup-guests" in line]
    assert "shutdown:sleep" in line
    assert "block" in line
    after = machine.run("systemd-inhibit", "--list", "--no-pager").stdout
    assert "virtup-guests" not in after
