"""The daemon's own directories without room or closed: told, mended, started."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import lab
from tests.e2e import test_findings
from tests.e2e.test_findings import Guest, guest, served

__all__ = ["guest", "served"]

pytestmark = [*test_findings.pytestmark, pytest.mark.root]
PLACES = ("log/qemu", "lib/qemu", "run/qemu")


@pytest.fixture
def folder(
    request: pytest.FixtureRequest, make_daemon: Callable[..., lab.Daemon], guest: Guest
) -> str:
    """One of the directories of the guest's daemon, on a small file system of its own."""
    daemon = make_daemon(start=False)
    path = f"{daemon.root}/{request.param}"
    mount = f"mkdir -p {path} && mount -t tmpfs -o size=128k,nr_inodes=40,mode=711 tmpfs {path}"
    daemon.program = lab.on_a_host_where(mount, daemon.program)
    daemon.start()
    guest.daemon = daemon
    guest.inside = ("nsenter", "-t", str(daemon.pid), "-m")
    return path


@pytest.mark.parametrize("folder", ["run/qemu"], indirect=True)
def test_no_space(guest: Guest, folder: str) -> None:
    guest.do("sh", "-c", f"cat /dev/zero >{folder}/filler", check=False)
    guest.told("VU101", f"'{folder}'", "is full: no space", "free space there")
    guest.do("rm", f"{folder}/filler")
    guest.starts()


@pytest.mark.parametrize("folder", PLACES, indirect=True)
def test_no_inodes(guest: Guest, folder: str) -> None:
    fill = f"mkdir {folder}/filler; for n in $(seq 50); do :>{folder}/filler/$n; done"
    guest.do("sh", "-c", fill, check=False)
    guest.told("VU101", f"'{folder}'", "is full: no free inodes")
    guest.do("rm", "-r", f"{folder}/filler")
    guest.starts()


@pytest.mark.parametrize("folder", PLACES, indirect=True)
def test_read_only(guest: Guest, folder: str) -> None:
    guest.do("mount", "-o", "remount,ro", folder)
    guest.mend(guest.told("VU102", f"'{folder}'", "is mounted read-only"))
    guest.starts()
