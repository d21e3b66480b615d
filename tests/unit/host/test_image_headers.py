"""What headers tell that no good image has: packed, looping, newer, encrypted, broken."""

import gzip
import lzma
import struct

import pytest

from virtup.host.evidence.images import image_info
from virtup.model.probe import ImageInfo

BACKING, DATA = 0xE2792ACA, 0x44415441


def qcow2(*, version=3, bits=16, backing=b"", crypt=0, features=0, extensions=()):
    """A header as docs/interop/qcow2.txt has it, with its one L1 table behind it."""
    tail = b"".join(
        struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)
        for kind, data in extensions
    )
    tail += bytes(8)
    offset = 104 + len(tail) if backing else 0
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, offset, len(backing), bits, 1 << 20,
                       crypt, 1, 512, 512, 1, 0, 0)  # fmt: skip
    head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    return (head + tail + backing).ljust(4096, b"\0")


def seen(tmp_path, data, name="a"):
    path = tmp_path / name
    path.write_bytes(data)
    return image_info(ImageInfo(str(path)))


def test_a_chain_that_comes_back_is_told(tmp_path):
    named = ((BACKING, b"qcow2"),)
    itself = seen(tmp_path, qcow2(backing=b"a", extensions=named))
    assert (itself.loop, itself.chain) == (str(tmp_path / "a"), ())
    seen(tmp_path, qcow2(backing=b"a", extensions=named), "b")
    round_about = seen(tmp_path, qcow2(backing=b"b", extensions=named))
    assert (round_about.loop, len(round_about.chain)) == (str(tmp_path / "a"), 1)
    seen(tmp_path, b"", "b")
    empty = seen(tmp_path, qcow2(backing=b"b", extensions=named))
    assert (empty.loop, empty.chain[0].size, empty.chain[0].format) == ("", 0, "raw")


def test_a_data_file_is_looked_for(tmp_path):
    image = qcow2(features=4, extensions=((DATA, b"a.raw"),))
    gone = seen(tmp_path, image).data_file
    (tmp_path / "a.raw").touch()
    there = seen(tmp_path, image).data_file
    assert gone is not None
    assert there is not None
    assert (gone.path, gone.exists, there.exists) == (str(tmp_path / "a.raw"), False, True)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (qcow2(), ("", "", False)),
        (qcow2(features=0x1B), ("", "", False)),
        (qcow2(version=4), ("version 4", "", False)),
        (qcow2(features=0x120), ("incompatible features 0x120", "", False)),
        (qcow2(bits=127), ("", "clusters of 2^127 bytes", False)),
        (qcow2(crypt=2), ("", "", True)),
    ],
)
def test_what_a_qemu_will_not_open_is_named(tmp_path, image, told):
    fact = seen(tmp_path, image)
    assert (fact.unsupported, fact.broken, fact.encrypted) == told


@pytest.mark.parametrize(
    ("data", "packed"),
    [
        (gzip.compress(qcow2()), "a gzip archive"),
        (lzma.compress(qcow2()), "an xz archive"),
        (b"PK\x03\x04" + bytes(99), "a zip archive"),
        (bytes(257) + b"ustar" + bytes(99), "a tar archive"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"\xeb\x63\x90" + bytes(99), ""),
        (qcow2(), ""),
    ],
    ids=["gzip", "xz", "zip", "tar", "web page", "boot sector", "qcow2"],
)
def test_an_archive_is_known_for_one(tmp_path, data, packed):
    assert seen(tmp_path, data).packed == packed


def test_a_disk_of_fixed_size_is_known_by_its_footer(tmp_path):
    fact = seen(tmp_path, bytes(1 << 17) + b"conectix" + bytes(504))
    assert (fact.format, fact.packed) == ("vpc", "")
