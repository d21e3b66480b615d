"""What stands behind a stream is skipped by the real programs, and is given back unchanged."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtup.model.save_format import GZIP_PIECE, Format, skippable, unwrap, wrap, wrapped_size
from virtup.model.save_image import end_bytes

FORMATS = list(Format)
COMPRESSED = [format for format in Format if format is not Format.RAW]
SIZES = [0, 1, 11, 12, 13, 568, GZIP_PIECE, GZIP_PIECE + 1, 200_001]


def some(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", SIZES)
def test_what_was_wrapped_is_given_back(format: Format, size: int) -> None:
    wrapped = wrap(format, some(size))
    assert len(wrapped) == wrapped_size(format, size)
    assert unwrap(format, wrapped, size) == some(size)


@given(format=st.sampled_from(FORMATS), data=st.binary(max_size=200), other=st.binary(max_size=300))
def test_nothing_else_is_taken_for_it(format: Format, data: bytes, other: bytes) -> None:
    found = unwrap(format, other, len(data))
    assert found is None or wrap(format, found) == other


@given(
    format=st.sampled_from([Format.GZIP, Format.XZ, Format.ZSTD]),
    place=st.integers(0, 10**9),
    mask=st.integers(1, 255),
)
def test_a_byte_of_the_wrapping_that_changed_is_seen(format: Format, place: int, mask: int) -> None:
    wrapped = bytearray(wrap(format, some(100)))
    wrapped[place % len(wrapped)] ^= mask
    assert unwrap(format, bytes(wrapped), 100) != some(100)


@pytest.mark.parametrize("format", COMPRESSED)
@pytest.mark.parametrize("size", [1, 40, 200_001])
def test_the_program_says_nothing_of_it(format: Format, size: int) -> None:
    program = format.name.lower()
    if not shutil.which(program):
        pytest.skip(f"'{program}' is not installed")
    stream = some(300_000)
    done = subprocess.run([program, "-c"], input=stream, capture_output=True, check=True)
    end = wrap(format, bytes(end_bytes(Format.RAW) - 512))
    guard = skippable(512) if format is Format.ZSTD else b""
    image = done.stdout + wrap(format, some(size)) + end + guard + bytes(512)
    options = ["-dc", *(["--ignore-warn"] if format is Format.LZOP else [])]
    got = subprocess.run([program, *options], input=image, capture_output=True, check=False)
    assert got.stdout == stream
    assert got.returncode == 0, got.stderr
    if format is not Format.BZIP2:  # it says that it ignores what is behind, and is content
        assert got.stderr == b""
