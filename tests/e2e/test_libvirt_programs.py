"""Programs written for libvirt: Debian's python3-libvirt and virt-install, against virtupd."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import lab

pytestmark = pytest.mark.e2e

PYTHON = "/usr/bin/python3"
PROGRAM = Path(__file__).parent / "clients" / "follow_guest.py"
UUID = "11111111-2222-4333-8444-555555555501"


def has_libvirt() -> bool:
    """Whether the system's Python has libvirt's module."""
    if not Path(PYTHON).exists():
        return False
    done = subprocess.run([PYTHON, "-c", "import libvirt"], capture_output=True, check=False)
    return done.returncode == 0


def run(*command: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        env={**lab.environment(), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=lab.BOUND_S * 4,
        check=False,
    )


def test_a_program_follows_a_guest_through_its_life(daemon: lab.Daemon, guest_dir: Path) -> None:
    if not has_libvirt():
        pytest.skip("Debian's python3-libvirt is not installed")
    xml = daemon.root / "vm.xml"
    text = lab.domain_xml("vm", guest_dir, agent=True)
    xml.write_text(text.replace("<memory", f"<uuid>{UUID}</uuid><memory", 1))
    done = run(PYTHON, PROGRAM, daemon.uri, xml, home=daemon.root)
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["connection"] == {
        "type": "QEMU",
        "uri": daemon.uri,
        "alive": 1,
        "secure": 1,
        "encrypted": 0,
        "versions": [True, 9000000],
        "info": 8,
        "hostname": True,
        "capabilities": True,
        "domain capabilities": "<domainCapabilities>",
        "networks": [],
        "domains": [0, [], []],
    }
    same = {"name": "vm", "uuid": UUID, "os": "hvm", "persistent": 1, "autostart": 1,
            "memory": 131072, "xml": True}  # fmt: skip
    assert seen["defined"] == {
        **same, "id": -1, "state": [5, 0], "info": [5, 131072, 131072, 1], "active": 0,
    }  # fmt: skip
    assert seen["running"] == {
        **same, "id": 1, "state": [1, 1], "info": [1, 131072, 131072, 1], "active": 1,
    }  # fmt: skip
    assert seen["missing"] == [42, 10, "Domain not found: no domain with matching name 'nobody'"]
    assert seen["bad xml"][0] == 35
    assert seen["already"] == [
        55,
        10,
        "Requested operation is not valid: domain is already running",
    ]
    assert "GUEST-UP" in seen["console"]
    assert seen["second console"] == 9
    assert seen["paused"] == [3, 1]
    assert seen["monitor"] == "running"
    assert ["vm", 1, 2] in seen["agent"]
    assert seen["agent says"] == '{"return":{}}'
    assert seen["listed"] == ["vm"]
    assert seen["off"] == [5, 1]
    assert seen["closed"] == []
    assert [event[1:] for event in seen["events"]] == [
        [0, 0],  # defined
        [4, 0],  # resumed
        [2, 0],  # started
        [3, 0],  # suspended
        [4, 0],  # resumed
        [6, 1],  # shut down, by the guest
        [5, 0],  # stopped
        [1, 0],  # undefined
    ]
    assert "Traceback" not in daemon.log


def install(daemon: lab.Daemon, guest: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Install the guest 'vm' with virt-install: it boots our kernel, there is nothing to install."""
    boot = f"kernel={guest}/vmlinuz,initrd={guest}/initrd.img,kernel_args=console=ttyS0 quiet"
    return run(
        *["virt-install", "--connect", daemon.uri, "--name", "vm", "--memory", "128"],
        *["--import", "--osinfo", "detect=off,require=off", "--virt-type", "qemu"],
        *["--noautoconsole", "--boot", boot, *options],
        home=daemon.root,
    )


@pytest.mark.parametrize(
    "options",
    [
        ("--disk", "none", "--graphics", "none", "--network", "none"),
        ("--disk", "none", "--graphics", "vnc", "--network", "user,model=virtio", "--machine", "q35",
         "--channel", "unix,target.type=virtio,target.name=org.qemu.guest_agent.0",
         "--rng", "/dev/urandom"),
    ],
    ids=["small", "with devices"],
)  # fmt: skip
def test_virt_install_makes_a_guest(
    daemon: lab.Daemon, guest_dir: Path, options: tuple[str, ...]
) -> None:
    if not shutil.which("virt-install"):
        pytest.skip("Debian's virtinst is not installed")
    done = install(daemon, guest_dir, *options)
    assert done.returncode == 0, done.stdout + done.stderr + daemon.log
    assert "Domain creation completed" in done.stdout
    assert daemon.virsh("list", "--name").stdout.split() == ["vm"]
    virsh = daemon.virsh
    with lab.Terminal([*virsh.command, "-c", virsh.uri, "console", "vm"]) as screen:
        screen.until("GUEST-UP")
    assert virsh("dominfo", "vm").stdout.count("Persistent:     yes") == 1
    virsh("destroy", "vm")
    again = install(daemon, guest_dir, *options)
    assert again.returncode == 1
    assert "'vm' is already in use" in again.stderr


def test_virt_install_makes_the_disk_and_its_pool(daemon: lab.Daemon, guest_dir: Path) -> None:
    if not shutil.which("virt-install"):
        pytest.skip("Debian's virtinst is not installed")
    virsh = daemon.virsh
    folder = daemon.root / "images"
    folder.mkdir(mode=0o755)
    disk = f"path={folder}/vm.qcow2,size=1"
    done = install(daemon, guest_dir, "--disk", disk, "--graphics", "none", "--network", "none")
    assert done.returncode == 0, done.stdout + done.stderr + daemon.log
    assert virsh("pool-list", "--autostart", "--name").stdout.split() == ["images"]
    assert virsh("vol-list", "images").stdout.split()[-2:] == ["vm.qcow2", f"{folder}/vm.qcow2"]
    assert "Capacity:       1.00 GiB" in virsh("vol-info", "vm.qcow2", "images").stdout
    assert f"{folder}/vm.qcow2" in virsh("domblklist", "vm").stdout
    virsh("destroy", "vm")
    virsh("undefine", "vm", "--remove-all-storage")
    assert list(folder.iterdir()) == []
