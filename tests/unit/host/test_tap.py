"""Taps, for real: made, set up, joined to a bridge, and gone with the last fd."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtup.host import tap
from virtup.host.process import run

MAC = "52:54:00:12:34:56"


def sys_net(name: str, what: str) -> str:
    return Path(f"/sys/class/net/{name}/{what}").read_text().strip()


@pytest.fixture
def name() -> str:
    if not os.path.exists(tap.DEVICE):
        pytest.skip(f"no {tap.DEVICE} here")
    return f"vtt{os.getpid() % 100000}"


@pytest.fixture
def bridge(name: str) -> Iterator[str]:
    made = f"{name}b"
    done = subprocess.run(
        ["ip", "link", "add", made, "type", "bridge"], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("no bridges here")
    subprocess.run(["ip", "link", "set", made, "mtu", "1400"], check=True)
    yield made
    subprocess.run(["ip", "link", "del", made], check=True)


@pytest.mark.root
def test_a_tap_is_made_up_and_gone_again(name: str) -> None:
    made = tap.open_tap(name, mac=MAC)
    assert made.name == name
    assert sys_net(name, "address") == "fe:54:00:12:34:56"
    assert int(sys_net(name, "flags"), 16) & 1
    flags = int(sys_net(name, "tun_flags"), 16)
    assert flags & 0x5002 == 0x5002  # tap, no packet information, virtio's header
    assert flags & 0x0800 == 0  # not persistent
    assert not os.get_inheritable(made.fd)
    made.close()
    made.close()
    assert not os.path.exists(f"/sys/class/net/{name}")


@pytest.mark.root
def test_the_kernel_picks_a_name_of_libvirts_kind(name: str) -> None:
    one, two = tap.open_tap(None, mac=MAC), tap.open_tap(None, mac=MAC)
    assert one.name.startswith("vnet")
    assert one.name != two.name
    one.close()
    two.close()


@pytest.mark.root
def test_a_tap_joins_its_bridge_with_its_mtu(name: str, bridge: str) -> None:
    made = tap.open_tap(name, mac=MAC, bridge=bridge)
    assert os.path.basename(os.readlink(f"/sys/class/net/{name}/master")) == bridge
    assert sys_net(name, "mtu") == "1400"
    made.close()


@pytest.mark.root
def test_a_missing_bridge_is_named_and_nothing_is_left(name: str) -> None:
    with pytest.raises(tap.BridgeMissing, match="'nobridge0' does not exist") as told:
        tap.open_tap(name, mac=MAC, bridge="nobridge0")
    assert told.value.device == "nobridge0"
    with pytest.raises(tap.BridgeMissing, match="'lo' is no bridge"):
        tap.open_tap(name, mac=MAC, bridge="lo")
    assert not os.path.exists(f"/sys/class/net/{name}")


@pytest.mark.root
def test_a_name_that_is_taken_is_told(name: str) -> None:
    made = tap.open_tap(name, mac=MAC)
    with pytest.raises(tap.TapError, match="resource busy") as told:
        tap.open_tap(name, mac=MAC)
    assert told.value.errno == 16
    made.close()
    with pytest.raises(
        tap.TapError,
        match="cannot make the tap 'lo': the host has an interface of that name, and it is no tap",
    ):
        tap.open_tap("lo", mac=MAC)


@pytest.mark.root
def test_a_tap_that_was_made_before_is_only_opened(name: str) -> None:
    with pytest.raises(tap.InterfaceMissing, match=f"'{name}' does not exist"):
        tap.open_tap(name, mac=MAC, must_exist=True)
    subprocess.run(["ip", "tuntap", "add", name, "mode", "tap", "vnet_hdr"], check=True)
    try:
        before = sys_net(name, "address")
        made = tap.open_tap(name, mac=MAC, must_exist=True)
        assert sys_net(name, "address") == before
        made.close()
        assert os.path.exists(f"/sys/class/net/{name}")
    finally:
        subprocess.run(["ip", "tuntap", "del", name, "mode", "tap"], check=True)


@pytest.mark.root
async def test_the_child_keeps_the_tap_that_we_closed(name: str) -> None:
    made = tap.open_tap(name, mac=MAC)
    from virtup.host.process import spawn

    child = spawn(["/bin/sleep", "60"], {}, pass_fds=[made.fd])
    made.close_fd()
    assert os.path.exists(f"/sys/class/net/{name}")
    child.kill(9)
    await child.wait()
    assert not os.path.exists(f"/sys/class/net/{name}")
    assert (await run(["/bin/true"], timeout_s=5)).exit.status == 0


def test_a_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(tap.TapError, match="too long"):
        tap.open_tap("a-name-of-16-chr", mac=MAC)


def test_a_host_without_the_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "DEVICE", "/nonexistent/tun")
    with pytest.raises(tap.TapError, match="cannot open '/nonexistent/tun'") as told:
        tap.open_tap(None, mac=MAC)
    assert told.value.errno == 2


@pytest.mark.root
def test_an_mtu_of_its_own_goes_before_the_bridges(name: str, bridge: str) -> None:
    made = tap.open_tap(name, mac=MAC, bridge=bridge, mtu=1300)
    assert sys_net(name, "mtu") == "1300"
    made.close()
    alone = tap.open_tap(name, mac=MAC, mtu=9000)
    assert sys_net(name, "mtu") == "9000"
    alone.close()
