"""Sessions: both ends in memory, whole and byte by byte; every state with every input."""

import itertools

import pytest

from virtup.errors import DomainNotFound, RpcError
from virtup.wire.frame import Header, Kind, Status, encode_frame
from virtup.wire.session import (
    CLIENT_MOVES,
    SERVER_MOVES,
    CallReceived,
    CallRefused,
    CallState,
    ClientSession,
    ErrorReceived,
    MessageReceived,
    Packet,
    PingReceived,
    PongReceived,
    ReplyReceived,
    ServerSession,
    StreamAborted,
    StreamData,
    StreamEnded,
    StreamFailed,
    StreamFinished,
    StreamHole,
)
from virtup.wire.tables import KEEPALIVE, QEMU, REMOTE, VIRTUP, procedure
from virtup.wire.xdr import XdrError, codec

DOM = {"name": "vm1", "uuid": bytes(16), "id": 1}
CONSOLE = {"dom": DOM, "dev_name": None, "flags": 0}


def feed(session, data, step):
    events = []
    for start in range(0, len(data), step):
        events += session.receive(data[start : start + step])
    return events


@pytest.fixture(params=[1, 7, 100000])
def step(request):
    return request.param


def opened(step=100000):
    """A client and a server with the stream of call 1 open."""
    client, server = ClientSession(), ServerSession()
    serial, data = client.call(REMOTE, "DOMAIN_OPEN_CONSOLE", CONSOLE, stream=True)
    feed(server, data, step)
    feed(client, server.reply(serial, stream=True), step)
    return client, server, serial


def test_calls_and_replies(step):
    client, server = ClientSession(), ServerSession()
    first, one = client.call(REMOTE, "DOMAIN_LOOKUP_BY_NAME", {"name": "vm1"})
    second, two = client.call(QEMU, "DOMAIN_MONITOR_COMMAND", {"dom": DOM, "cmd": "x", "flags": 1})
    third, three = client.call(VIRTUP, "WHY", {"request": "{}"})
    events = feed(server, one + two + three, step)
    assert [type(e) for e in events] == [CallReceived] * 3
    assert [e.args for e in events][2] == {"request": "{}"}
    assert server.in_flight == client.in_flight == 3
    out = (
        server.reply(second, {"result": "fine"})
        + server.error(first, DomainNotFound("no 'vm1'"))
        + server.reply(third, {"reply": "[]"})
    )
    got = feed(client, out, step)
    assert got[0] == ReplyReceived(second, procedure(QEMU, 1), {"result": "fine"})
    assert isinstance(got[1], ErrorReceived)
    assert got[1].error.message == "Domain not found: no 'vm1'"
    assert got[2].body == {"reply": "[]"}
    assert server.in_flight == client.in_flight == 0


def test_a_void_procedure_has_an_empty_body(step):
    client, server = ClientSession(), ServerSession()
    serial, data = client.call(REMOTE, "CONNECT_CLOSE")
    assert feed(server, data, step) == [CallReceived(1, procedure(REMOTE, 2), {})]
    assert feed(client, server.reply(serial), step)[0].body == {}


def test_messages_and_keepalive(step):
    client, server = ClientSession(), ServerSession()
    body = {"callbackID": 3, "msg": {"dom": DOM, "event": 2, "detail": 0}}
    out = server.message(REMOTE, "DOMAIN_EVENT_CALLBACK_LIFECYCLE", body) + server.ping()
    known = procedure(REMOTE, "DOMAIN_EVENT_CALLBACK_LIFECYCLE")
    got = feed(client, out, step)
    assert got == [MessageReceived(known, body), PingReceived()]
    (pong,) = feed(server, client.pong(), step)
    assert isinstance(pong, PongReceived)


def test_a_stream_flows_both_ways_and_is_finished(step):
    client, server, serial = opened(step)
    assert feed(server, client.stream_data(serial, b"in"), step) == [StreamData(serial, b"in")]
    out = server.stream_data(serial, b"out") + server.stream_end(serial)
    assert feed(client, out, step) == [StreamData(serial, b"out"), StreamEnded(serial)]
    (asked,) = feed(server, client.stream_finish(serial), step)
    assert isinstance(asked, StreamFinished)
    (done,) = feed(client, server.stream_finish(serial), step)
    assert isinstance(done, StreamFinished)
    assert client.state(serial) is server.state(serial) is CallState.GONE


def test_a_stream_is_aborted_by_the_client_while_data_are_under_way(step):
    client, server, serial = opened(step)
    late = server.stream_data(serial, b"late")
    (asked,) = feed(server, client.stream_abort(serial), step)
    assert isinstance(asked, StreamAborted)
    (done,) = feed(client, late + server.stream_finish(serial), step)
    assert isinstance(done, StreamAborted)


def test_a_stream_is_failed_by_the_server_while_data_are_under_way(step):
    client, server, serial = opened(step)
    late = client.stream_data(serial, b"late")
    (failed,) = feed(client, server.stream_abort(serial, RpcError("gone")), step)
    assert (failed.serial, failed.error.message) == (serial, "gone")
    assert feed(server, late, step) == []


def test_a_hole_is_told():
    client, server, serial = opened()
    number = procedure(REMOTE, "DOMAIN_OPEN_CONSOLE").number
    header = Header(REMOTE, 1, number, Kind.STREAM_HOLE, serial, Status.CONTINUE)
    hole = encode_frame(header, codec("virNetStreamHole").encode({"length": 512, "flags": 0}))
    assert server.receive(hole) == [StreamHole(serial, 512)]
    assert client.receive(hole) == [StreamHole(serial, 512)]


REFUSED = {
    "unknown program": (Header(0x1234, 1, 1, Kind.CALL, 5, Status.OK), b"", "Cannot find program"),
    "unknown version": (Header(REMOTE, 2, 1, Kind.CALL, 5, Status.OK), b"", "version 2"),
    "unknown procedure": (Header(REMOTE, 1, 9999, Kind.CALL, 5, Status.OK), b"", "unknown proced"),
    "short body": (Header(REMOTE, 1, 1, Kind.CALL, 5, Status.OK), b"\0", "ends too early"),
    "body of a void": (Header(REMOTE, 1, 2, Kind.CALL, 5, Status.OK), b"\0\0\0\0", "none belong"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_call_that_cannot_be_served_is_answered_and_the_connection_lives(case):
    header, payload, says = case
    server = ServerSession()
    (event,) = server.receive(encode_frame(header, payload))
    assert isinstance(event, CallRefused)
    assert says in event.error.message
    answer = server.error(5, event.error)
    assert answer[4:20] == encode_frame(header)[4:16] + b"\0\0\0\1"
    _, data = ClientSession().call(REMOTE, "CONNECT_CLOSE")
    assert isinstance(server.receive(data)[0], CallReceived)


BREAKS = {
    "a reply": Header(REMOTE, 1, 1, Kind.REPLY, 1, Status.OK),
    "a message": Header(REMOTE, 1, 318, Kind.MESSAGE, 1, Status.OK),
    "a call with an error": Header(REMOTE, 1, 1, Kind.CALL, 1, Status.ERROR),
    "a keepalive call": Header(KEEPALIVE, 1, 1, Kind.CALL, 1, Status.OK),
    "an unknown keepalive": Header(KEEPALIVE, 1, 3, Kind.MESSAGE, 0, Status.OK),
}


@pytest.mark.parametrize("header", BREAKS.values(), ids=BREAKS.keys())
def test_what_a_client_must_not_send_breaks_the_connection(header):
    server = ServerSession()
    with pytest.raises(RpcError):
        server.receive(encode_frame(header))
    with pytest.raises(RpcError):
        server.receive(b"")


def test_a_serial_in_use_breaks_the_connection():
    server = ServerSession()
    _, data = ClientSession().call(REMOTE, "CONNECT_CLOSE")
    assert len(server.receive(data + data)) == 1
    assert "serial 1 is in use" in server.broken.message
    with pytest.raises(RpcError):
        server.receive(b"")


SERVER_BREAKS = {
    "a call": Header(REMOTE, 1, 1, Kind.CALL, 1, Status.OK),
    "a reply to no call": Header(REMOTE, 1, 2, Kind.REPLY, 2, Status.OK),
    "a reply to another procedure": Header(REMOTE, 1, 1, Kind.REPLY, 1, Status.OK),
    "a reply that continues": Header(REMOTE, 1, 2, Kind.REPLY, 1, Status.CONTINUE),
    "an error without body": Header(REMOTE, 1, 2, Kind.REPLY, 1, Status.ERROR),
    "an unknown message": Header(REMOTE, 1, 9999, Kind.MESSAGE, 1, Status.OK),
}


@pytest.mark.parametrize("header", SERVER_BREAKS.values(), ids=SERVER_BREAKS.keys())
def test_what_a_server_must_not_send_breaks_the_connection(header):
    client = ClientSession()
    client.call(REMOTE, "CONNECT_CLOSE")
    with pytest.raises(RpcError):
        client.receive(encode_frame(header))


def in_state(side, state):
    """One end with its stream of call 1 in *state*."""
    client, server = ClientSession(), ServerSession()
    serial, data = client.call(REMOTE, "DOMAIN_OPEN_CONSOLE", CONSOLE, stream=True)
    server.receive(data)
    if state is not CallState.CALLED:
        client.receive(server.reply(serial, stream=True))
    if state is CallState.FINISHING:
        server.receive(client.stream_finish(serial))
    elif state is CallState.ABORTING:
        server.receive(client.stream_abort(serial))
    elif state is CallState.GONE:
        server.stream_abort(serial, RpcError("gone"))
        client._calls.clear()
    session = client if side == "client" else server
    assert session.state(serial) is state
    return session


def packet_bytes(packet):
    number = procedure(REMOTE, "DOMAIN_OPEN_CONSOLE").number
    header = Header(REMOTE, 1, number, Kind.STREAM, 1, Status.CONTINUE)
    error = ServerSession()
    error.receive(ClientSession().call(REMOTE, "CONNECT_CLOSE")[1])
    body = error.error(1, RpcError("no"))[28:]
    return {
        Packet.DATA: encode_frame(header, b"data"),
        Packet.END: encode_frame(header),
        Packet.HOLE: encode_frame(
            header._replace(type=Kind.STREAM_HOLE),
            codec("virNetStreamHole").encode({"length": 1, "flags": 0}),
        ),
        Packet.FINISH: encode_frame(header._replace(status=Status.OK)),
        Packet.ABORT: encode_frame(header._replace(status=Status.ERROR), body),
    }[packet]


EVENT_OF = {
    ("server", CallState.OPEN): (
        StreamData, StreamEnded, StreamHole, StreamFinished, StreamAborted,
    ),
    ("server", CallState.FINISHING): (None, None, None, None, StreamAborted),
    ("client", CallState.OPEN): (
        StreamData, StreamEnded, StreamHole, StreamFinished, StreamFailed,
    ),
    ("client", CallState.FINISHING): (
        StreamData, StreamEnded, StreamHole, StreamFinished, StreamFailed,
    ),
    ("client", CallState.ABORTING): (
        "dropped", "dropped", "dropped", StreamAborted, StreamAborted,
    ),
    ("server", CallState.GONE): ("dropped",) * 5,
    ("client", CallState.GONE): ("dropped",) * 5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("side", "state", "packet"),
    list(itertools.product(["client", "server"], CallState, Packet)),
    ids=lambda value: getattr(value, "name", value),
)
def test_every_state_with_every_packet_is_a_known_move_or_an_error(side, state, packet):
    expected = EVENT_OF.get((side, state), (None,) * 5)[packet]
    moves = SERVER_MOVES if side == "server" else CLIENT_MOVES
    session, data = in_state(side, state), packet_bytes(packet)
    if expected is None:
        assert packet not in moves[state]
        with pytest.raises(RpcError, match=f"stream 1 is {state.value}"):
            session.receive(data)
        return
    events = session.receive(data)
    assert [type(e) for e in events] == ([] if expected == "dropped" else [expected])
    assert session.state(1) is moves[state][packet][0]


SERVER_ACTS = {
    "reply": (lambda s: s.reply(1), {CallState.CALLED}),
    "error": (lambda s: s.error(1, RpcError("x")), {CallState.CALLED}),
    "data": (lambda s: s.stream_data(1, b"x"), {CallState.OPEN}),
    "end": (lambda s: s.stream_end(1), {CallState.OPEN}),
    "finish": (lambda s: s.stream_finish(1), {CallState.FINISHING, CallState.ABORTING}),
    "abort": (
        lambda s: s.stream_abort(1, RpcError("x")),
        {CallState.OPEN, CallState.FINISHING, CallState.ABORTING},
    ),
}
CLIENT_ACTS = {
    "data": (lambda s: s.stream_data(1, b"x"), {CallState.OPEN}),
    "end": (lambda s: s.stream_end(1), {CallState.OPEN}),
    "finish": (lambda s: s.stream_finish(1), {CallState.OPEN}),
    "abort": (lambda s: s.stream_abort(1), {CallState.OPEN, CallState.FINISHING}),
}


@pytest.mark.parametrize("state", CallState, ids=lambda s: s.name)
@pytest.mark.parametrize(
    ("side", "act"),
    [("server", a) for a in SERVER_ACTS] + [("client", a) for a in CLIENT_ACTS],
)
def test_every_act_is_allowed_in_its_states_only(side, act, state):
    do, allowed = (SERVER_ACTS if side == "server" else CLIENT_ACTS)[act]
    session = in_state(side, state)
    if state in allowed:
        assert do(session)
    else:
        with pytest.raises(RpcError, match=f"the stream of call 1 is {state.value}"):
            do(session)
        assert session.state(1) is state


def test_a_reply_that_does_not_fit_leaves_the_call_to_be_failed():
    client, server = ClientSession(), ServerSession()
    serial, data = client.call(REMOTE, "CONNECT_GET_TYPE")
    server.receive(data)
    with pytest.raises(XdrError):
        server.reply(serial, {"type": 5})
    (event,) = client.receive(server.error(serial, RpcError("could not")))
    assert event.error.message == "could not"


def test_arguments_that_do_not_fit_call_nothing():
    client = ClientSession()
    with pytest.raises(XdrError, match="takes no fields"):
        client.call(REMOTE, "CONNECT_CLOSE", {"x": 1})
    with pytest.raises(XdrError, match="'name' is missing"):
        client.call(REMOTE, "DOMAIN_LOOKUP_BY_NAME", {})
    assert client.in_flight == 0
    assert client.call(REMOTE, "CONNECT_CLOSE")[0] == 1
