"""TCP ports: free ones, and who has the others."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtup.host import ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 that this process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_passed_over(taken: int) -> None:
    assert not ports.can_listen("127.0.0.1", taken)
    found = ports.free("127.0.0.1", taken, min(taken + 50, 65535))
    assert found > taken
    again = ports.free("127.0.0.1", taken, min(taken + 50, 65535), taken={found})
    assert again > found


def test_an_idle_port_is_found_by_looking_alone(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was made")

    with monkeypatch.context() as looking:
        looking.setattr(ports.socket, "socket", refuse)
        found = ports.idle("127.0.0.1", taken, min(taken + 50, 65535))
        assert found > taken
        assert ports.idle("127.0.0.1", found, found + 50, taken={found}) > found
        assert ports.idle("127.0.0.2", taken, taken) == taken
        with pytest.raises(ports.NoFreePort, match=f"between {taken} and {taken}"):
            ports.idle("0.0.0.0", taken, taken)
    assert ports.can_listen("127.0.0.1", found)


def test_a_port_of_one_address_is_free_at_another(taken: int) -> None:
    assert ports.can_listen("127.0.0.2", taken)


def test_a_full_range_is_told(taken: int) -> None:
    with pytest.raises(ports.NoFreePort, match=f"between {taken} and {taken}"):
        ports.free("127.0.0.1", taken, taken)


def test_a_foreign_address_is_an_error_of_its_own() -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        ports.free("192.0.2.1", 5900, 5901)


def test_a_port_is_free_again_although_a_connection_lingers() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = server.getsockname()
        with socket.create_connection(address) as caller:
            accepted, _ = server.accept()
            accepted.close()
            caller.recv(1)
    assert ports.can_listen(*address)


def test_the_holder_is_named(taken: int) -> None:
    held = ports.holder(taken)
    assert held is not None
    assert (held.pid, held.address, held.port) == (os.getpid(), "127.0.0.1", taken)
    assert held.comm == Path("/proc/self/comm").read_text().strip()
    assert held.uid == os.geteuid()
    assert ports.holder(taken, "127.0.0.1") == held
    assert ports.holder(taken, "0.0.0.0") == held
    assert ports.holder(taken, "127.0.0.2") is None


def test_nobody_holds_a_free_port(taken: int) -> None:
    assert ports.holder(ports.free("127.0.0.1", taken, min(taken + 50, 65535))) is None


def test_ipv6_holders_are_found_too() -> None:
    with socket.socket(socket.AF_INET6) as server:
        try:
            server.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        server.listen()
        port = server.getsockname()[1]
        held = ports.holder(port, "::1")
        assert held is not None
        assert (held.address, held.pid) == ("::1", os.getpid())
        assert not ports.can_listen("::1", port)


def test_addresses_are_read_in_the_hosts_byte_order() -> None:
    import sys

    text = "0100007F" if sys.byteorder == "little" else "7F000001"
    assert ports._address(text, socket.AF_INET) == "127.0.0.1"
