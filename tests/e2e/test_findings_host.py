"""Faults of the host around a guest, as a user of stock virsh meets them: told, mended, started."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import lab
from tests.e2e.test_findings import NAME, Guest, as_root, guest, pytestmark, served

__all__ = ["guest", "pytestmark", "served"]

KVM = Path("/dev/kvm")


def with_uuid(guest: Guest, one: str, name: str = NAME) -> str:
    """The guest's definition with a UUID, and perhaps another name."""
    head = f"<name>{NAME}</name>"
    return guest.xml().replace(head, f"<name>{name}</name><uuid>{one}</uuid>")


def test_name_in_use(guest: Guest) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    assert guest.create(with_uuid(guest, first)).returncode == 0
    guest.told("VU111", f"'{NAME}'", first, xml=with_uuid(guest, second))
    done = guest.create(with_uuid(guest, second, name="vm2").replace("vda", "vdb"))
    assert done.returncode == 1, "the disk is the first guest's"
    guest.daemon.virsh("destroy", NAME)
    assert guest.create(with_uuid(guest, second)).returncode == 0
    guest.daemon.virsh("destroy", NAME)


def test_uuid_in_use(guest: Guest) -> None:
    taken = str(uuid.uuid4())
    assert guest.create(with_uuid(guest, taken, name="vm2")).returncode == 0
    guest.told("VU112", taken, "'vm2'", xml=with_uuid(guest, taken))
    guest.daemon.virsh("destroy", "vm2")
    guest.starts()


@as_root
def test_tap_missing(guest: Guest) -> None:
    guest.text["devices"] = (
        "<interface type='ethernet'><target dev='vtmissing' managed='no'/></interface>"
    )
    said = guest.told("VU080", "'vtmissing'")
    try:
        guest.mend(said)
        guest.starts()
    finally:
        subprocess.run(["ip", "link", "del", "vtmissing"], check=False, capture_output=True)


@pytest.fixture
def busy_tap(guest: Guest) -> Iterator[str]:
    """A tap that another guest has open."""
    subprocess.run(["ip", "tuntap", "add", "vtheld", "mode", "tap"], check=True)
    xml = f"""<domain type='qemu'><name>holder</name><memory unit='MiB'>16</memory>
<os><type>hvm</type></os><devices><emulator>{lab.QEMU}</emulator>
<interface type='ethernet'><target dev='vtheld' managed='no'/></interface></devices></domain>"""
    path = guest.place / "holder.xml"
    path.write_text(xml)
    guest.daemon.virsh("create", path, "--paused")
    yield "vtheld"
    subprocess.run(["ip", "link", "del", "vtheld"], check=False, capture_output=True)


@as_root
def test_tap_held(guest: Guest, busy_tap: str) -> None:
    guest.text["devices"] = (
        f"<interface type='ethernet'><target dev='{busy_tap}' managed='no'/></interface>"
    )
    guest.told("VU081", f"'{busy_tap}'", "'holder'", "pid")
    guest.daemon.virsh("destroy", "holder")
    guest.starts()


def socket_at(path: object) -> str:
    return f"<serial type='unix'><source mode='bind' path='{path}'/></serial>"


def test_socket_path_too_long(guest: Guest) -> None:
    guest.text["devices"] = socket_at(f"/tmp/{'x' * 120}")
    guest.told("VU104", "125 bytes")
    guest.text["devices"] = socket_at(guest.place / "s")
    guest.starts()


@as_root
def test_socket_directory_missing(guest: Guest) -> None:
    guest.text["devices"] = socket_at(guest.place / "none" / "s")
    guest.mend(guest.told("VU105", f"'{guest.place}/none'"))
    guest.starts()


@pytest.fixture
def shut_kvm() -> Iterator[None]:
    """/dev/kvm as QEMU's user may not use it; its mode and access list are put back."""
    if not KVM.exists():
        pytest.skip("no /dev/kvm")
    before = KVM.stat().st_mode & 0o7777
    rights = subprocess.run(
        ["getfacl", "-p", "--absolute-names", KVM], capture_output=True, check=True
    ).stdout
    os.chmod(KVM, 0o600)
    yield
    subprocess.run(["setfacl", "--restore=-"], input=rights, check=True)
    os.chmod(KVM, before)


@as_root
@pytest.mark.usefixtures("shut_kvm")
def test_kvm_not_permitted(guest: Guest) -> None:
    guest.text["virt"] = "kvm"
    guest.mend(guest.told("VU061", "/dev/kvm", "mode 0600"))
    guest.starts()
