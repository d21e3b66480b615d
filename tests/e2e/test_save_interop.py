"""Saved guests pass between virtup and a stock libvirtd, both ways, whatever compressed them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.private import PrivateHost
from virtup.host import save_file
from virtup.model.save_format import Format

pytestmark = [pytest.mark.e2e, pytest.mark.root]

PROGRAMS = ("gzip", "bzip2", "xz", "lzop", "zstd")
STOCK = ("raw", "gzip", "bzip2", "xz", "lzop")
"""What libvirt 9.0 can compress with, and restore."""

XML = f"""<domain type='qemu'><name>g</name><uuid>31a4a1cf-9c5f-4d9c-a83b-7a8d1bb1d0c5</uuid>
<memory unit='MiB'>32</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>{lab.QEMU}</emulator><serial type='pty'/></devices></domain>"""


def require(format: str) -> None:
    if format != "raw" and not shutil.which(format):
        pytest.skip(f"'{format}' is not installed")


@pytest.fixture
def host() -> Iterator[PrivateHost]:
    """A host of its own, with a stock libvirt."""
    if not shutil.which("libvirtd"):
        pytest.skip("stock libvirtd is not installed: its images cannot be tried")
    host = PrivateHost()
    yield host
    host.close()


def memory(host: PrivateHost) -> str:
    """A digest of the guest's memory, which QEMU itself writes out; the guest must stand still."""
    place = host.run("sh", "-c", "ls -d /var/lib/libvirt/qemu/domain-*-g").stdout.split()[-1]
    said = host.virsh("qemu-monitor-command", "g", "--hmp", f'pmemsave 0 33554432 "{place}/memory"')
    assert not said.stdout.strip(), said.stdout
    said = host.run("sha256sum", f"{place}/memory").stdout.split()[0]
    host.run("rm", f"{place}/memory")
    return str(said)


def defined(host: PrivateHost) -> None:
    xml = host.place / "g.xml"
    xml.write_text(XML)
    host.virsh("define", xml)


def saved(host: PrivateHost, path: Path) -> str:
    """Start the guest, stop its vCPUs, and save it to *path*; the digest of its memory."""
    host.virsh("start", "g")
    host.virsh("suspend", "g")
    digest = memory(host)
    host.virsh("save", "g", path)
    return digest


@pytest.mark.parametrize("format", STOCK)
def test_libvirts_image_runs_in_virtup(host: PrivateHost, format: str) -> None:
    require(format)
    conf = host.outside("/etc/libvirt/qemu.conf")
    conf.write_text(f'save_image_format = "{format}"\n')
    path = host.place / "image"
    host.start_stock()
    defined(host)
    before = saved(host, path)
    image = save_file.inspect(str(path))
    assert image.trailer is None
    assert image.head.header.format is Format[format.upper()]
    host.stop_daemons()
    host.start_virtupd()
    assert "not checkable" in host.virtup("save-verify", path).stdout
    host.virsh("restore", path)
    assert host.virsh("domstate", "g").stdout.strip() == "paused"
    assert memory(host) == before
    host.virsh("destroy", "g")


def test_libvirts_managed_save_starts_in_virtup_once(host: PrivateHost) -> None:
    host.start_stock()
    defined(host)
    host.virsh("start", "g")
    host.virsh("managedsave", "g")
    host.stop_daemons()
    host.start_virtupd()
    assert "Managed save:   yes" in host.virsh("dominfo", "g").stdout
    host.virsh("start", "g")
    assert host.virsh("domstate", "g", "--reason").stdout.strip() == "running (restored)"
    assert not list(host.outside("/var/lib/libvirt/qemu/save").iterdir())
    host.virsh("destroy", "g")


ASK_VNC = """
exec 3<>/dev/tcp/127.0.0.1/5900
head -c 12 <&3 >/dev/null
printf 'RFB 003.008\\n' >&3
head -c 2 <&3 | od -An -tx1
"""
"""Have the first display say how it lets in: how many ways, and the first of them."""

BY_PASSWORD = "01 02"


@pytest.mark.parametrize("saver", ["stock", "virtupd"])
def test_a_display_keeps_its_password_from_one_to_the_other(host: PrivateHost, saver: str) -> None:
    display = "<graphics type='vnc' port='-1' autoport='yes' passwd='hunter2'/><serial"
    (host.place / "g.xml").write_text(XML.replace("<serial", display))
    path = host.place / "image"
    starts = [host.start_stock, host.start_virtupd]
    first, second = starts if saver == "stock" else reversed(starts)
    first()
    host.virsh("define", host.place / "g.xml")
    host.virsh("start", "g")
    host.virsh("save", "g", path)
    assert "hunter2" not in host.virsh("save-image-dumpxml", path).stdout
    host.stop_daemons()
    second()
    host.virsh("restore", path)
    assert "passwd='hunter2'" in host.virsh("dumpxml", "g", "--security-info").stdout
    assert host.run("bash", "-c", ASK_VNC).stdout.strip() == BY_PASSWORD
    host.virsh("destroy", "g")


RESTORES = (
    ("save", "restore IMAGE --paused"),
    ("save", "restore IMAGE"),
    ("save --paused", "restore IMAGE"),
    ("save --paused", "restore IMAGE --running"),
    ("managedsave --paused", "start g"),
    ("managedsave", "start g --paused"),
)
"""Ways to save a running guest and to have it back."""


def states_of_restored(host: PrivateHost) -> list[str]:
    """The state that the daemon tells after each of the ways, and once the guest was resumed."""
    told = []
    image = host.place / "image"
    defined(host)
    host.virsh("start", "g")
    for save, restore in RESTORES:
        verb, *options = save.split()
        host.virsh(verb, "g", *([image] if verb == "save" else []), *options)
        host.virsh(*(image if word == "IMAGE" else word for word in restore.split()))
        told.append(host.virsh("domstate", "g", "--reason").stdout.strip())
        if told[-1].startswith("paused"):
            host.virsh("resume", "g")
            told.append(host.virsh("domstate", "g", "--reason").stdout.strip())
    host.virsh("destroy", "g")
    return told


def test_a_restored_guest_is_in_the_state_that_libvirt_tells(host: PrivateHost) -> None:
    host.start_stock()
    theirs = states_of_restored(host)
    host.stop_daemons()
    host.start_virtupd()
    assert states_of_restored(host) == theirs


@pytest.mark.parametrize("format", STOCK)
def test_virtups_image_runs_in_libvirt(host: PrivateHost, format: str) -> None:
    require(format)
    config = host.place / "virtupd.toml"
    config.write_text(f'save_image_format = "{format}"\n')
    path = host.place / "image"
    host.start_virtupd("--config", str(config))
    defined(host)
    before = saved(host, path)
    image = save_file.inspect(str(path))
    assert image.trailer is not None
    assert image.head.header.format is Format[format.upper()]
    host.stop_daemons()
    host.start_stock()
    host.virsh("restore", path)
    assert host.virsh("domstate", "g").stdout.strip() == "paused"
    assert memory(host) == before
    host.virsh("destroy", "g")


@pytest.mark.parametrize("format", PROGRAMS)
def test_virtups_compressed_image_runs_in_virtup(
    make_daemon: Callable[..., lab.Daemon], format: str
) -> None:
    require(format)
    daemon = make_daemon(start=False)
    config = daemon.root / "virtupd.toml"
    config.write_text(f'save_image_format = "{format}"\n')
    daemon.options = ("--config", str(config))
    daemon.start()
    xml = daemon.root / "g.xml"
    xml.write_text(XML)
    daemon.virsh("define", xml)
    daemon.virsh("start", "g")
    daemon.virsh("managedsave", "g")
    (path,) = (daemon.root / "lib/qemu/save").iterdir()
    assert save_file.inspect(str(path)).head.header.format is Format[format.upper()]
    assert "whole" in daemon.virtup("save-verify", path).stdout
    daemon.virsh("start", "g")
    assert daemon.virsh("domstate", "g", "--reason").stdout.strip() == "running (restored)"
    assert list((daemon.root / "lib/qemu/save").iterdir()) == []
