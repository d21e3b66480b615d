"""kill -9 of the daemon with guests running, and the next one: what runs is found, what ended told."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab, remains
from tests.remains import Owned

pytestmark = pytest.mark.e2e

Make = Callable[..., lab.Daemon]


def define(daemon: lab.Daemon, name: str, guest_dir: Path, **more: str | bool) -> Path:
    """Write the definition of a guest to a file."""
    path = daemon.root / f"{name}.xml"
    path.write_text(lab.domain_xml(name, guest_dir, **more))  # type: ignore[arg-type]
    return path


def ready(daemon: lab.Daemon, name: str) -> None:
    """Wait until the guest is up, by its console."""
    with lab.Terminal(["virsh", "-c", daemon.uri, "console", name, "--force"]) as console:
        console.until("tick")


def ids(daemon: lab.Daemon) -> dict[str, int]:
    """Name and id of every running guest."""
    lines = daemon.virsh("list").stdout.splitlines()[2:]
    return {words[1]: int(words[0]) for line in lines if len(words := line.split()) > 2}


def heard(events: subprocess.Popen[str]) -> bool:
    """Tell whether a client has been told of anything."""
    return bool(select.select([events.stdout], [], [], 0.05)[0])


def restart(daemon: lab.Daemon) -> None:
    daemon.kill()
    daemon.start()


def test_three_guests_run_on_and_are_found_again(daemon: lab.Daemon, guest_dir: Path) -> None:
    virsh = daemon.virsh
    virsh("create", define(daemon, "passing", guest_dir))
    for name in ("kept", "still"):
        virsh("define", define(daemon, name, guest_dir))
        virsh("start", name)
    for name in ("passing", "kept"):
        ready(daemon, name)
    virsh("suspend", "still")
    before, qemus = ids(daemon), daemon.qemus()
    live = {name: virsh("dumpxml", name).stdout for name in before}
    restart(daemon)
    assert ids(daemon) == before
    assert daemon.qemus() == qemus
    assert {name: virsh("dumpxml", name).stdout for name in before} == live
    assert virsh("domstate", "kept", "--reason").stdout.strip() == "running (booted)"
    assert virsh("domstate", "still", "--reason").stdout.strip() == "paused (user)"
    assert "Persistent:     no" in virsh("dominfo", "passing").stdout
    for name in ("passing", "kept"):
        ready(daemon, name)
    with virsh.popen("event", "--all", "--loop") as events:
        while not heard(events):
            virsh("resume", "still")
            virsh("suspend", "still")
        for name in ("passing", "kept"):
            virsh("shutdown", name, "--mode", "acpi")
        lab.eventually(lambda: list(ids(daemon)) == ["still"], "two have shut down")
        virsh("destroy", "still")
        lab.eventually(lambda: not daemon.qemus(), "the last one is gone")
        events.send_signal(signal.SIGINT)
        told = events.communicate(timeout=lab.BOUND_S)[0]
    for name in ("passing", "kept"):
        assert f"event 'lifecycle' for domain '{name}': Shutdown Finished after guest" in told
        assert f"event 'lifecycle' for domain '{name}': Stopped Shutdown" in told
    assert re.search("event 'lifecycle' for domain 'still': (Resumed Unp|Suspended P)aused", told)
    assert "event 'lifecycle' for domain 'still': Stopped Destroyed" in told
    assert virsh("domstate", "kept", "--reason").stdout.strip() == "shut off (shutdown)"
    assert virsh("list", "--all", "--name").stdout.split() == ["kept", "still"]
    remains.none(daemon)


@pytest.mark.root
def test_what_ended_meanwhile_is_told_and_given_back(
    daemon: lab.Daemon, guest_dir: Path, scratch: Path
) -> None:
    virsh, disk = daemon.virsh, scratch / "disk.img"
    disk.touch()
    os.truncate(disk, 1 << 20)
    disk.chmod(0o640)
    os.chown(disk, 4242, 2424)
    subprocess.run(["setfacl", "-m", "u:daemon:r,g:tty:rw", disk], check=True)
    before = Owned.of(disk)
    devices = f"""<disk type='file'><driver name='qemu' type='raw'/><source file='{disk}'/>
        <target dev='vda' bus='virtio'/></disk>
        <interface type='ethernet'><target dev='vtmean0'/><model type='virtio'/></interface>
        <channel type='unix'><source mode='bind' path='{scratch}/c.sock'/>
        <target type='virtio' name='org.example.c'/></channel>"""
    virsh("define", define(daemon, "kept", guest_dir, devices=devices, agent=True))
    virsh("start", "kept", "--paused")
    virsh("create", define(daemon, "passing", guest_dir), "--paused")
    virsh("create", define(daemon, "other", guest_dir), "--paused")
    assert disk.stat().st_uid != 4242
    assert Path("/sys/class/net/vtmean0").exists()
    last = max(ids(daemon).values())
    daemon.process.kill()  # type: ignore[union-attr]
    for name in ("kept", "passing"):
        os.kill(daemon.qemu(name), signal.SIGKILL)
    restart(daemon)
    assert list(ids(daemon)) == ["other"]
    assert virsh("list", "--all", "--name").stdout.split() == ["other", "kept"]
    assert virsh("domstate", "kept", "--reason").stdout.strip() == "shut off (crashed)"
    assert Owned.of(disk) == before
    assert not Path("/sys/class/net/vtmean0").exists()
    assert not (scratch / "c.sock").exists()
    for name in ("kept", "passing"):
        assert f"guest '{name}' (pid " in daemon.log
        log = (daemon.root / "log" / "qemu" / f"{name}.log").read_text()
        assert re.search(r"\+0000: shutting down, reason=crashed\n\Z", log)
    virsh("destroy", "other")
    remains.none(daemon)
    restart(daemon)
    virsh("create", define(daemon, "passing", guest_dir), "--paused")
    assert ids(daemon)["passing"] > last, "an id is not given to a second guest"


def test_a_guest_that_was_told_to_end_is_ended(daemon: lab.Daemon, guest_dir: Path) -> None:
    virsh = daemon.virsh
    virsh("define", define(daemon, "kept", guest_dir))
    virsh("start", "kept", "--paused")
    pid = daemon.qemu("kept")
    os.kill(pid, signal.SIGSTOP)
    with virsh.popen("destroy", "kept", "--graceful") as destroying:
        status = daemon.root / "run" / "qemu" / "kept.status.json"
        lab.eventually(lambda: '"ending":2' in status.read_text(), "its end has begun")
        restart(daemon)
        assert destroying.wait(lab.BOUND_S) == 1
    lab.eventually(lambda: not daemon.qemus(), "the next daemon ended it")
    assert virsh("domstate", "kept", "--reason").stdout.strip() == "shut off (destroyed)"
    remains.none(daemon)


def test_a_guest_does_not_outlive_its_client_by_the_death_of_the_daemon(
    daemon: lab.Daemon, guest_dir: Path
) -> None:
    xml = define(daemon, "bound", guest_dir)
    shell = ["create", f"--file {xml} --paused --autodestroy", ";", "event --loop --all"]
    with daemon.virsh.popen(" ".join(shell)) as client:
        lab.eventually(lambda: ids(daemon) == {"bound": 1}, "it runs")
        restart(daemon)
        client.kill()
        client.communicate()
    lab.eventually(lambda: not daemon.qemus(), "it is ended")
    remains.none(daemon)


def test_a_guest_whose_record_is_not_understood_is_left_alone(
    daemon: lab.Daemon, guest_dir: Path
) -> None:
    virsh = daemon.virsh
    virsh("define", define(daemon, "odd", guest_dir))
    virsh("start", "odd", "--paused")
    pid = daemon.qemu("odd")
    daemon.kill()
    status = daemon.root / "run" / "qemu" / "odd.status.json"
    status.write_text(status.read_text().replace("<features>", "<tomorrow/><features>"))
    daemon.start()
    assert daemon.qemus() == [pid]
    refused = virsh("start", "odd", check=False)
    assert f"'odd' was started by an earlier virtupd, as process {pid}" in refused.stderr
    assert daemon.qemus() == [pid]
    assert "'tomorrow'" in daemon.log or "<tomorrow>" in daemon.log
    os.kill(pid, signal.SIGKILL)
    lab.eventually(lambda: not daemon.qemus(), "it is gone")
    restart(daemon)
    virsh("start", "odd", "--paused")
    virsh("destroy", "odd")
    remains.none(daemon)


def test_a_qemu_that_is_stopped_is_found_and_goes_on_when_it_does(
    make_daemon: Make, guest_dir: Path
) -> None:
    daemon = make_daemon(start=False)
    config = daemon.root / "etc" / "virtupd.toml"
    config.parent.mkdir(mode=0o700)
    config.write_text("monitor_timeout_s = 0.5\n")
    daemon.start()
    virsh = daemon.virsh
    for name in ("stuck", "fine"):
        virsh("create", define(daemon, name, guest_dir), "--paused")
    pid = daemon.qemu("stuck")
    os.kill(pid, signal.SIGSTOP)
    restart(daemon)
    assert set(ids(daemon)) == {"stuck", "fine"}
    virsh("resume", "fine")
    refused = virsh("resume", "stuck", check=False)
    assert f"QEMU of 'stuck' (pid {pid}) has not answered" in refused.stderr
    assert "stopped (T)" in refused.stderr
    os.kill(pid, signal.SIGCONT)
    lab.eventually(lambda: f"'stuck' answers (pid {pid})" in daemon.log, "it is asked again")
    virsh("resume", "stuck")
    os.kill(pid, signal.SIGSTOP)
    restart(daemon)
    virsh("destroy", "stuck")
    virsh("destroy", "fine")
    remains.none(daemon)


@pytest.mark.parametrize("starting", [False, True])
def test_a_process_that_got_the_number_of_a_qemu_is_left_alone(
    daemon: lab.Daemon, guest_dir: Path, starting: bool
) -> None:
    daemon.virsh("define", define(daemon, "gone", guest_dir))
    daemon.virsh("start", "gone", "--paused")
    pid = daemon.qemu("gone")
    daemon.kill()
    os.kill(pid, signal.SIGKILL)
    lab.eventually(lambda: not daemon.qemus(), "it is dead")
    status = daemon.root / "run" / "qemu" / "gone.status.json"
    record = json.loads(status.read_text())
    with subprocess.Popen(["sleep", "600"]) as stranger:
        ticks = int(Path(f"/proc/{stranger.pid}/stat").read_text().split()[21])
        other_boot = {"pid": stranger.pid, "start_ticks": ticks, "boot": "of another day"}
        status.write_text(json.dumps({**record, **other_boot, "starting": starting}))
        daemon.start()
        assert ids(daemon) == {}
        remains.none(daemon)
        daemon.kill()
        recycled = {"pid": stranger.pid, "start_ticks": ticks - 1}
        status.write_text(json.dumps({**record, **recycled, "starting": starting}))
        daemon.start()
        assert ids(daemon) == {}
        remains.none(daemon)
        assert stranger.poll() is None
        stranger.kill()
    assert daemon.virsh("domstate", "gone").stdout.strip() == "shut off"
