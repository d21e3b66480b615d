"""Faults of devices and interfaces, each in namespaces of its own."""

from __future__ import annotations

import pytest

from tests.cell import PRIVATE_DEV, diagnosed

pytestmark = pytest.mark.root

KVM = ["-machine", "pc,accel=kvm"]
TAP = ["-machine", "pc,accel=tcg", "-netdev", "tap,id=n,ifname=tap7,script=no,downscript=no"]
MAC = "52:54:00:00:00:01"
NIC = ["-device", "e1000,netdev=n"]


def only(setup: str, action: dict[str, object]) -> dict[str, object]:
    found = diagnosed(setup, action)
    assert len(found) == 1, found
    assert found[0]["certainty"] == "proven", found
    return found[0]


def test_no_kvm_device() -> None:
    finding = only(PRIVATE_DEV.format(inside="true"), {"qemu": KVM})
    # which of the reasons it is depends on the machine that the test runs on
    assert finding["slug"] in {
        "kvm-unavailable",
        "kvm-nested-off",
        "kvm-module-not-loaded",
        "kvm-disabled-firmware",
    }
    assert "/dev/kvm" in str(finding["subject"]) + str(finding["sentence"])


@pytest.mark.parametrize(("mode", "group"), [("600", "root"), ("660", "daemon")])
def test_kvm_not_permitted(mode: str, group: str) -> None:
    node = f"mknod /mnt/kvm c 10 232 && chown root:{group} /mnt/kvm && chmod {mode} /mnt/kvm"
    finding = only(PRIVATE_DEV.format(inside=node), {"qemu": KVM})
    assert finding["slug"] == "kvm-device-permission"
    assert f"mode 0{mode}, owner root:{group}" in str(finding["sentence"])
    assert "65534" in str(finding["sentence"])


def test_no_tun_device() -> None:
    finding = only(PRIVATE_DEV.format(inside="true"), {"qemu": TAP, "uid": 0})
    assert (finding["slug"], finding["subject"]) == ("net-tun-missing", "/dev/net/tun")


def test_tun_not_permitted() -> None:
    node = "mknod -m 600 /mnt/net/tun c 10 200"
    finding = only(PRIVATE_DEV.format(inside=node), {"qemu": TAP})
    assert finding["slug"] == "net-tap-permission"


def test_tap_held_by_another_qemu() -> None:
    words = " ".join(
        ["qemu-system-x86_64 -name guest=other -S -nodefaults -display none", *TAP, *NIC]
    )
    waited = "for n in 1 2 3 4 5 6 7 8 9; do ip link show tap7 && break; sleep .3; done"
    setup = f"{words} >/dev/null 2>&1 </dev/null & {waited}"
    finding = only(setup, {"qemu": [*TAP, *NIC], "uid": 0})
    assert finding["slug"] == "net-tap-busy"
    assert "guest 'other' (pid " in str(finding["sentence"])


def test_bridge_missing_and_the_nearest_named() -> None:
    setup = "ip link add br-lan type bridge"
    finding = only(setup, {"tap": {"name": "tap0", "mac": MAC, "bridge": "br-lam"}})
    assert (finding["slug"], finding["subject"]) == ("net-bridge-missing", "br-lam")
    assert "br-lan" in str(finding["fixes"])


def test_bridge_that_is_none() -> None:
    setup = "ip link add veth0 type veth peer name veth1"
    finding = only(setup, {"tap": {"name": "tap0", "mac": MAC, "bridge": "veth0"}})
    assert (finding["slug"], finding["subject"]) == ("net-not-a-bridge", "veth0")
    assert "veth" in str(finding["evidence"])


def test_tap_missing() -> None:
    finding = only("true", {"tap": {"name": "tap7", "mac": MAC, "must_exist": True}})
    assert (finding["slug"], finding["subject"]) == ("net-tap-missing", "tap7")
    assert "ip tuntap add tap7 mode tap" in str(finding["fixes"])
