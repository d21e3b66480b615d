"""A guest that writes to standard error without end: bounded on disk, and it outlives the daemon."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab, remains

pytestmark = pytest.mark.e2e

Make = Callable[..., lab.Daemon]

FILE_BYTES, BACKUPS = 65536, 2

WRAPPER = f"""#!/bin/sh
case "$*" in *"-machine none"*) exec {lab.QEMU} "$@";; esac
while :; do echo "a line of the flood, and a long one, of one hundred bytes"; done >&2 2>/dev/null &
exec {lab.QEMU} "$@"
"""


@pytest.fixture
def daemon(make_daemon: Make) -> lab.Daemon:
    """A daemon whose guests' logs are small."""
    daemon = make_daemon(start=False)
    config = daemon.root / "etc" / "virtupd.toml"
    config.parent.mkdir(mode=0o700)
    config.write_text(f"qemu_log_max_bytes = {FILE_BYTES}\nqemu_log_backups = {BACKUPS}\n")
    daemon.start()
    return daemon


def logged(daemon: lab.Daemon) -> dict[str, int]:
    """Name and size of every file of the guests' logs."""
    found = {}
    for path in (daemon.root / "log" / "qemu").iterdir():
        found[path.name] = path.stat().st_size
    return found


def assert_bounded(daemon: lab.Daemon) -> None:
    sizes = logged(daemon)
    assert len(sizes) <= BACKUPS + 1, sizes
    assert all(size <= FILE_BYTES for size in sizes.values()), sizes


def dropped(daemon: lab.Daemon) -> bool:
    """Tell whether the log says that some of the flood is left out."""
    logs = (daemon.root / "log" / "qemu").glob("g.log*")
    return any("bytes of it are left out here" in path.read_text() for path in logs)


def flood(daemon: lab.Daemon, guest_dir: Path, *, emulator: str = lab.QEMU, extra: str = "") -> int:
    """Start a guest that floods and wait until its log is full; its QEMU."""
    xml = daemon.root / "g.xml"
    text = lab.domain_xml("g", guest_dir).replace(lab.QEMU, emulator)
    head = "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
    text = text.replace("<domain", head, 1).replace("</domain>", f"{extra}</domain>")
    xml.write_text(text)
    daemon.virsh("create", xml)
    lab.eventually(lambda: f"g.log.{BACKUPS - 1}" in logged(daemon), "the log was rotated")
    lab.eventually(lambda: dropped(daemon), "the log says that something is left out")
    return daemon.qemu("g")


def outlives_the_daemon(daemon: lab.Daemon, pid: int) -> None:
    """Kill the daemon, see that the guest runs on with nobody to read it, and start the next."""
    daemon.kill()
    before = cpu_ticks(pid)
    lab.eventually(lambda: cpu_ticks(pid) > before, "the guest runs, though nobody reads")
    assert_bounded(daemon)
    daemon.start()
    assert daemon.virsh("domstate", "g").stdout.strip() == "running"
    assert daemon.virsh("qemu-monitor-command", "g", "--hmp", "info status").stdout.strip() == (
        "VM status: running"
    )
    assert_bounded(daemon)


def cpu_ticks(pid: int) -> int:
    """User time of a process; it must be there."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def test_a_qemu_that_floods(daemon: lab.Daemon, guest_dir: Path) -> None:
    words = "<qemu:arg value='-d'/><qemu:arg value='exec,nochain'/>"
    pid = flood(daemon, guest_dir, extra=f"<qemu:commandline>{words}</qemu:commandline>")
    assert_bounded(daemon)
    outlives_the_daemon(daemon, pid)
    daemon.virsh("destroy", "g")
    assert_bounded(daemon)
    remains.none(daemon)


def test_a_child_of_a_wrapper_that_floods_and_goes_with_its_guest(
    daemon: lab.Daemon, guest_dir: Path
) -> None:
    wrapper = daemon.root / "wrapper"
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    pid = flood(daemon, guest_dir, emulator=str(wrapper))
    assert len(daemon.qemus()) == 2
    outlives_the_daemon(daemon, pid)
    daemon.virsh("destroy", "g")
    remains.none(daemon)
    pid = flood(daemon, guest_dir, emulator=str(wrapper))
    os.kill(pid, 9)
    remains.none(daemon)
    assert_bounded(daemon)
