"""virtupd in libvirt's place: stock virsh's own URI, its guests before, its libvirtd afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.private import PrivateHost

pytestmark = [pytest.mark.e2e, pytest.mark.root]

DEFINITIONS = "/etc/libvirt/qemu"


@pytest.fixture
def host() -> Iterator[PrivateHost]:
    made = PrivateHost()
    yield made
    made.close()


def define(host: PrivateHost, name: str, **more: str) -> None:
    """Define a small guest with whatever daemon runs."""
    path = host.outside(f"/run/{name}.xml")
    path.write_text(lab.domain_xml(name, host.guest(), **more))
    host.virsh("define", f"/run/{name}.xml")


def qemu(host: PrivateHost, name: str) -> Path:
    """Return the /proc folder of the QEMU of a running guest."""
    for entry in host.outside("/proc").iterdir():
        if entry.name.isdigit() and f"guest={name}" in (entry / "cmdline").read_text():
            return entry
    raise AssertionError(f"no QEMU of '{name}'")


def test_the_example_is_created_by_the_stock_uri(host: PrivateHost) -> None:
    disk = host.outside(f"{host.guest()}/disk.img")
    before = disk.stat()
    host.start_virtupd()
    example = lab.PROJECT / "examples" / "vm.xml"
    done = host.virsh("create", example)
    assert done.stdout == f"Domain 'vm' created from {example}\n\n"
    status = (qemu(host, "vm") / "status").read_text()
    user = host.run("id", "-u", "libvirt-qemu").stdout.strip()
    assert re.search(r"^Uid:\s+(\d+)\s", status, re.MULTILINE)[1] == user  # type: ignore[index]
    assert str(disk.stat().st_uid) == user
    assert host.virsh("vncdisplay", "vm").stdout.strip() == "127.0.0.1:0"
    assert host.virtup("list").stdout == host.virsh("list").stdout
    with host.terminal("virsh", "-c", "qemu:///system", "console", "vm") as screen:
        screen.until("virtup-guest login: ")
    log = host.outside("/var/log/libvirt/qemu/vm.log").read_text()
    assert "-name guest=vm" in log
    host.virsh("destroy", "vm")
    after = disk.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
    )
    assert "reason=destroyed" in host.outside("/var/log/libvirt/qemu/vm.log").read_text()


def test_guests_of_a_stock_libvirtd_are_there_and_start(host: PrivateHost) -> None:
    host.start_stock()
    define(host, "plain")
    define(host, "early")
    host.virsh("autostart", "early")
    strange = """<hostdev mode='subsystem' type='usb'>
      <source><vendor id='0x1234'/><product id='0x5678'/></source></hostdev>"""
    define(host, "strange", devices=strange)
    inactive = host.virsh("dumpxml", "--inactive", "plain").stdout
    host.stop_daemons()
    host.outside("/run/libvirt/qemu/autostarted").unlink()  # as the next boot of the host has it
    file = host.outside(f"{DEFINITIONS}/strange.xml")
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    plain = host.outside(f"{DEFINITIONS}/plain.xml").read_bytes()

    host.start_virtupd()
    lab.eventually(
        lambda: host.virsh("list", "--name").stdout.split() == ["early"],
        f"the autostarted guest runs:\n{host.log('virtupd')}",
    )
    assert host.virsh("list", "--all", "--name").stdout.split() == ["early", "plain"]
    assert host.virsh("list", "--autostart", "--all", "--name").stdout.split() == ["early"]
    assert host.virsh("dumpxml", "--inactive", "plain").stdout == inactive
    host.virsh("start", "plain")
    with host.terminal("virsh", "-c", "qemu:///system", "console", "plain") as screen:
        screen.until("GUEST-UP")
    host.virsh("destroy", "plain")
    host.virsh("destroy", "early")

    line = before[0].decode().split("<hostdev")[0].count("\n") + 1
    told = [one for one in host.log("virtupd").splitlines() if "strange.xml" in one]
    assert len(told) == 1, told
    assert "<hostdev>" in told[0]
    assert f"line {line}" in told[0]
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert host.outside(f"{DEFINITIONS}/plain.xml").read_bytes() == plain
    done = host.virsh("start", "strange", check=False)
    assert done.stderr.startswith("error: failed to get domain 'strange'")
    host.outside("/run/other.xml").write_text(lab.domain_xml("strange", host.guest()))
    done = host.virsh("define", "/run/other.xml", check=False)
    assert "strange.xml' is a guest's definition that virtup could not read" in done.stderr
    assert file.read_bytes() == before[0]


def test_a_stock_libvirtd_reads_what_virtupd_defined(host: PrivateHost) -> None:
    host.start_virtupd()
    define(host, "mine", agent=True)
    define(host, "newer", machine="q35")
    host.virsh("autostart", "mine")
    ours = {name: host.virsh("dumpxml", "--inactive", name).stdout for name in ("mine", "newer")}
    host.stop_daemons()
    host.outside("/run/libvirt/qemu/autostarted").unlink()
    host.start_stock()
    lab.eventually(
        lambda: host.virsh("list", "--name").stdout.split() == ["mine"],
        f"stock libvirtd starts what virtupd marked:\n{host.log('libvirtd')}",
    )
    assert host.virsh("dumpxml", "--inactive", "mine").stdout == ours["mine"]
    # libvirt 9.0 cannot be told of the watchdog that every q35 machine has
    watchdog = "    <watchdog model='itco' action='reset'/>\n"
    assert host.virsh("dumpxml", "--inactive", "newer").stdout == ours["newer"].replace(
        watchdog, ""
    )
    host.virsh("destroy", "mine")
    host.virsh("undefine", "mine")
    assert not host.outside(f"{DEFINITIONS}/mine.xml").exists()


def test_a_definition_of_long_ago_is_completed_when_it_starts(host: PrivateHost) -> None:
    display = "<graphics type='vnc' port='-1'/>"
    text = lab.domain_xml("old", host.guest(), devices=display, machine="pc-i440fx-2.8")
    text = text.replace("<memory", "<uuid>11111111-2222-4333-8444-555555555501</uuid><memory", 1)
    place = host.outside(f"{DEFINITIONS}/old.xml")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"<!-- by hand -->\n{text}")
    host.start_virtupd()
    assert host.virsh("list", "--all", "--name").stdout.split() == ["old"]
    assert "<video>" not in host.virsh("dumpxml", "old").stdout
    host.virsh("start", "old")
    with host.terminal("virsh", "-c", "qemu:///system", "console", "old") as screen:
        screen.until("GUEST-UP")
    live = host.virsh("dumpxml", "old").stdout
    assert "<model type='cirrus'" in live
    assert "<controller type='pci' index='0' model='pci-root'>" in live
    host.virsh("destroy", "old")
    assert place.read_text() == f"<!-- by hand -->\n{text}"


def test_where_libvirtd_serves_nothing_is_touched(host: PrivateHost) -> None:
    host.start_stock()
    define(host, "theirs")
    host.virsh("autostart", "theirs")
    marker = host.outside("/run/libvirt/qemu/autostarted")
    marker.unlink()
    with pytest.raises(AssertionError, match=r"process \d+ \(libvirtd\) already listens there"):
        host.start_virtupd()
    assert not marker.exists()
    assert host.virsh("list", "--all").stdout.split()[-3:] == ["theirs", "shut", "off"]


def test_a_guest_that_libvirtd_left_running_is_not_started_twice(host: PrivateHost) -> None:
    host.start_stock()
    define(host, "theirs")
    host.virsh("start", "theirs")
    host.stop_daemons()
    process = qemu(host, "theirs").name
    host.start_virtupd()
    told = f"libvirtd, as process {process}"
    assert told in host.log("virtupd")
    done = host.virsh("start", "theirs", check=False)
    assert done.returncode == 1
    assert f"domain 'theirs' is already run by {told}" in done.stderr
    host.run("kill", process)
    lab.eventually(lambda: host.virsh("start", "theirs", check=False).returncode == 0, "it starts")
