"""The file that holds a saved guest: libvirt's layout, and virtup's trailer behind it.

libvirt's part (``qemu_saveimage.h``): a header of 92 bytes in native order, the guest's XML and a
NUL, an optional cookie and a NUL, zeros up to ``data_len``, then QEMU's migration stream to the end
of the file. libvirt stops reading where the stream says that it ends, so virtup puts a trailer
behind it: a digest of every block of the stream, one of everything before it, and what the guest's
disks were at that moment. The header's first unused word says that a trailer belongs to the
image, so that one whose end was cut off is not taken for libvirt's own. Behind a stream that is
compressed the trailer has the shape of something without data (`virtup.model.save_format`).

Digests are XXH3-128: they guard against lost power and failing disks, not against an enemy.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import xxhash

from virtup.errors import Code, Fault, VirtError
from virtup.model.history.change import NOT_THERE, Change
from virtup.model.history.definition import changes, compare
from virtup.model.save_format import Format, skippable, unwrap, wrap, wrapped_size

MAGIC_WHOLE = b"LibvirtQemudSave"
MAGIC_PARTIAL = b"LibvirtQemudPart"
HEADER = struct.Struct("=16sIIIII14I")
HEADER_BYTES = HEADER.size
VERSION = 2
MARK = 0x50555456
"""In the header's first unused word: a trailer of virtup's follows the stream."""

PADDING_BYTES = 64 * 1024
"""Room behind the XML, so that it may grow when it is edited."""

HEAD_BYTES_MAX = 64 * 1024 * 1024
"""A longer XML and cookie than this is none: the length is damaged."""

BLOCK_BYTES = 1024 * 1024
DIGEST_BYTES = 16

TRAILER_MAGIC = b"VirtupSaveBlocks"
TRAILER = struct.Struct("=16sIIQQII16s")
END_MAGIC = b"VirtupSavedState"
END = struct.Struct("=16sQ16s")
CONSUMED_MAGIC = b"VirtupConsumed!\n"
CONSUMED = struct.Struct("=16sQ16s")
CONSUMED_BYTES = 512
"""The mark's own sector, the last of the file: written in one piece or not at all."""

TRAILER_VERSION = 1


EDITS_MAX = 3
"""So many differences of two definitions are told; more are counted."""

_SECRET = re.compile(r" passwd=('[^']*'|\"[^\"]*\")")
"""The only secret that a definition holds itself: a display's password."""


class Damage(Enum):
    """What can be wrong with an image; the value is the word that people and programs read."""

    EMPTY = "empty"
    INCOMPLETE = "incomplete"
    CUT_HEADER = "cut in the header"
    CUT_XML = "cut in the XML"
    CUT_RAM = "cut in the memory"
    ZEROED = "zero-filled"
    FLIPPED = "changed bytes"
    FOREIGN = "not a saved guest"
    NEWER = "made by a newer version"
    OTHER_GUEST = "another guest's"
    CONSUMED = "restored before"
    DISKS_CHANGED = "disks changed since"
    UNLOADABLE = "not loadable by QEMU"
    MACHINE_GONE = "machine or CPU not available"
    UNREADABLE = "unreadable"


class ImageDamaged(VirtError):
    """An image that must not be restored; ``kind`` says how it is damaged."""

    code, fault = Code.OPERATION_FAILED, Fault.HOST

    def __init__(self, kind: Damage, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True)
class Header:
    """The first 92 bytes; lengths and offsets in bytes, ``cookie_offset`` 0 without a cookie."""

    whole: bool
    data_len: int
    was_running: bool
    format: Format = Format.RAW
    cookie_offset: int = 0
    marked: bool = False

    @property
    def stream_offset(self) -> int:
        """Where QEMU's stream begins in the file."""
        return HEADER_BYTES + self.data_len

    def pack(self) -> bytes:
        """Return the bytes of the header."""
        unused = [MARK if self.marked else 0, *[0] * 13]
        magic = MAGIC_WHOLE if self.whole else MAGIC_PARTIAL
        return HEADER.pack(
            magic,
            VERSION,
            self.data_len,
            self.was_running,
            self.format,
            self.cookie_offset,
            *unused,
        )


@dataclass(frozen=True)
class Head:
    """Everything before the stream."""

    header: Header
    xml: str
    cookie: str = ""

    def pack(self) -> bytes:
        """Return header, XML, cookie and padding, ``stream_offset`` bytes."""
        body = self.xml.encode() + b"\0"
        if self.cookie:
            body += self.cookie.encode() + b"\0"
        return self.header.pack() + body.ljust(self.header.data_len, b"\0")


def make_head(
    xml: str, *, was_running: bool, cookie: str = "", format: Format = Format.RAW
) -> Head:
    """Return the head of a new image, not yet whole, with room for the XML to grow."""
    body = len(xml.encode()) + 1
    offset = body if cookie else 0
    if cookie:
        body += len(cookie.encode()) + 1
    length = HEADER_BYTES + body + PADDING_BYTES
    # the stream begins on a page: QEMU and the kernel copy whole pages then
    data_len = -(-length // 4096) * 4096 - HEADER_BYTES
    header = Header(
        whole=False,
        data_len=data_len,
        was_running=was_running,
        format=format,
        cookie_offset=offset,
        marked=True,
    )
    return Head(header, xml, cookie)


def read_header(data: bytes, size: int, path: str) -> Header:
    """Read the header from the first bytes of an image of *size* bytes.

    Raises ImageDamaged: empty, cut, zero-filled, foreign, newer, incomplete.
    """
    if size == 0:
        raise ImageDamaged(Damage.EMPTY, f"the saved state '{path}' is empty")
    if len(data) < HEADER_BYTES:
        raise ImageDamaged(
            Damage.CUT_HEADER,
            f"the saved state '{path}' ends in its header: {size} bytes of {HEADER_BYTES}",
        )
    fields = HEADER.unpack(data[:HEADER_BYTES])
    magic, version, data_len, was_running, number, cookie_offset, mark = fields[:7]
    if magic == bytes(16):
        raise ImageDamaged(Damage.ZEROED, f"the saved state '{path}' is filled with zeros")
    if magic == MAGIC_PARTIAL:
        raise ImageDamaged(
            Damage.INCOMPLETE,
            f"the saved state '{path}' is incomplete: it was being written when the host or the "
            "daemon went down",
        )
    if magic != MAGIC_WHOLE:
        raise ImageDamaged(Damage.FOREIGN, f"'{path}' is not a saved guest: {_kind_of(magic)}")
    if version != VERSION:
        raise ImageDamaged(
            Damage.NEWER, f"the saved state '{path}' has version {version}; {VERSION} is known"
        )
    try:
        format = Format(number)
    except ValueError:
        raise ImageDamaged(
            Damage.NEWER, f"the saved state '{path}' has an unknown compression ({number})"
        ) from None
    if not 0 < data_len <= HEAD_BYTES_MAX or cookie_offset >= data_len:
        raise ImageDamaged(
            Damage.FLIPPED, f"the header of the saved state '{path}' has impossible lengths"
        )
    return Header(True, data_len, bool(was_running), format, cookie_offset, mark == MARK)


_KINDS = {
    b"QFI\xfb": "it is a qcow2 image",
    b"QEVM": "it is a stream of QEMU's, without libvirt's header",
    b"\x7fELF": "it is a program",
}


def _kind_of(magic: bytes) -> str:
    """What a person may know a file by that begins with *magic*."""
    if kind := _KINDS.get(magic[:4]):
        return kind
    if magic.isascii() and (text := magic.decode()).isprintable():
        return f"it begins with '{text}'"
    return f"it begins with the bytes {magic[:8].hex(' ')}"


def read_head(data: bytes, header: Header, size: int, path: str) -> Head:
    """Read XML and cookie; *data* are the first ``stream_offset`` bytes of the image."""
    if len(data) < header.stream_offset:
        raise ImageDamaged(
            Damage.CUT_XML,
            f"the saved state '{path}' ends in its XML: {size} bytes of at least "
            f"{header.stream_offset}",
        )
    body = data[HEADER_BYTES : header.stream_offset]
    end = header.cookie_offset or len(body)
    raw = body[:end].split(b"\0", 1)[0]
    if not raw:
        raise ImageDamaged(
            Damage.ZEROED, f"the saved state '{path}' has zeros where its XML should be"
        )
    cookie = body[header.cookie_offset :].split(b"\0", 1)[0] if header.cookie_offset else b""
    try:
        return Head(header, raw.decode(), cookie.decode())
    except UnicodeDecodeError:
        raise ImageDamaged(
            Damage.FLIPPED, f"the XML in the saved state '{path}' is damaged: it is no text"
        ) from None


@dataclass(frozen=True)
class Facts:
    """What was true when the guest stopped.

    ``disks`` maps a path to its fingerprint (`virtup.host.fingerprint`), ``saved`` is ISO 8601,
    ``id`` is this save's own. ``xml`` is the definition once more, without its secrets, to tell
    what became of the one in the head.
    """

    uuid: str = ""
    name: str = ""
    saved: str = ""
    qemu: str = ""
    machine: str = ""
    id: str = ""
    disks: dict[str, dict[str, Any]] = field(default_factory=dict)
    xml: str = ""

    def edits(self, now: str) -> str:
        """Return how *now* differs from the definition that was saved, "" when that is not known."""
        if not self.xml:
            return ""
        found = list(changes(compare(*map(without_secrets, (self.xml, now)))))
        told = [_edit(one) for one in found[:EDITS_MAX]]
        more = [f"and {len(found) - EDITS_MAX} more"] if len(found) > EDITS_MAX else []
        return "; ".join(told + more)


def without_secrets(xml: str) -> str:
    """Return a definition as it may stand where nobody looks for a password."""
    return _SECRET.sub("", xml)


def _edit(change: Change) -> str:
    if change.now == NOT_THERE:
        return f"{change.was} is missing"
    if change.was == NOT_THERE:
        return f"{change.now} was added"
    return f"{change.what} was {change.was}, is {change.now}"


@dataclass(frozen=True)
class Trailer:
    """What stands behind the stream; ``digests`` has 16 bytes a block, in order."""

    stream_offset: int
    stream_bytes: int
    head_digest: bytes
    digests: bytes
    facts: Facts
    block_bytes: int = BLOCK_BYTES

    @property
    def blocks(self) -> int:
        """How many blocks the stream has."""
        return -(-self.stream_bytes // self.block_bytes)

    def digest_of(self, block: int) -> bytes:
        """Return the digest of one block of the stream."""
        return self.digests[block * DIGEST_BYTES : (block + 1) * DIGEST_BYTES]

    def pack(self, format: Format) -> bytes:
        """Return what stands behind a stream of *format*: trailer, end, and the unused mark."""
        facts = json.dumps(vars(self.facts), ensure_ascii=False, sort_keys=True).encode()
        body = TRAILER.pack(
            TRAILER_MAGIC,
            TRAILER_VERSION,
            self.block_bytes,
            self.stream_offset,
            self.stream_bytes,
            self.blocks,
            len(facts),
            self.head_digest,
        )
        body += self.digests + facts
        end = END.pack(END_MAGIC, len(body), digest(body))
        return wrap(format, body) + wrap(format, end) + _before_mark(format) + bytes(CONSUMED_BYTES)


@dataclass(frozen=True)
class End:
    """The end of an image, by which its trailer is found: ``body_bytes`` long, not wrapped."""

    body_bytes: int
    body_digest: bytes
    format: Format
    mark: bytes

    @property
    def trailer_bytes(self) -> int:
        """How long all is that stands behind the stream."""
        return wrapped_size(self.format, self.body_bytes) + end_bytes(self.format)


def end_bytes(format: Format) -> int:
    """Return how many bytes at the end of an image of *format* `read_end` needs."""
    return wrapped_size(format, END.size) + len(_before_mark(format)) + CONSUMED_BYTES


def _before_mark(format: Format) -> bytes:
    """What has the mark skipped; gzip and xz take one that is not there, zeros, for padding."""
    return skippable(CONSUMED_BYTES) if format is Format.ZSTD else b""


def read_end(tail: bytes, format: Format) -> End | None:
    """Read the last `end_bytes` of an image; None when they are not the end of a trailer."""
    before, mark = tail[:-CONSUMED_BYTES], tail[-CONSUMED_BYTES:]
    guard = _before_mark(format)
    if not before.endswith(guard):
        return None
    packed = unwrap(format, before[: len(before) - len(guard)], END.size)
    magic, length, seal = END.unpack(packed) if packed is not None else (b"", 0, b"")
    if magic != END_MAGIC or not TRAILER.size <= length <= HEAD_BYTES_MAX:
        return None
    return End(int(length), seal, format, mark)


def read_trailer(wrapped: bytes, end: End, path: str) -> Trailer:
    """Read and check the trailer; *wrapped* are the bytes between the stream and *end*."""
    body = unwrap(end.format, wrapped, end.body_bytes)
    if body is None or digest(body) != end.body_digest:
        raise ImageDamaged(
            Damage.FLIPPED, f"the list of digests in the saved state '{path}' is damaged"
        )
    magic, version, block, offset, length, blocks, facts_bytes, head_digest = TRAILER.unpack(
        body[: TRAILER.size]
    )
    if magic != TRAILER_MAGIC or version != TRAILER_VERSION:
        raise ImageDamaged(
            Damage.NEWER, f"the saved state '{path}' has a trailer of version {version}"
        )
    if not 0 < block <= HEAD_BYTES_MAX:
        raise ImageDamaged(
            Damage.FLIPPED, f"the trailer of the saved state '{path}' has impossible lengths"
        )
    listed = TRAILER.size + blocks * DIGEST_BYTES
    facts = json.loads(body[listed : listed + facts_bytes])
    known = {name: facts[name] for name in Facts.__dataclass_fields__ if name in facts}
    return Trailer(offset, length, head_digest, body[TRAILER.size : listed], Facts(**known), block)


def consumed_mark(now_ns: int) -> bytes:
    """Return the sector that says that the image was restored at *now_ns* (since 1970)."""
    stamp = struct.pack("=Q", now_ns)
    return CONSUMED.pack(CONSUMED_MAGIC, now_ns, digest(stamp)).ljust(CONSUMED_BYTES, b"\0")


def check_mark(sector: bytes, path: str) -> int | None:
    """Return None for an image that was never restored, else when it was, in ns since 1970.

    Raises ImageDamaged for a sector that is neither: it may have been restored.
    """
    if sector == bytes(CONSUMED_BYTES):
        return None
    magic, now_ns, seal = CONSUMED.unpack(sector[: CONSUMED.size])
    if magic != CONSUMED_MAGIC or seal != digest(struct.pack("=Q", now_ns)):
        raise ImageDamaged(
            Damage.CONSUMED,
            f"the mark in the saved state '{path}' that says whether it was restored is damaged",
        )
    return int(now_ns)


def digest(data: bytes | memoryview) -> bytes:
    """Return the XXH3-128 digest of *data*."""
    return xxhash.xxh3_128(data).digest()


def head_digest(raw: bytes) -> bytes:
    """Return the digest of the first ``stream_offset`` bytes, as if the image were whole."""
    return digest(MAGIC_WHOLE + raw[len(MAGIC_WHOLE) :])
