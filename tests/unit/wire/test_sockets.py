"""Where daemons listen, by scheme, environment and user."""

from __future__ import annotations

import pytest

from virtup.errors import InvalidArgument
from virtup.wire.sockets import Name, default_kind, runtime_dir, sockets

HOME = {"HOME": "/home/me"}
RUN = {**HOME, "XDG_RUNTIME_DIR": "/run/user/1000"}


@pytest.mark.parametrize(
    ("name", "main"),
    [("virtup", "/run/virtup/virtup-sock"), ("libvirt", "/run/libvirt/libvirt-sock")],
)
def test_the_systems_daemon_listens_under_run(name: Name, main: str) -> None:
    ends = sockets("system", name=name, env={}, uid=0)
    assert (ends.main, ends.readonly) == (main, f"{main}-ro")


def test_a_session_listens_in_its_runtime_directory() -> None:
    assert sockets("session", env=RUN, uid=1000).main == "/run/user/1000/virtup/virtup-sock"
    libvirt = sockets("session", name="libvirt", env=RUN, uid=1000)
    assert libvirt.main == "/run/user/1000/libvirt/libvirt-sock"


def test_without_a_runtime_directory_it_listens_in_the_cache() -> None:
    assert sockets("session", env=HOME, uid=1000).main == "/home/me/.cache/virtup/run/virtup-sock"
    libvirt = sockets("session", name="libvirt", env=HOME, uid=1000)
    assert libvirt.main == "/home/me/.cache/libvirt/libvirt-sock"
    moved = sockets("session", env={**HOME, "XDG_CACHE_HOME": "/c/"}, uid=1000)
    assert moved.main == "/c/virtup/run/virtup-sock"


@pytest.mark.parametrize(
    ("value", "uid", "found"),
    [
        ("/run/user/1000", 1000, "/run/user/1000"),
        ("/run/user/1000/", 1000, "/run/user/1000"),
        ("/run/user/1000", 0, None),
        ("/run/user/0", 0, "/run/user/0"),
        ("/tmp/mine", 0, "/tmp/mine"),
        ("relative", 1000, None),
        ("", 1000, None),
        ("/", 1000, None),
    ],
)
def test_only_a_users_own_runtime_directory_counts(value: str, uid: int, found: str | None) -> None:
    assert runtime_dir({"XDG_RUNTIME_DIR": value}, uid) == found


def test_a_root_directory_and_a_socket_directory_win() -> None:
    assert sockets("session", root="/r/", env={}, uid=5).main == "/r/run/virtup-sock"
    assert sockets("system", root="/r", name="libvirt", env={}, uid=0).main == "/r/run/libvirt-sock"
    chosen = sockets("system", root="/r", socket_dir="/s/", env={}, uid=0)
    assert chosen.main == "/s/virtup-sock"


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "here"}])
def test_a_session_needs_a_home(env: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="HOME"):
        sockets("session", env=env, uid=1000)


def test_root_means_the_system_and_others_their_session() -> None:
    assert default_kind(0) == "system"
    assert default_kind(1000) == "session"
