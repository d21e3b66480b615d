"""One daemon a directory, and a session's daemon that ends by itself when nobody needs it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab, remains
from virtup.client.connection import connect

pytestmark = pytest.mark.e2e

Make = Callable[..., lab.Daemon]

IDLE_S = 0.4


def ended(daemon: lab.Daemon) -> int:
    """Wait for the end of a daemon; its exit status."""
    assert daemon.process is not None
    return daemon.process.wait(lab.BOUND_S)


def test_a_client_keeps_it(make_daemon: Make) -> None:
    daemon = make_daemon("--timeout", str(IDLE_S), kind="session")
    with connect(daemon.uri, autostart=False) as conn:
        time.sleep(4 * IDLE_S)
        assert conn.call("CONNECT_GET_TYPE") == {"type": "QEMU"}
    assert ended(daemon) == 0


def test_a_guest_keeps_it_also_across_its_own_death(make_daemon: Make, guest_dir: Path) -> None:
    daemon = make_daemon("--timeout", str(IDLE_S), kind="session")
    xml = daemon.root / "g.xml"
    xml.write_text(lab.domain_xml("g", guest_dir))
    daemon.virsh("create", xml, "--paused")
    for _ in range(2):
        time.sleep(4 * IDLE_S)
        assert daemon.virsh("domstate", "g").stdout.strip() == "paused"
        daemon.kill()
        daemon.start()
    daemon.virsh("destroy", "g")
    assert ended(daemon) == 0
    remains.none(daemon)


def test_of_two_that_start_at_once_one_serves_and_one_names_it(scratch: Path) -> None:
    command = [lab.PROGRAMS / "virtupd", f"--{lab.KIND}", "--root", str(scratch / "r")]
    daemons = [
        subprocess.Popen(command, env=lab.environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    lab.eventually(lambda: sum(one.poll() is not None for one in daemons) == 3, "one is left")
    (server,) = [one for one in daemons if one.poll() is None]
    refused = [one for one in daemons if one is not server]
    for one in refused:
        said = one.communicate()[1]
        assert one.returncode == 1
        assert f"(pid {server.pid}) already serves '{scratch / 'r' / 'run'}'" in said
        assert len(said.splitlines()) == 1
    uri = f"qemu+unix:///{lab.KIND}?socket={scratch}/r/run/virtup-sock"
    lab.eventually(
        lambda: lab.Client(["virsh"], uri)("uri", check=False).returncode == 0, "it serves"
    )
    server.terminate()
    assert server.wait(lab.BOUND_S) == 0
    server.communicate()
