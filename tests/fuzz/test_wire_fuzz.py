"""Garbage on the wire parses or raises RpcError, and takes no more memory than its own size."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtup.errors import RpcError
from virtup.wire.frame import Header, Kind, Status, encode_frame
from virtup.wire.session import CallReceived, CallRefused, ClientSession, ServerSession
from virtup.wire.tables import KEEPALIVE, QEMU, REMOTE, VIRTUP, procedures, type_line, type_names
from virtup.wire.xdr import XdrError, codec

STRUCTURES = [name for name in type_names() if not type_line(name).startswith("=")]
WORDS = st.one_of(
    st.sampled_from([0, 1, 2, 3, 4, 7, 16, 255, 16384, 4194304, 4194305, 2**31, 2**32 - 1]),
    st.integers(0, 2**32 - 1),
).map(lambda number: number.to_bytes(4, "big"))
BODIES = st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=40).map(b"".join))


@given(name=st.sampled_from(STRUCTURES), body=BODIES)
@settings(max_examples=400)
def test_a_body_decodes_to_what_encodes_to_it_or_is_refused(name, body):
    try:
        value = codec(name).decode(body)
    except XdrError:
        return
    encoded = codec(name).encode(value)
    assert codec(name).decode(encoded) == value or "nan" in repr(value)


HEADERS = st.builds(
    Header,
    st.sampled_from([REMOTE, QEMU, VIRTUP, KEEPALIVE, 0, 0x1234]),
    st.sampled_from([0, 1, 2]),
    st.one_of(st.integers(-1, 460), st.integers(-(2**31), 2**31 - 1)),
    st.sampled_from(list(Kind)),
    st.integers(0, 4),
    st.sampled_from(list(Status)),
)
FRAMES = st.lists(st.builds(encode_frame, HEADERS, BODIES), max_size=6).map(b"".join)


def drive(session, data, step):
    """Feed *data* in pieces; the events, and the error that ended it."""
    events = []
    try:
        for start in range(0, len(data), step):
            events += session.receive(data[start : start + step])
        session.receive(b"")
    except RpcError as exc:
        return events, str(exc)
    return events, None


@given(data=st.one_of(FRAMES, st.binary(max_size=400)), step=st.integers(1, 60))
@settings(max_examples=300)
@pytest.mark.parametrize("make", [ServerSession, ClientSession])
def test_garbage_gives_events_or_an_rpc_error_the_same_in_any_pieces(make, data, step):
    assert repr(drive(make(), data, len(data) or 1)) == repr(drive(make(), data, step))


@given(data=FRAMES)
@settings(max_examples=200)
def test_every_call_can_be_answered(data):
    server = ServerSession()
    events, _ = drive(server, data, len(data) or 1)
    for event in events:
        if isinstance(event, (CallReceived, CallRefused)):
            assert server.error(event.serial, RpcError("no"))


@pytest.mark.parametrize("program", [REMOTE, QEMU])
def test_lengths_that_lie_take_no_memory(program):
    lies = b"".join(n.to_bytes(4, "big") for n in (1, 4194304, 4194304, 262144, 65536)) * 4
    tracemalloc.start()
    try:
        for row in procedures(program):
            for name in (row.args, row.ret, row.msg):
                if name is None:
                    continue
                part = codec(name)
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                for start in range(0, 24, 4):
                    with pytest.raises(XdrError):
                        part.decode(lies[start:] + b"\x01")
                assert tracemalloc.get_traced_memory()[1] - before < 100_000, name
    finally:
        tracemalloc.stop()
