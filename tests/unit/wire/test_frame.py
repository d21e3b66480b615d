"""Frames: the same whole or byte by byte, refused by their heads."""

import struct

import pytest

from virtup.errors import RpcError
from virtup.wire.frame import (
    HEAD_BYTES,
    MESSAGE_BYTES_MAX,
    Frame,
    FrameDecoder,
    Header,
    Kind,
    Status,
    encode_frame,
)

HEADER = Header(0x20008086, 1, 10, Kind.CALL, 7, Status.OK)
HEADER_FDS = HEADER._replace(type=Kind.CALL_WITH_FDS, serial=8)


def with_fds(count, payload=b"body"):
    return encode_frame(HEADER_FDS, struct.pack(">I", count) + payload) + bytes(count)


STREAM = encode_frame(HEADER, b"abcd") + with_fds(2) + with_fds(0) + encode_frame(HEADER)
FRAMES = [
    Frame(HEADER, b"abcd"),
    Frame(HEADER_FDS, b"body", 2),
    Frame(HEADER_FDS, b"body", 0),
    Frame(HEADER, b""),
]


def test_the_layout_is_seven_words_and_the_payload():
    assert encode_frame(HEADER, b"\0\0\0\5") == struct.pack(
        ">8I", 32, 0x20008086, 1, 10, 0, 7, 0, 5
    )


@pytest.mark.parametrize("step", [1, 2, 3, 5, 29, 4096])
def test_frames_come_out_the_same_in_any_pieces(step):
    decoder = FrameDecoder()
    frames = []
    for start in range(0, len(STREAM), step):
        frames += decoder.feed(STREAM[start : start + step])
    assert frames == FRAMES
    assert decoder.pending == 0


def test_kind_and_status_are_enums():
    (frame,) = FrameDecoder().feed(encode_frame(HEADER))
    assert frame.header.type is Kind.CALL
    assert frame.header.status is Status.OK


def head(**changes):
    words = {"size": 28, "prog": 1, "vers": 1, "proc": 1, "kind": 0, "serial": 1, "status": 0}
    return struct.pack(">7I", *{**words, **changes}.values())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (head(size=HEAD_BYTES - 1), "27 bytes was announced"),
        (head(size=0), "0 bytes was announced"),
        (head(size=MESSAGE_BYTES_MAX + 5), "33554437 bytes was announced"),
        (b"GET / HTTP/1.1\r\n", "1195725856 bytes was announced"),
        (head(kind=7), "type 7, which does not exist"),
        (head(status=3), "status 3, which does not exist"),
        (head(kind=4), "does not say how many"),
        (head(kind=4, size=32) + struct.pack(">I", 33), "33 descriptors, more than 32"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_a_bad_head_is_refused_and_stays_refused(data, says, step):
    decoder = FrameDecoder()
    with pytest.raises(RpcError, match=says):
        for start in range(0, len(data), step):
            assert decoder.feed(data[start : start + step]) == []
    with pytest.raises(RpcError, match=says):
        decoder.feed(encode_frame(HEADER))


def test_an_oversized_message_is_refused_by_its_length_word_alone():
    decoder = FrameDecoder()
    with pytest.raises(RpcError):
        decoder.feed(struct.pack(">I", MESSAGE_BYTES_MAX + 5))


def test_the_largest_message_is_accepted_and_one_byte_more_cannot_be_sent():
    payload = bytes(MESSAGE_BYTES_MAX - 24)
    (frame,) = FrameDecoder().feed(encode_frame(HEADER, payload))
    assert len(frame.payload) == len(payload)
    with pytest.raises(RpcError, match="above the limit"):
        encode_frame(HEADER, payload + b"x")


def test_frames_before_a_broken_one_are_given_first():
    decoder = FrameDecoder()
    assert decoder.feed(encode_frame(HEADER) + head(size=0)) == [Frame(HEADER, b"")]
    assert decoder.broken is not None
    with pytest.raises(RpcError, match="0 bytes"):
        decoder.feed(b"")


def test_no_more_is_held_than_an_unfinished_frame():
    decoder = FrameDecoder()
    decoder.feed(STREAM + encode_frame(HEADER, b"abcd")[:30])
    assert decoder.pending == 30
