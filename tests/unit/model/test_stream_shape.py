"""A stream of QEMU's, judged by its two ends."""

from __future__ import annotations

import pytest

from virtup.model.save_image import Damage
from virtup.model.stream_shape import HEAD_BYTES, fault

JSON = b'{"devices": []}'
OLD = b"QEVM\0\0\0\3\1" + b"\0ram" * 50
WHOLE = b"QEVM\0\0\0\3\7" + b"\6....{" * 50 + b"\0\6" + len(JSON).to_bytes(4, "big") + JSON


def told(stream: bytes) -> Damage | None:
    found = fault(stream[:HEAD_BYTES], stream)
    return found[0] if found else None


def test_a_whole_stream_and_an_old_one_are_not_judged():
    assert told(WHOLE) is None
    assert told(OLD) is None


@pytest.mark.parametrize("left", range(9, len(WHOLE), 17))
def test_one_that_was_cut_lacks_its_end(left):
    assert told(WHOLE[:left]) is Damage.CUT_RAM


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"", Damage.FLIPPED),
        (b"QEV", Damage.FLIPPED),
        (b"x" + WHOLE[1:], Damage.FLIPPED),
        (bytes(300), Damage.ZEROED),
        (WHOLE + b"x", Damage.CUT_RAM),
    ],
)
def test_what_is_no_stream_is_told(stream, kind):
    assert told(stream) is kind


def test_zeros_at_the_end_are_told_as_that():
    assert fault(WHOLE[:HEAD_BYTES], bytes(500)) == (
        Damage.ZEROED,
        "is filled with zeros at its end",
    )
