"""`virtup diagnose -c` against a stock libvirtd: its logs and definitions are read, nothing more."""

import json
from collections.abc import Iterator

import pytest

from tests import lab
from tests.private import URI, PrivateHost

pytestmark = pytest.mark.root

NETWORK = "<interface type='network'><source network='lab'/></interface>"
BRIDGE = "<interface type='bridge'><source bridge='nobridge'/></interface>"


@pytest.fixture(scope="module")
def host() -> Iterator[PrivateHost]:
    made = PrivateHost()
    try:
        conf = made.outside("/etc/libvirt/libvirtd.conf")
        conf.write_text('log_outputs = "3:file:/var/log/libvirt/libvirtd.log"\n')
        made.start_stock()
        yield made
    finally:
        made.close()


def defined(host: PrivateHost, name: str, change: tuple[str, str] = ("", "")) -> None:
    xml = lab.domain_xml(name, host.guest(), memory_mib=96).replace(*change)
    host.outside("/var/lib/virtup/demo.xml").write_text(xml)
    host.virsh("define", "/var/lib/virtup/demo.xml")


def diagnosed(host: PrivateHost, *words: str) -> list[dict[str, object]]:
    told = host.virtup("--json", "diagnose", *words).stdout
    found: list[dict[str, object]] = json.loads(told)
    return found


def test_what_qemu_said_is_read_from_the_guest_s_log_and_proven(host: PrivateHost) -> None:
    defined(host, "closed")
    kernel = host.outside(str(host.guest() / "vmlinuz"))
    xml = host.virsh("dumpxml", "closed").stdout
    kernel.rename(kernel.with_name("away"))
    try:
        assert host.virsh("start", "closed", check=False).returncode == 1
        (one,) = diagnosed(host, "closed")
    finally:
        kernel.with_name("away").rename(kernel)
    assert (one["slug"], one["certainty"]) == ("kernel-file-missing", "proven")
    assert str(host.guest() / "vmlinuz") in str(one["subject"])
    assert host.virsh("dumpxml", "closed").stdout == xml


def test_what_failed_before_qemu_is_read_from_the_daemon_s_log(host: PrivateHost) -> None:
    defined(host, "lost", ("</devices>", f"{BRIDGE}</devices>"))
    assert host.virsh("start", "lost", check=False).returncode == 1
    found = diagnosed(host, "lost")
    assert (found[0]["slug"], found[0]["certainty"]) == ("net-bridge-missing", "proven")
    assert found[0]["subject"] == "nobridge"


def test_what_libvirtd_writes_nowhere_is_asked_for(host: PrivateHost) -> None:
    defined(host, "mute", ("</devices>", f"{NETWORK}</devices>"))
    host.outside("/var/log/libvirt/libvirtd.log").write_text("")
    assert host.virsh("start", "mute", check=False).returncode == 1
    (one,) = diagnosed(host, "mute")
    assert one["slug"] == "unknown"
    assert "virsh start mute" in str(one["fixes"])


def test_a_start_that_went_well_has_no_cause(host: PrivateHost) -> None:
    defined(host, "fine")
    host.virsh("start", "fine")
    running = host.virtup("diagnose", "fine", check=False)
    assert "domain 'fine' is running" in running.stderr
    host.virsh("destroy", "fine")
    log = host.outside("/var/log/libvirt/libvirtd.log")
    log.write_text("")
    told = host.virtup("diagnose", "fine", check=False)
    assert told.returncode == 1
    assert "nothing in libvirt's logs tells of a failed start of domain 'fine'" in told.stderr


def test_the_connection_may_stand_behind_the_verb(host: PrivateHost) -> None:
    told = host.run(lab.PROGRAMS / "virtup", "diagnose", "-c", URI, "nobody", check=False)
    assert (told.returncode, told.stderr) == (1, "error: failed to get domain 'nobody'\n")


def test_without_a_libvirtd_nothing_is_started_in_its_place() -> None:
    alone = PrivateHost()
    try:
        told = alone.virtup("diagnose", "vm1", check=False)
        assert told.returncode == 1
        assert "no libvirtd listens at /run/libvirt/libvirt-sock" in told.stderr
        assert not alone.outside("/run/virtup/virtup-sock").exists()
    finally:
        alone.close()
