"""virtup-guests against a real daemon and real guests, and against a stock libvirtd."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e

TICK = re.compile(r"tick (\d+)\r?\n")


class Guests:
    """The command, with everything of its own under the daemon's root."""

    def __init__(self, daemon: lab.Daemon) -> None:
        self.daemon = daemon

    def __call__(self, *words: str, check: int | None = 0, **env: str) -> str:
        done = subprocess.run(
            [lab.PROGRAMS / "virtup-guests", "--root", self.daemon.root, *words],
            env={**lab.environment(), "URIS": self.daemon.uri, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=lab.BOUND_S * 2,
            check=False,
        )
        assert check is None or done.returncode == check, (
            f"{words}: {done.returncode}\n{done.stdout}{self.daemon.log}"
        )
        return done.stdout

    def status(self, check: int | None = 0) -> dict:
        return json.loads(self("status", "--json", check=check))


@pytest.fixture
def guests(daemon: lab.Daemon) -> Guests:
    return Guests(daemon)


@pytest.mark.root
def test_a_stock_libvirtd_is_served_too() -> None:
    from tests.private import PrivateHost

    host = PrivateHost()
    try:
        host.start_stock()
        folder = host.guest()
        xml = lab.domain_xml("a", folder, memory_mib=96)
        host.outside("/var/lib/virtup/a.xml").write_text(xml)
        host.virsh("define", "/var/lib/virtup/a.xml")
        host.virsh("start", "a")

        def call(verb: str, check: int = 0) -> str:
            uri = "qemu+unix:///system?socket=/run/libvirt/libvirt-sock"
            done = host.run("env", f"URIS={uri}", lab.PROGRAMS / "virtup-guests", verb, check=False)
            assert done.returncode == check, f"{verb}: {done.stdout}{done.stderr}"
            return done.stdout

        assert re.search(r"a: save, up to \d+ MiB\n", call("plan"))
        assert "a: saved\n" in call("stop")
        assert "saved" in host.virsh("list", "--all", "--managed-save").stdout
        assert "a: restored\n" in call("start")
        assert "restored" in host.virsh("domstate", "--reason", "a").stdout
        assert "a: restored" not in call("start"), "nobody is left to come back"
        host.virsh("destroy", "a")
    finally:
        host.close()


def running(daemon: lab.Daemon, *names: str, agent: bool = False, memory_mib: int = 96) -> None:
    for name in names:
        place = daemon.root / f"{name}.xml"
        place.write_text(lab.domain_xml(name, lab.guest_dir(), agent=agent, memory_mib=memory_mib))
        daemon.virtup("define", place)
        daemon.virtup("start", name)


def until(daemon: lab.Daemon, name: str, text: str) -> str:
    command = [*daemon.virtup.command, "-c", daemon.uri, "console", "--force", name]
    with lab.Terminal(command) as console:
        return console.until(text)


def test_saved_shut_down_and_back(daemon: lab.Daemon, guests: Guests) -> None:
    assert guests("status", check=3).startswith("stopped, nobody is to come back\n")
    running(daemon, "a", "b")
    until(daemon, "b", "GUEST-READY")
    assert re.search(r" 1 +a +running\n 2 +b +running\n", guests("gueststatus"))
    plan = guests("plan")
    assert "a: save, up to " in plan
    assert "2 to save: up to " in plan
    assert "are free in" in plan
    assert json.loads(guests("plan", "--json"))[daemon.uri]["steps"][0]["act"] == "save"

    said = guests("stop", check=0)
    assert "a: saved\n" in said
    assert daemon.virtup("list", "--name").stdout.split() == []
    assert guests("status", check=3).startswith("stopped, guests are to come back\n")

    said = guests("start", SYNC_TIME="1")
    assert "a: restored\n" in said
    assert "a: its clock was not set: argument unsupported: QEMU guest agent" in said
    assert guests("status").startswith("started\n")
    assert {each["outcome"] for each in guests.status()["start"]["guests"]} == {"restored"}
    assert sorted(daemon.virtup("list", "--name").stdout.split()) == ["a", "b"]

    daemon.virtup("destroy", "a")
    assert "b: shut down" in guests("shutdown", SHUTDOWN_TIMEOUT="60")
    assert "b: started\n" in guests("start")


def test_one_without_room_is_shut_down_and_a_dead_daemon_is_an_error(
    daemon: lab.Daemon, guests: Guests
) -> None:
    running(daemon, "big", memory_mib=512)
    until(daemon, "big", "GUEST-READY")
    said = guests("stop", SAVE_SPEED="1", DEADLINE="60")
    assert "big: shut down: time does not suffice" in said
    daemon.stop()
    assert "cannot be reached" in guests("start", check=1, CONNECT_TIMEOUT="1")
    assert "cannot be reached" in guests("stop", check=1, CONNECT_TIMEOUT="1")
    assert "cannot be reached" in guests("plan", check=1)
    assert "Failed to connect" in guests("gueststatus", check=1)
    facts = guests.status(check=3)
    assert [each["name"] for each in facts["waiting"]] == ["big"]
    assert "cannot be reached" in facts["autostart"][0]["error"]
    daemon.start()
    assert "big: cold-booted: time does not suffice" in guests("start")
    assert guests.status()["waiting"] == []


def test_a_damaged_state_is_a_cold_boot_that_says_so(daemon: lab.Daemon, guests: Guests) -> None:
    running(daemon, "a", "b")
    guests("stop")
    (image,) = daemon.root.rglob("a.save")
    os.truncate(image, 0)
    daemon.stop()
    daemon.start()
    said = guests("start")
    assert "b: restored\n" in said
    assert "a: cold-booted: " in said
    ((outcome, why),) = [
        (each["outcome"], each["why"])
        for each in guests.status()["start"]["guests"]
        if each["name"] == "a"
    ]
    assert outcome == "cold-booted"
    assert why


def test_a_daemon_killed_in_mid_save_loses_nobody(daemon: lab.Daemon, guests: Guests) -> None:
    running(daemon, "a", memory_mib=256)
    until(daemon, "a", "GUEST-READY")
    with subprocess.Popen(
        [lab.PROGRAMS / "virtup-guests", "--root", daemon.root, "stop"],
        env={**lab.environment(), "URIS": daemon.uri, "SHUTDOWN_TIMEOUT": "60"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as stop:
        assert stop.stdout is not None
        assert stop.stdout.readline().startswith("Guests on ")
        daemon.kill()
        daemon.start()
        said = stop.stdout.read()
        stop.wait(lab.BOUND_S)
    outcome = guests.status(check=None)["stop"]["guests"][0]["outcome"]
    if stop.returncode:
        # the daemon was away for the save and for what was tried in its place: that is told, the
        # guest is not forgotten, and it runs on
        assert outcome == "failed", said
        assert "a: failed: " in said
        assert daemon.virtup("list", "--name").stdout.split() == ["a"]
        return
    assert outcome in ("saved", "shut down"), said
    back = guests("start")
    assert ("a: restored\n" if outcome == "saved" else "a: cold-booted: ") in back, (said, back)


def test_usage_and_settings(daemon: lab.Daemon, guests: Guests) -> None:
    assert "invalid choice" in guests("frobnicate", check=2)
    assert "usage" in guests(check=2)
    assert "takes no further words" in guests("start", "web", check=2)
    assert "forget whom?" in guests("forget", check=2)
    assert "'web' is not on the list" in guests("forget", "web", check=1)
    assert guests("reload") == guests("force-reload") == guests("condrestart") == ""
    assert "must be a whole number" in guests("stop", check=6, SHUTDOWN_TIMEOUT="-1")
    (daemon.root / "etc" / "virtup-guests").write_text("ON_SHUTDOWN=shutdwon\n")
    said = guests("start", check=6)
    assert "etc/virtup-guests:1: ON_SHUTDOWN='shutdwon': must be suspend or shutdown" in said
    assert "there is no such file" in guests("--config", "/nowhere", "status", check=6)


def test_guests_that_start_with_the_host(
    make_daemon: Callable[..., lab.Daemon], scratch: Path
) -> None:
    daemon = make_daemon()
    running(daemon, "always", "once", "broken")
    for name in ("always", "once", "broken"):
        daemon.virtup("destroy", name)
    daemon.virtup("autostart", "always")
    daemon.virtup("autostart", "--once", "once")
    daemon.virtup("autostart", "broken")
    broken = daemon.virtup("dumpxml", "broken").stdout.replace("vmlinuz<", "gone<")
    (scratch / "broken.xml").write_text(broken)
    daemon.virtup("define", scratch / "broken.xml")
    daemon.stop()
    for marker in (daemon.root / "run" / "qemu").glob("autostarted*"):
        marker.unlink()  # as a boot of the host does
    daemon.start()
    guests = Guests(daemon)

    def autostarted() -> dict[str, str]:
        (facts,) = guests.status(check=3)["autostart"]
        return {each["name"]: each["outcome"] for each in facts["guests"]}

    try:
        lab.eventually(lambda: len(autostarted()) == 3, "all have been tried")
    except AssertionError as error:
        raise AssertionError(f"{error}: {autostarted()}\n{daemon.log}") from error
    assert autostarted() == {"always": "started", "once": "started", "broken": "failed"}
    text = guests("status", check=3)
    assert "failed:       broken: " in text
    daemon.virtup("destroy", "always")
    daemon.virtup("destroy", "once")
    daemon.stop()
    daemon.start()
    assert len(autostarted()) == 3, "once a boot"
    assert daemon.virtup("list", "--name").stdout.split() == []
    links = sorted(each.name for each in (daemon.root / "etc/qemu/autostart").iterdir())
    assert links == ["always.xml", "broken.xml"]
