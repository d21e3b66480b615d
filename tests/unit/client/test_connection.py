"""The blocking connection against a daemon in memory, whole and byte by byte, and on a socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.daemon import UUIDS, XML, FakeDaemon, MemoryConnection
from virtup.client.connection import ConnectFailed, Connection, authentication, connect
from virtup.client.exchange import ConnectionLost
from virtup.client.guests import format_uuid, list_all, lookup, parse_uuid
from virtup.errors import Code, DomainNotFound, RpcError, VirtError
from virtup.wire.tables import REMOTE


@pytest.fixture(params=[False, True], ids=["whole", "bytes"])
def conn(request: pytest.FixtureRequest) -> MemoryConnection:
    return MemoryConnection(FakeDaemon(), piecewise=request.param)


def test_a_call_gives_the_reply(conn: MemoryConnection) -> None:
    assert conn.call("CONNECT_GET_HOSTNAME") == {"hostname": "h"}
    dom = conn.call("DOMAIN_LOOKUP_BY_NAME", name="web")["dom"]
    assert conn.call("DOMAIN_GET_XML_DESC", dom=dom, flags=0)["xml"] == XML


def test_an_error_keeps_code_and_words(conn: MemoryConnection) -> None:
    with pytest.raises(VirtError) as caught:
        conn.call("DOMAIN_LOOKUP_BY_NAME", name="nope")
    assert caught.value.code == Code.NO_DOMAIN
    assert caught.value.message == "Domain not found: no domain with matching name 'nope'"
    assert conn.call("CONNECT_GET_TYPE") == {"type": "QEMU"}


def test_an_argument_that_does_not_fit_is_not_sent(conn: MemoryConnection) -> None:
    with pytest.raises(RpcError, match="the field 'name' is missing"):
        conn.call("DOMAIN_LOOKUP_BY_NAME")
    assert conn.daemon.calls == []


def test_gathered_calls_keep_their_order_and_their_errors(conn: MemoryConnection) -> None:
    names = [name for _ in range(20) for name in ("web", "nope", "db")]
    answers = conn.gather(("DOMAIN_LOOKUP_BY_NAME", {"name": name}) for name in names)
    found = ["nope" if isinstance(a, VirtError) else a["dom"]["name"] for a in answers]
    assert found == names
    assert conn.gather(()) == []


def test_events_come_in_order_until_time_is_out(conn: MemoryConnection) -> None:
    for detail in range(3):
        msg = {"dom": conn.daemon.handle("web"), "event": 2, "detail": detail}
        conn.daemon.say("DOMAIN_EVENT_CALLBACK_LIFECYCLE", {"callbackID": 1, "msg": msg})
    assert [m.body["msg"]["detail"] for m in conn.events(0.0)] == [0, 1, 2]


def test_events_that_come_during_a_call_are_kept(conn: MemoryConnection) -> None:
    conn.daemon.say(
        "DOMAIN_EVENT_CALLBACK_REBOOT",
        {"callbackID": 1, "msg": {"dom": conn.daemon.handle("web")}},
    )
    conn.call("CONNECT_GET_TYPE")
    assert [m.procedure.name for m in conn.events(0.0)] == ["DOMAIN_EVENT_CALLBACK_REBOOT"]


def test_a_ping_is_answered(conn: MemoryConnection) -> None:
    conn.daemon.pending += conn.daemon.session.ping()
    conn.call("CONNECT_GET_TYPE")
    assert conn.daemon.session.in_flight == 0
    conn.pump(0)
    assert conn.unsent == 0


def test_a_stream_brings_data_and_ends(conn: MemoryConnection) -> None:
    stream = conn.stream(
        "DOMAIN_OPEN_CONSOLE", dom=conn.daemon.handle("web"), dev_name=None, flags=0
    )
    said = b""
    while not stream.over:
        conn.pump(0)
        said += stream.read()
    assert said + stream.read() == b"login: "
    assert stream.error is None
    stream.send(b"too late")
    conn.pump(0)
    assert conn.daemon.got == b""


def test_a_stream_takes_data_and_is_dropped(conn: MemoryConnection) -> None:
    conn.daemon.console = None
    stream = conn.stream(
        "DOMAIN_OPEN_CONSOLE", dom=conn.daemon.handle("web"), dev_name=None, flags=0
    )
    stream.send(b"root\n")
    stream.close()
    assert conn.daemon.got == b"root\n"
    assert stream.over
    assert conn.call("CONNECT_GET_TYPE") == {"type": "QEMU"}


def test_a_stream_that_the_daemon_fails_says_why(conn: MemoryConnection) -> None:
    conn.daemon.console = None
    stream = conn.stream(
        "DOMAIN_OPEN_CONSOLE", dom=conn.daemon.handle("web"), dev_name=None, flags=0
    )
    serial = conn.daemon.streams[-1]
    conn.daemon.pending += conn.daemon.session.stream_abort(serial, VirtError("it broke"))
    while conn.daemon.pending:
        conn.pump(0)
    assert stream.over
    assert stream.error is not None
    assert stream.error.message == "it broke"


def test_a_stream_that_is_refused_leaves_nothing(conn: MemoryConnection) -> None:
    def refuse(_: object) -> None:
        raise VirtError("taken")

    conn.daemon.handlers["DOMAIN_OPEN_CONSOLE"] = refuse
    with pytest.raises(VirtError, match="taken"):
        conn.stream("DOMAIN_OPEN_CONSOLE", dom=conn.daemon.handle("web"), dev_name=None, flags=0)
    assert conn._exchange.channels == {}


def test_a_daemon_that_goes_is_told_as_such(conn: MemoryConnection) -> None:
    conn.daemon.gone = True
    with pytest.raises(ConnectionLost, match="End of file while reading data"):
        conn.call("CONNECT_GET_TYPE")


def test_guests_are_found_by_id_uuid_and_name(conn: MemoryConnection) -> None:
    web = conn.daemon.handle("web")
    assert lookup(conn, "1") == lookup(conn, "web") == web
    assert lookup(conn, format_uuid(UUIDS["web"])) == web
    assert lookup(conn, "1", ("uuid", "name")) is None
    assert lookup(conn, "web", ("id", "uuid")) is None
    assert lookup(conn, "nope") is None
    assert {g["name"] for g in list_all(conn)} == set(UUIDS)


def test_a_lookup_that_fails_otherwise_is_told(conn: MemoryConnection) -> None:
    def refuse(_: object) -> None:
        raise VirtError("no access", code=Code.ACCESS_DENIED)

    conn.daemon.handlers["DOMAIN_LOOKUP_BY_NAME"] = refuse
    with pytest.raises(VirtError, match="no access"):
        lookup(conn, "web")


def test_a_lookup_tells_of_a_definition_that_was_left_aside(conn: MemoryConnection) -> None:
    def refuse(_: object) -> None:
        raise DomainNotFound("no domain with matching name 'odd'; its definition was left aside: x")

    conn.daemon.handlers["DOMAIN_LOOKUP_BY_NAME"] = refuse
    with pytest.raises(VirtError, match="left aside: x"):
        lookup(conn, "odd")


@pytest.mark.parametrize(
    "text",
    ["", "1", "0" * 36, "00010203-0405-0607-0809-0a0b0c0d0e0", "g" * 8 + "-0405-0607-0809-" + "0" * 12,
     "0001020-30405-0607-0809-0a0b0c0d0e0f"],
)  # fmt: skip
def test_what_is_no_uuid(text: str) -> None:
    assert parse_uuid(text) is None


def test_a_uuid_goes_both_ways() -> None:
    text = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert parse_uuid(text) == bytes(range(16))
    assert parse_uuid(text.upper()) == bytes(range(16))
    assert format_uuid(bytes(range(16))) == text


def test_what_a_daemon_may_ask_for_first() -> None:
    assert authentication([]) is None
    assert authentication([0, 2]) is None
    assert authentication([2]) == "AUTH_POLKIT"
    with pytest.raises(VirtError, match="SASL") as caught:
        authentication([1])
    assert caught.value.code == Code.AUTH_FAILED


# -- on a real socket ------------------------------------------------------------------------------


def serve(sock: socket.socket, daemon: FakeDaemon) -> None:
    """Serve one client until it goes."""
    with sock:
        while data := sock.recv(65536):
            daemon.receive(data)
            sock.sendall(bytes(daemon.pending))
            daemon.pending.clear()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, FakeDaemon]]:
    """The path of a socket, and the daemon in memory that serves the first client there."""
    daemon = FakeDaemon()
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def accept() -> None:
            serve(listener.accept()[0], daemon)

        thread = threading.Thread(target=accept)
        thread.start()
        yield str(path), daemon
        thread.join(20)
        assert not thread.is_alive()


def test_connect_opens_the_uri_that_is_meant(served: tuple[str, FakeDaemon]) -> None:
    path, daemon = served
    uri = f"qemu+unix:///session?socket={path}"
    with connect(uri, readonly=True) as conn:
        assert conn.call("CONNECT_GET_HOSTNAME") == {"hostname": "h"}
        assert conn.target is not None
        assert conn.target.given == uri
    assert daemon.asked("CONNECT_OPEN") == [{"name": "qemu:///session", "flags": 1}]


def test_connect_passes_the_check_that_the_daemon_wants(served: tuple[str, FakeDaemon]) -> None:
    path, daemon = served
    daemon.handlers["AUTH_LIST"] = lambda _: {"types": [2]}
    daemon.handlers["AUTH_POLKIT"] = lambda _: {"complete": 1}
    connect(f"qemu+unix:///system?socket={path}").close()
    assert [name for name, _ in daemon.calls] == ["AUTH_LIST", "AUTH_POLKIT", "CONNECT_OPEN"]


def test_connect_tells_what_the_daemon_refuses(served: tuple[str, FakeDaemon]) -> None:
    path, daemon = served

    def refuse(_: object) -> None:
        raise VirtError("not for you", code=Code.AUTH_UNAVAILABLE)

    daemon.handlers["CONNECT_OPEN"] = refuse
    with pytest.raises(VirtError, match="not for you"):
        connect(f"qemu+unix:///system?socket={path}")


def test_a_large_document_goes_through_a_small_socket(served: tuple[str, FakeDaemon]) -> None:
    path, daemon = served
    large = "<domain>" + "x" * 3_000_000 + "</domain>"
    daemon.xml = large
    with connect(f"qemu+unix:///system?socket={path}") as conn:
        reply = conn.call("DOMAIN_DEFINE_XML", xml=large)
        assert conn.call("DOMAIN_GET_XML_DESC", dom=reply["dom"], flags=0)["xml"] == large
    assert daemon.asked("DOMAIN_DEFINE_XML") == [{"xml": large}]


def test_a_daemon_that_closes_is_told_as_such() -> None:
    ours, theirs = socket.socketpair()
    with Connection(ours) as conn:
        theirs.close()
        with pytest.raises(ConnectionLost):
            conn.call("CONNECT_GET_TYPE")


def test_a_daemon_that_sends_garbage_breaks_the_connection() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Connection(ours) as conn:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(RpcError):
            conn.call("CONNECT_GET_TYPE")


def test_a_call_on_a_closed_connection_says_so() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Connection(ours) as conn:
        conn.close()
        with pytest.raises(ConnectionLost, match="the connection is closed"):
            conn.call("CONNECT_GET_TYPE")


def test_nobody_on_the_socket_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(ConnectFailed) as caught:
        connect(f"qemu+unix:///system?socket={path}")
    assert caught.value.message == (
        f"Failed to connect socket to '{path}': No such file or directory (no daemon listens there)"
    )
    path.touch()
    with pytest.raises(ConnectFailed, match="Connection refused"):
        connect(f"qemu+unix:///system?socket={path}")


def test_the_qemu_and_virtup_programs_are_other_numbers(conn: MemoryConnection) -> None:
    seen = []

    def record(args: dict[str, object]) -> dict[str, object]:
        seen.append(args)
        return {"result": "{}"}

    conn.daemon.handlers["DOMAIN_MONITOR_COMMAND"] = record
    conn.daemon.handlers["WHY"] = lambda args: {"reply": args["request"]}
    dom = conn.daemon.handle("web")
    assert conn.call_qemu("DOMAIN_MONITOR_COMMAND", dom=dom, cmd="{}", flags=1) == {"result": "{}"}
    assert seen == [{"dom": dom, "cmd": "{}", "flags": 1}]
    assert conn.call_virtup("WHY", {"domain": "é"}) == {"domain": "é"}
    assert REMOTE == 0x20008086
