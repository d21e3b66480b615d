"""Guests that really run: found again after a kill, shut down, rebooted, asked through their agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests import lab

pytestmark = pytest.mark.e2e

Create = Callable[..., str]


@pytest.fixture
def create(daemon: lab.Daemon, guest_dir: Path) -> Create:
    """Define and start a guest of that name; the keywords are those of lab.domain_xml."""

    def make(name: str, **options: object) -> str:
        path = daemon.root / f"{name}.xml"
        path.write_text(lab.domain_xml(name, guest_dir, **options))  # type: ignore[arg-type]
        daemon.virtup("define", path)
        daemon.virtup("start", name)
        return name

    return make


def console(client: lab.Client, name: str) -> lab.Terminal:
    return lab.Terminal([*client.command, "-c", client.uri, "console", name])


def state(client: lab.Client, name: str) -> str:
    return client("domstate", name).stdout.strip()


def until_off(client: lab.Client, name: str) -> None:
    lab.eventually(lambda: state(client, name) == "shut off", f"'{name}' goes down")


def test_three_guests_are_found_again_after_a_kill(daemon: lab.Daemon, create: Create) -> None:
    names = [create(f"g{number}") for number in (1, 2, 3)]
    before = {name: daemon.virtup("domid", name).stdout for name in names}
    for name in names:
        with console(daemon.virtup, name) as screen:
            screen.until("tick")
    qemus = set(daemon.qemus())
    daemon.kill()
    daemon.start()
    assert set(daemon.qemus()) == qemus
    assert daemon.virtup("list", "--name", "--state-running").stdout.split() == names
    assert {name: daemon.virtup("domid", name).stdout for name in names} == before
    for client, name in zip((daemon.virtup, daemon.virsh, daemon.virtup), names, strict=True):
        with console(client, name) as screen:
            screen.until("tick")
        client("shutdown", name)
        until_off(client, name)
    assert daemon.virtup("domstate", "g1", "--reason").stdout == "shut off (shutdown)\n\n"
    assert not daemon.qemus()


def test_what_ended_while_the_daemon_was_away_is_told(daemon: lab.Daemon, create: Create) -> None:
    create("stays")
    [first] = daemon.qemus()
    create("goes")
    [second] = [pid for pid in daemon.qemus() if pid != first]
    daemon.kill()
    os.kill(second, signal.SIGKILL)
    lab.eventually(lambda: daemon.qemus() == [first], "the killed one is gone")
    daemon.start()
    assert state(daemon.virtup, "stays") == "running"
    assert state(daemon.virtup, "goes") in {"shut off", "crashed"}
    daemon.virtup("start", "goes")
    assert state(daemon.virsh, "goes") == "running"


def test_a_guest_reboots(daemon: lab.Daemon, create: Create) -> None:
    create("again")
    with console(daemon.virtup, "again") as screen:
        screen.until("GUEST-READY")
        pid = daemon.qemus()
        daemon.virtup("reboot", "again")
        screen.until("GUEST-UP")
        screen.until("GUEST-READY")
        daemon.virtup("reset", "again")
        screen.until("GUEST-UP")
    assert daemon.qemus() == pid, "a reboot is the guest's, not QEMU's"
    assert state(daemon.virtup, "again") == "running"


def test_a_suspended_guest_stands_still(daemon: lab.Daemon, create: Create) -> None:
    create("still")
    with console(daemon.virtup, "still") as screen:
        screen.until("tick 1")
        daemon.virsh("suspend", "still")
        assert daemon.virtup("domstate", "--reason", "still").stdout == "paused (user)\n\n"
        daemon.virtup("resume", "still")
        screen.until("tick")
    assert daemon.virsh("domstate", "--reason", "still").stdout == "running (unpaused)\n\n"


def answer_of(client: lab.Client, name: str, ask: str) -> str:
    """What a guest's agent answers, "" when it is not there."""
    return client("qemu-agent-command", name, ask, check=False).stdout.strip()


def test_the_agent_answers_and_shuts_the_guest_down(daemon: lab.Daemon, create: Create) -> None:
    create("talks", agent=True)
    with console(daemon.virtup, "talks") as screen:
        screen.until("guest agent: on")
        ask = '{"execute":"guest-get-host-name"}'
        for client in both(daemon):
            answer = lab.eventually(
                # this agent leaves its port for a moment after each answer
                partial(answer_of, client, "talks", ask),
                "the agent is connected",
            )
            assert json.loads(answer) == {"return": {"host-name": "virtup-guest"}}
        daemon.virtup("shutdown", "talks", "--mode", "agent")
        screen.until("guest agent: shutdown")
    until_off(daemon.virtup, "talks")


def test_an_agent_that_is_silent_hurts_no_start(daemon: lab.Daemon, create: Create) -> None:
    create("mute", agent=True, cmdline="guest=quiet init=/bin/busybox-none panic=-1")
    assert state(daemon.virtup, "mute") == "running"
    for client in both(daemon):
        done = client(
            "qemu-agent-command", "mute", '{"execute":"guest-ping"}', "--timeout", "1", check=False
        )
        assert done.returncode == 1
        assert "uest agent is not" in done.stderr, done.stderr
    assert daemon.virtup("dominfo", "mute").returncode == 0


def both(daemon: lab.Daemon) -> tuple[lab.Client, lab.Client]:
    return daemon.virtup, daemon.virsh


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_disks_network_and_rng_are_in_the_guest(
    daemon: lab.Daemon, create: Create, machine: str
) -> None:
    raw, layered = daemon.root / "raw.img", daemon.root / "layered.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", raw, "8M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", layered, "4M"], check=True)
    devices = f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{raw}'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{layered}'/><target dev='vdb' bus='virtio'/>
    </disk>
    <interface type='user'><mac address='52:54:00:00:00:07'/><model type='virtio'/></interface>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"""
    name = create(f"full-{machine}", devices=devices, machine=machine, cmdline="guest=login")
    with console(daemon.virtup, name) as screen:
        screen.until("login: ")
        screen.type("root\n")
        screen.until("# ")
        screen.type("cat /proc/partitions /sys/class/net/eth0/address; ls /dev/hwrng; echo en''d\n")
        shown = screen.until("end")
        assert "8192 vda" in shown
        assert "4096 vdb" in shown
        assert "52:54:00:00:00:07" in shown
        assert "/dev/hwrng" in shown
    owners = {path: path.stat().st_uid for path in (raw, layered)}
    if lab.IS_ROOT:
        assert 0 not in owners.values(), "lent to QEMU's user while the guest runs"
    daemon.virtup("destroy", name)
    assert {path: path.stat().st_uid for path in owners} == dict.fromkeys(owners, os.geteuid())


SAME = [
    ["list"],
    ["list", "--all"],
    ["list", "--all", "--name"],
    ["list", "--uuid"],
    ["list", "--inactive"],
    ["list", "--title"],
    ["domid", "seen"],
    ["domuuid", "seen"],
    ["domname", "UUID"],
    ["domstate", "seen", "--reason"],
    ["domstate", "nobody"],
    ["domblklist", "seen"],
    ["domblklist", "seen", "--details"],
    ["domiflist", "seen"],
    ["ttyconsole", "seen"],
    ["vncdisplay", "seen"],
    ["dumpxml", "seen"],
    ["dumpxml", "seen", "--inactive"],
    ["qemu-monitor-command", "seen", "--hmp", "info status"],
    ["qemu-monitor-command", "seen", '{"execute":"query-version"}'],
    ["nodeinfo"],
    ["hostname"],
    ["uri"],
    ["capabilities"],
    ["domcapabilities"],
    ["start", "seen"],
    ["undefine", "nobody"],
]


def test_virtup_prints_what_virsh_prints(daemon: lab.Daemon, create: Create) -> None:
    image = daemon.root / "disk.img"
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", image, "1M"], check=True)
    create(
        "seen",
        devices=f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{image}'/><target dev='hda' bus='ide'/>
    </disk>
    <interface type='user'><mac address='52:54:00:00:00:07'/><model type='virtio'/></interface>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
    <video><model type='cirrus'/></video>""",
    )
    uuid = daemon.virsh("domuuid", "seen").stdout.strip()
    for verb in SAME:
        words = [uuid if word == "UUID" else word for word in verb]
        ours = daemon.virtup(*words, check=False)
        theirs = daemon.virsh(*words, check=False)
        assert (words, ours.returncode, ours.stdout, ours.stderr) == (
            words,
            theirs.returncode,
            theirs.stdout,
            theirs.stderr,
        )
