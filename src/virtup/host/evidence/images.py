"""Disk images by their own headers: format, size, damage, and what they stand on.

Only headers are read, and only of regular files and block devices. Layouts are those of QEMU's
``docs/interop/qcow2.txt`` and of the formats' own specifications.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass

from virtup.model.probe import ImageFact, ImageInfo, ImageLink

HEAD = 64 * 1024
CHAIN_MAX = 64
SNAPSHOTS_MAX = 256
SNAPSHOT_FIXED = 40
SNAPSHOT_BYTES = 4096
_MAGIC = (
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
)
_PACKED = (
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"\x04\x22\x4d\x18", "an lz4 archive"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a rar archive"),
    (257, b"ustar", "a tar archive"),
)
_PAGE = (b"<!doctype html", b"<html")
_FOOTER = b"conectix"
_FOOTER_BYTES = 512
"""Of a VHD of fixed size, which has no header."""
_QCOW2 = b"QFI\xfb"
_DIRTY, _CORRUPT, _EXTERNAL = 1, 2, 4
_INCOMPATIBLE = 0x1F
"""The incompatible features that a QEMU knows: those, compression type, extended L2 entries."""
_CLUSTER_BITS = range(9, 22)
_BACKING_FORMAT, _DATA_FILE = 0xE2792ACA, 0x44415441
_QED_HAS_BACKING, _QED_RAW_BACKING = 1, 4


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself; "" and -1 for what it does not say.

    ``backing`` is the image below as the header names it, ``data_file`` the raw file that a qcow2
    image keeps its data in, ``cluster_size`` that of qcow2 in bytes. ``unsupported`` and ``broken``
    are those of `ImageFact`.
    """

    format: str
    virtual_size: int = -1
    corrupt: bool = False
    truncated: bool = False
    backing: str = ""
    backing_format: str = ""
    data_file: str = ""
    snapshots: int = 0
    snapshots_at: int = 0
    cluster_size: int = 0
    encrypted: bool = False
    unsupported: str = ""
    broken: str = ""


def read_header(path: str) -> Header:
    """Read the header of one image. Raises OSError, and ValueError for what can be no image."""
    size, head, tail = _ends(path)
    return _header(head, size, tail)


def image_info(probe: ImageInfo) -> ImageFact:
    """Return what the image's header says, and that of each of its backing files."""
    size, head, tail = _ends(probe.path)
    header = _header(head, size, tail)
    chain, loop = _chain(probe.path, header)
    return ImageFact(
        format=header.format,
        size=size,
        virtual_size=header.virtual_size,
        zeroed=size > 0 and header.format == "raw" and not head.strip(b"\0"),
        corrupt=header.corrupt,
        truncated=header.truncated,
        chain=chain,
        snapshots=_snapshots(probe.path, header),
        loop=loop,
        data_file=_data_file(probe.path, header),
        encrypted=header.encrypted,
        unsupported=header.unsupported,
        broken=header.broken,
        packed=_packed(head) if header.format == "raw" else "",
    )


def _packed(head: bytes) -> str:
    """Return what else than an image a file is that begins with *head*, "" when it may be any."""
    if head.lstrip()[:64].lower().startswith(_PAGE):
        return "a web page"
    return next((name for at, magic, name in _PACKED if head[at:].startswith(magic)), "")


def _data_file(path: str, header: Header) -> ImageLink | None:
    if not header.data_file:
        return None
    target = os.path.join(os.path.dirname(path), header.data_file)
    return ImageLink(target, exists=os.path.exists(target), declared="raw")


def _snapshots(path: str, header: Header) -> tuple[str, ...]:
    """Return the names of a qcow2 image's internal snapshots, and their numbers (qcow2.txt)."""
    names: list[str] = []
    if not header.snapshots:
        return ()
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        at = header.snapshots_at
        for _ in range(min(header.snapshots, SNAPSHOTS_MAX)):
            entry = os.pread(number, SNAPSHOT_BYTES, at)
            if len(entry) < SNAPSHOT_FIXED:
                break
            id_length, name_length = struct.unpack_from(">HH", entry, 12)
            (extra,) = struct.unpack_from(">I", entry, 36)
            start = SNAPSHOT_FIXED + extra
            words = entry[start : start + id_length + name_length].decode("utf-8", "replace")
            names += [words[id_length:], words[:id_length]]
            at += -(-(start + id_length + name_length) // 8) * 8
    finally:
        os.close(number)
    return tuple(name for name in names if name)


def _chain(path: str, header: Header) -> tuple[tuple[ImageLink, ...], str]:
    """Return the images below one, and that at which they come back, if they do."""
    links: list[ImageLink] = []
    seen = {os.path.realpath(path)}
    while header.backing and len(links) < CHAIN_MAX:
        target = header.backing
        if ":" in target.split("/", 1)[0] and not target.startswith("file:"):
            break  # another protocol: not a file of this host
        target = os.path.join(os.path.dirname(path), target.removeprefix("file:"))
        declared = header.backing_format
        if os.path.realpath(target) in seen:
            return tuple(links), target
        seen.add(os.path.realpath(target))
        try:
            size, head, tail = _ends(target)
        except FileNotFoundError:
            links.append(ImageLink(target, exists=False, declared=declared))
            break
        except OSError:
            links.append(ImageLink(target, exists=True, declared=declared))
            break
        header = _header(head, size, tail)
        links.append(ImageLink(target, True, header.format, declared, size))
        path = target
    return tuple(links), ""


def _ends(path: str) -> tuple[int, bytes, bytes]:
    """Return the size of an image, its first bytes and its last."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(number)
        if not (stat.S_ISREG(info.st_mode) or stat.S_ISBLK(info.st_mode)):
            raise ValueError(f"'{path}' is neither a file nor a block device")
        size = info.st_size if stat.S_ISREG(info.st_mode) else os.lseek(number, 0, os.SEEK_END)
        tail = os.pread(number, _FOOTER_BYTES, max(size - _FOOTER_BYTES, 0))
        return size, os.pread(number, HEAD, 0), tail
    finally:
        os.close(number)


def _header(head: bytes, size: int, tail: bytes = b"") -> Header:
    if head.startswith(_QCOW2):
        return _qcow2(head, size)
    if head.startswith(b"QED\0"):
        return _qed(head)
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return Header(name)
    if tail.startswith(_FOOTER):
        return Header("vpc")
    return Header("raw", virtual_size=size)


def _qcow2(head: bytes, size: int) -> Header:
    if len(head) < 72:
        return Header("qcow2", truncated=True)
    version, offset, length, cluster_bits, virtual = struct.unpack_from(">IQIIQ", head, 4)
    features = struct.unpack_from(">Q", head, 72)[0] if version >= 3 and len(head) >= 104 else 0
    (encryption,) = struct.unpack_from(">I", head, 32)
    tables = struct.unpack_from(">Q", head, 40)[0]
    unknown = features & ~_INCOMPATIBLE
    unsupported = f"incompatible features {unknown:#x}" if unknown else ""
    if version > 3:
        unsupported = f"version {version}"
    snapshots, snapshots_at = struct.unpack_from(">IQ", head, 60)
    backing = ""
    if 0 < offset < len(head) and 0 < length <= 1023:
        backing = head[offset : offset + length].decode("utf-8", "surrogateescape")
    return Header(
        "qcow2" if version >= 2 else "qcow",
        virtual_size=virtual,
        corrupt=bool(features & _CORRUPT),
        truncated=tables >= size,
        backing=backing,
        backing_format=_extension(head, version, _BACKING_FORMAT),
        data_file=_extension(head, version, _DATA_FILE) if features & _EXTERNAL else "",
        snapshots=snapshots,
        snapshots_at=snapshots_at,
        cluster_size=1 << min(cluster_bits, 63),
        encrypted=version >= 2 and encryption > 0,
        unsupported=unsupported,
        broken=_broken(cluster_bits) if version >= 2 else "",
    )


def _broken(cluster_bits: int) -> str:
    return "" if cluster_bits in _CLUSTER_BITS else f"clusters of 2^{cluster_bits} bytes"


def _qed(head: bytes) -> Header:
    if len(head) < 64:
        return Header("qed", truncated=True)
    (features,) = struct.unpack_from("<Q", head, 16)
    offset, length = struct.unpack_from("<II", head, 56)
    if not features & _QED_HAS_BACKING or not 0 < length <= 1023:
        return Header("qed")
    backing = head[offset : offset + length].decode("utf-8", "surrogateescape")
    return Header(
        "qed", backing=backing, backing_format="raw" if features & _QED_RAW_BACKING else ""
    )


def _extension(head: bytes, version: int, wanted: int) -> str:
    start = struct.unpack_from(">I", head, 100)[0] if version >= 3 and len(head) >= 104 else 72
    while start + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, start)
        if kind == 0:
            return ""
        if kind == wanted:
            return head[start + 8 : start + 8 + length].decode("utf-8", "surrogateescape")
        start += 8 + (length + 7) // 8 * 8
    return ""
