"""A state directory without room: guests that run go on, one that starts is refused whole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab, remains

pytestmark = [pytest.mark.e2e, pytest.mark.root]


@pytest.fixture
def daemon(make_daemon: Callable[..., lab.Daemon]) -> Iterator[lab.Daemon]:
    """A daemon whose state directory is a small file system of its own."""
    daemon = make_daemon(start=False)
    state = daemon.root / "run" / "qemu"
    state.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0711", "tmpfs", str(state)]
    subprocess.run(mount, check=True)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()
        subprocess.run(["umount", "--lazy", state], check=True)


def fill(daemon: lab.Daemon) -> Path:
    """Leave no room in the state directory; the file to remove."""
    filler = daemon.root / "run" / "qemu" / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return filler


def test_no_room_in_the_state_directory(daemon: lab.Daemon, guest_dir: Path) -> None:
    virsh = daemon.virsh
    for name in ("runs", "starts"):
        xml = daemon.root / f"{name}.xml"
        xml.write_text(lab.domain_xml(name, guest_dir))
        virsh("define", xml)
    virsh("start", "runs")
    pid = daemon.qemu("runs")
    filler = fill(daemon)
    virsh("suspend", "runs")
    virsh("qemu-monitor-command", "runs", "--hmp", "cont")
    lab.eventually(lambda: virsh("domstate", "runs").stdout.strip() == "running", "it is told")
    assert "the status record of 'runs' is not up to date" in daemon.log
    refused = virsh("start", "starts", check=False)
    assert refused.returncode == 1
    assert "No space left on device" in refused.stderr
    assert str(filler.parent) in refused.stderr
    assert virsh("domstate", "starts").stdout.strip() == "shut off"
    assert daemon.qemus() == [pid]
    daemon.kill()
    daemon.start()
    assert virsh("domstate", "runs").stdout.strip() == "running"
    virsh("destroy", "runs")
    remains.none(daemon)
    filler.unlink()
    virsh("start", "starts", "--paused")
    virsh("destroy", "starts")
    assert "Traceback" not in daemon.log
