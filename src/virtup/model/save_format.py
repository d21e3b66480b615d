"""How a saved stream is compressed, and how bytes that are not the stream's stand behind it.

The program that decompresses an image reads it to its end, and libvirt takes a complaint of that
program for a damaged image. What virtup adds therefore has the shape of something that the program
reads and that comes to no data:

- gzip: members without data (RFC 1952); what they carry is in their extra field;
- xz: a stream of blocks without data; what they carry is the offset at which their x86 filters
  are to begin (the .xz file format, 5.3.2), of which nothing comes where there is no data;
- zstd: a skippable frame (RFC 8878, 3.1.2);
- bzip2 and lzop, and QEMU itself, let whatever is behind their data be.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum


class Format(IntEnum):
    """How the stream is compressed, by libvirt's numbers."""

    RAW = 0
    GZIP = 1
    BZIP2 = 2
    XZ = 3
    LZOP = 4
    ZSTD = 5


def wrap(format: Format, data: bytes) -> bytes:
    """Return *data* as the program of *format* skips it; `unwrap` gives it back."""
    if format is Format.GZIP:
        return b"".join(map(_gzip_member, _pieces(data, GZIP_PIECE)))
    if format is Format.XZ:
        return _xz_stream(data)
    if format is Format.ZSTD:
        return skippable(len(data)) + data
    return data


def unwrap(format: Format, wrapped: bytes, size: int) -> bytes | None:
    """Return the *size* bytes that `wrap` made *wrapped* of; None when a byte of it is not so."""
    if format is Format.GZIP:
        member = GZIP_PIECE + GZIP_OVERHEAD
        data = b"".join(
            piece[len(GZIP_HEAD) + GZIP_EXTRA.size : -len(GZIP_REST)]
            for piece in _pieces(wrapped, member)
        )
    elif format is Format.XZ:
        blocks = wrapped[len(XZ_HEAD) : len(XZ_HEAD) + _xz_blocks(size) * XZ_BLOCK_BYTES]
        data = b"".join(
            block[at : at + 4] for block in _pieces(blocks, XZ_BLOCK_BYTES) for at in XZ_PLACES
        )[:size]
    elif format is Format.ZSTD:
        data = wrapped[ZSTD_FRAME.size :]
    else:
        data = wrapped
    return data if len(data) == size and wrap(format, data) == wrapped else None


def wrapped_size(format: Format, size: int) -> int:
    """Return how long *size* bytes are when `wrap` has had them."""
    if format is Format.GZIP:
        return size + -(-size // GZIP_PIECE) * GZIP_OVERHEAD
    if format is Format.XZ:
        blocks = _xz_blocks(size)
        index = len(_xz_index(blocks))
        return len(XZ_HEAD) + blocks * XZ_BLOCK_BYTES + index + XZ_FOOTER_BYTES
    if format is Format.ZSTD:
        return size + ZSTD_FRAME.size
    return size


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


# -- gzip ------------------------------------------------------------------------------------------

GZIP_HEAD = bytes.fromhex("1f8b 08 04 00000000 00 ff")
"""Deflated, with an extra field, no time, of no system."""
GZIP_EXTRA = struct.Struct("<H2sH")
"""The extra field's length, and the name and the length of the only one in it."""
GZIP_NAME = b"VT"
GZIP_REST = b"\x03\x00" + bytes(8)
"""No data, deflated; their CRC and their length."""
GZIP_PIECE = 0xFFFF - 4
"""The longest field that an extra field holds."""
GZIP_OVERHEAD = len(GZIP_HEAD) + GZIP_EXTRA.size + len(GZIP_REST)


def _gzip_member(piece: bytes) -> bytes:
    extra = GZIP_EXTRA.pack(len(piece) + 4, GZIP_NAME, len(piece))
    return GZIP_HEAD + extra + piece + GZIP_REST


# -- xz --------------------------------------------------------------------------------------------

XZ_FLAGS = b"\0\0"
"""Of a stream: without a check of its data, of which there are none."""
XZ_HEAD = b"\xfd7zXZ\0" + XZ_FLAGS + struct.pack("<I", zlib.crc32(XZ_FLAGS))
XZ_FOOTER_BYTES = 12
XZ_BLOCK = struct.Struct("<BB 2s4s 2s4s 2s4s 3sx")
"""A block's header without its CRC: its size, how many filters, three of x86, and LZMA2."""
XZ_PLACES = (4, 10, 16)
"""Where the three offsets stand in a block."""
XZ_X86, XZ_LZMA2 = b"\x04\x04", b"\x21\x01\x00"
XZ_NO_DATA = bytes(4)
"""LZMA2 without a chunk, filled up to four bytes."""
XZ_BLOCK_BYTES = XZ_BLOCK.size + 4 + len(XZ_NO_DATA)
XZ_CARRIED = 4 * len(XZ_PLACES)


def _sealed(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def _xz_blocks(size: int) -> int:
    return -(-size // XZ_CARRIED)


def _xz_stream(data: bytes) -> bytes:
    blocks = _xz_blocks(len(data))
    full = data.ljust(blocks * XZ_CARRIED, b"\0")
    index = _xz_index(blocks)
    last = struct.pack("<I", len(index) // 4 - 1) + XZ_FLAGS
    footer = struct.pack("<I", zlib.crc32(last)) + last + b"YZ"
    return XZ_HEAD + b"".join(map(_xz_block, _pieces(full, XZ_CARRIED))) + index + footer


def _xz_block(piece: bytes) -> bytes:
    size = XZ_BLOCK.size // 4  # in words, of which the CRC is one and the first does not count
    offsets = (word for at in (0, 4, 8) for word in (XZ_X86, piece[at : at + 4]))
    return _sealed(XZ_BLOCK.pack(size, 3, *offsets, XZ_LZMA2)) + XZ_NO_DATA


def _xz_index(blocks: int) -> bytes:
    unpadded = XZ_BLOCK_BYTES - len(XZ_NO_DATA) + 1
    index = b"\0" + _xz_number(blocks) + bytes((unpadded, 0)) * blocks
    return _sealed(index + bytes(-len(index) % 4))


def _xz_number(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


# -- zstd ------------------------------------------------------------------------------------------

ZSTD_FRAME = struct.Struct("<II")
ZSTD_SKIPPABLE = 0x184D2A56


def skippable(size: int) -> bytes:
    """Return the head of a frame of *size* bytes that zstd skips."""
    return ZSTD_FRAME.pack(ZSTD_SKIPPABLE, size)
