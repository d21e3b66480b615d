"""The directories of a daemon, and who can pass them."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest

from virtup.host import access, layout
from virtup.host.accounts import Account
from virtup.host.layout import Layout
from virtup.wire.sockets import Kind, Name, sockets

HOME = {"HOME": "/home/me"}
QEMU = Account("nobody", 65534, 65534, (65534,))


def paths(found: Layout) -> dict[str, str]:
    every = dataclasses.asdict(found)
    return {name: value for name, value in every.items() if name not in ("kind", "name")}


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("kind", ["system", "session"])
@pytest.mark.parametrize("name", ["virtup", "libvirt"])
@pytest.mark.parametrize("root", [None, "/some/root"])
def test_every_path_is_absolute_and_its_own(kind: Kind, name: Name, root: str | None) -> None:
    found = layout.find(kind, name=name, root=root, env=HOME, uid=1000)
    every = [path for key, path in paths(found).items() if key != "socket_dir"]
    assert all(path.startswith("/") and "//" not in path for path in every)
    assert len(set(every)) == len(every)
    if root is not None:
        assert all(path.startswith(f"{root}/") for path in every)
    ends = sockets(kind, name=name, root=root, env=HOME, uid=1000)
    assert (found.socket_dir, found.socket, found.socket_ro) == ends


def test_the_systems_own_directories() -> None:
    found = layout.find("system", env={}, uid=0)
    assert found.definitions == "/etc/virtup/qemu"
    assert found.log_dir == "/var/log/virtup/qemu"
    assert found.save_dir == "/var/lib/virtup/qemu/save"
    assert found.lock_file == "/run/virtup/virtupd.lock"
    assert found.config_file == "/etc/virtup/virtupd.toml"


def test_libvirts_directories_are_where_libvirt_has_them() -> None:
    found = layout.find("system", name="libvirt", env={}, uid=0)
    assert found.definitions == "/etc/libvirt/qemu"
    assert found.autostart == "/etc/libvirt/qemu/autostart"
    assert found.log_dir == "/var/log/libvirt/qemu"
    assert found.state_dir == "/run/libvirt/qemu"
    assert found.lib_dir == "/var/lib/libvirt/qemu"
    assert found.channel_dir == "/var/lib/libvirt/qemu/channel/target"
    session = layout.find("session", name="libvirt", env=HOME, uid=1000)
    assert session.log_dir == "/home/me/.cache/libvirt/qemu/log"
    assert session.lib_dir == "/home/me/.config/libvirt/qemu/lib"


def test_a_session_follows_the_xdg_directories() -> None:
    env = {
        **HOME,
        "XDG_CONFIG_HOME": "/c",
        "XDG_CACHE_HOME": "/k",
        "XDG_DATA_HOME": "/d",
        "XDG_STATE_HOME": "/s",
        "XDG_RUNTIME_DIR": "/run/user/1000",
    }
    found = layout.find("session", env=env, uid=1000)
    heads = {name: path.split("/")[1] for name, path in paths(found).items()}
    assert heads == {
        "definitions": "c", "autostart": "c", "config_file": "c", "cache_dir": "k",
        "lib_dir": "d", "save_dir": "d", "nvram_dir": "d",
        "log_dir": "s", "attempts_dir": "s", "ledger_file": "s",
        "state_dir": "run", "channel_dir": "run", "socket_dir": "run", "socket": "run",
        "socket_ro": "run", "lock_file": "run",
    }  # fmt: skip


def test_relative_directories_count_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = layout.find("system", root="r", socket_dir="s", env={}, uid=0)
    assert found.definitions == f"{tmp_path}/r/etc/qemu"
    assert found.socket == f"{tmp_path}/s/virtup-sock"


def make(tmp_path: Path, account: Account | None) -> Layout:
    found = layout.find("system", root=f"{tmp_path}/r", env={}, uid=0)
    layout.create(found, account)
    return found


def test_a_session_keeps_everybody_out(tmp_path: Path) -> None:
    found = make(tmp_path, None)
    for name, path in paths(found).items():
        if name.endswith("_dir") and name != "socket_dir":
            assert mode(path) == 0o700, name


@pytest.mark.root
def test_qemus_user_passes_to_its_own_and_sees_nothing_else(tmp_path: Path) -> None:
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)
    found = make(tmp_path, QEMU)
    guest = f"{found.lib_dir}/domain-1-vm"
    layout.guest_dir(guest, QEMU)
    layout.write_master_key(f"{guest}/master-key.aes", QEMU)
    assert access.may(f"{guest}/master-key.aes", QEMU)
    assert access.obstacle(guest, QEMU, write=True) is None
    assert access.obstacle(found.channel_dir, QEMU) is not None
    for private in (found.definitions, found.save_dir, found.log_dir, found.attempts_dir):
        barrier = access.obstacle(private, QEMU)
        assert barrier is not None, private
        assert mode(private) == 0o700
    for shared in (found.state_dir, found.lib_dir, found.channel_dir):
        assert mode(shared) == 0o711


def test_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir(mode=0o750)
    (tmp_path / "r").chmod(0o750)
    found = make(tmp_path, QEMU)
    os.chmod(found.log_dir, 0o755)
    layout.create(found, QEMU)
    assert mode(f"{tmp_path}/r") == 0o750
    assert mode(found.log_dir) == 0o755


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "log").write_text("")
    with pytest.raises(OSError, match=f"{tmp_path}/r/log"):
        make(tmp_path, None)


def test_a_guests_directory_is_taken_over_after_a_crash(tmp_path: Path) -> None:
    path = f"{tmp_path}/domain-1-vm"
    layout.guest_dir(path, None)
    os.chmod(path, 0o755)
    layout.guest_dir(path, None)
    assert mode(path) == 0o700


def test_a_link_in_place_of_a_guests_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "d").symlink_to("elsewhere")
    with pytest.raises(OSError, match="Not a directory"):
        layout.guest_dir(f"{tmp_path}/d", None)
    assert mode(f"{tmp_path}/elsewhere") == 0o755


def test_a_guests_directory_goes_with_all_in_it_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("mine")
    path = tmp_path / "d"
    layout.guest_dir(str(path), None)
    (path / "sub").mkdir()
    (path / "sub" / "f").write_text("")
    (path / "link").symlink_to(tmp_path / "kept")
    layout.remove_guest_dir(str(path))
    layout.remove_guest_dir(str(path))
    assert not path.exists()
    assert (tmp_path / "kept" / "file").read_text() == "mine"


def test_a_master_key_is_new_each_time_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys = set()
    for _ in range(2):
        layout.write_master_key(str(path), None)
        keys.add(path.read_bytes())
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 2
    assert mode(str(path)) == 0o600
