"""Which daemon a URI names, and which URIs are refused."""

from __future__ import annotations

import pytest

from virtup.client.uri import Target, UriRefused, find
from virtup.errors import Code, VirtError

ENV = {"XDG_RUNTIME_DIR": "/run/user/1000", "HOME": "/home/u"}


def target(uri: str | None, *, uid: int = 1000, readonly: bool = False, **env: str) -> Target:
    return find(uri, readonly=readonly, env={**ENV, **env}, uid=uid)


@pytest.mark.parametrize("nothing", [None, ""])
def test_the_default_is_roots_system_and_a_users_session(nothing: str | None) -> None:
    assert target(nothing, uid=0)[:3] == ("system", "/run/virtup/virtup-sock", False)
    assert target(nothing)[:3] == ("session", "/run/user/1000/virtup/virtup-sock", False)
    assert target(nothing).given is None


def test_the_environment_names_the_default_and_virtups_own_variable_wins() -> None:
    assert target(None, LIBVIRT_DEFAULT_URI="qemu:///system").kind == "system"
    both = target(None, VIRTUP_DEFAULT_URI="qemu:///session", LIBVIRT_DEFAULT_URI="qemu:///system")
    assert (both.kind, both.given) == ("session", "qemu:///session")
    assert target("qemu:///system", VIRTUP_DEFAULT_URI="qemu:///session").kind == "system"
    assert target(None, VIRTUP_DEFAULT_URI="", LIBVIRT_DEFAULT_URI="").kind == "session"


@pytest.mark.parametrize(
    ("uri", "kind", "socket"),
    [
        ("qemu:///system?socket=/s", "system", "/s"),
        ("qemu+unix:///session?socket=/a/b", "session", "/a/b"),
        ("qemu+unix:///system?socket=/a%20b%2Fc", "system", "/a b/c"),
        ("qemu+unix:///system?mode=legacy&socket=/x", "system", "/x"),
        ("qemu+unix:///system?socket=/100%", "system", "/100%"),
        ("qemu:///system?socket=/s#fragment", "system", "/s"),
        ("qemu+unix:///system?socket=/%C3%A9", "system", "/é"),
    ],
)
def test_a_socket_can_be_named(uri: str, kind: str, socket: str) -> None:
    found = target(uri)
    assert (found.kind, found.socket, found.named_socket) == (kind, socket, True)
    assert (found.given, found.name) == (uri, f"qemu:///{kind}")


def test_looking_only_uses_the_systems_other_socket() -> None:
    assert target("qemu:///system", readonly=True).socket.endswith("/virtup-sock-ro")
    assert target("qemu:///session", readonly=True).socket.endswith("/virtup-sock")
    assert target("qemu:///system?socket=/s", readonly=True).socket == "/s"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("foo:///system", "no connection driver available for foo:///system"),
        ("qemu", "'qemu' does not include a driver name"),
        ("://", "no connection driver available for ://"),
        ("qemu:///x", "unexpected qemu URI path '/x', try qemu:///system"),
        ("qemu:///", "unexpected qemu URI path '/'"),
        ("qemu+ssh://h/system", "the transport 'ssh'"),
        ("qemu://h/system", "the host 'h'"),
        ("qemu+unix:///system?socket=rel", "a socket is an absolute path"),
        ("qemu+unix:///system?socket=", "a socket is an absolute path"),
        ("qemu+unix:///system?sock=/x", "the parameter 'sock', and only 'socket'"),
    ],
)
def test_other_uris_are_refused_in_one_sentence(uri: str, words: str) -> None:
    with pytest.raises(VirtError) as caught:
        target(uri)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_the_code_tells_an_unknown_driver_from_a_bad_argument() -> None:
    with pytest.raises(VirtError) as unknown:
        target("xen:///")
    with pytest.raises(UriRefused) as bad:
        target("qemu+tcp://h/system")
    assert (unknown.value.code, bad.value.code) == (Code.NO_CONNECT, Code.INVALID_ARG)
