"""The file of a saved guest: whole, or told to be damaged, whatever was done to it."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtup.host.disk import FileDisk
from virtup.host.save_edit import replace_xml
from virtup.host.save_file import (
    Image,
    check_blocks,
    inspect,
    mark_consumed,
    mark_unused,
    open_stream,
    settle,
)
from virtup.host.save_writer import Writer
from virtup.model import save_image
from virtup.model.save_format import Format
from virtup.model.save_image import (
    BLOCK_BYTES,
    CONSUMED_BYTES,
    HEADER_BYTES,
    Damage,
    Facts,
    Head,
    ImageDamaged,
    make_head,
)

XML = "<domain type='qemu'><name>g</name></domain>"
FACTS = Facts(uuid="u", name="g", saved="2026-01-01T00:00:00Z", disks={"/d": {"size": 1}})


def write(
    path: Path, stream: bytes, *, xml: str = XML, cookie: str = "", format: Format = Format.RAW
) -> Image:
    writer = Writer(str(path), str(path) + ".part", FileDisk())
    writer.begin(make_head(xml, was_running=True, cookie=cookie, format=format))
    os.write(writer.fd, stream)
    writer.finish(FACTS)
    return inspect(str(path))


def whole(path: Path) -> Image:
    """What a restore does: look, then read every block."""
    image = inspect(str(path))
    if image.consumed_ns is not None:
        raise ImageDamaged(Damage.CONSUMED, "restored before")
    assert image.trailer is not None
    check_blocks(str(path), image.trailer)
    return image


@pytest.mark.parametrize(
    "size", [1, 4096, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7]
)
@pytest.mark.parametrize("cookie", ["", "<cookie/>"])
def test_what_was_written_is_read(tmp_path, size, cookie):
    stream = random.Random(size).randbytes(size)
    image = write(tmp_path / "g.save", stream, cookie=cookie)
    assert (image.head.xml, image.head.cookie) == (XML, cookie)
    assert image.head.header.was_running
    assert image.head.header.stream_offset % 4096 == 0
    assert image.trailer is not None
    assert image.trailer.facts == FACTS
    assert whole(tmp_path / "g.save") == image
    fd = open_stream(image)
    assert os.read(fd, size) == stream
    os.close(fd)
    assert not (tmp_path / "g.save.part").exists()


def test_the_head_is_libvirts(tmp_path):
    write(tmp_path / "g", b"stream", cookie="<cookie/>")
    data = (tmp_path / "g").read_bytes()
    assert data[:16] == b"LibvirtQemudSave"
    assert int.from_bytes(data[16:20], "little") == 2
    data_len = int.from_bytes(data[20:24], "little")
    assert int.from_bytes(data[24:28], "little") == 1
    assert int.from_bytes(data[28:32], "little") == 0
    cookie = int.from_bytes(data[32:36], "little")
    assert data[92 : 92 + len(XML) + 1] == XML.encode() + b"\0"
    assert data[92 + cookie : 92 + cookie + 10] == b"<cookie/>\0"
    assert data[92 + data_len : 92 + data_len + 6] == b"stream"


@pytest.fixture(scope="module", params=list(Format))
def good(tmp_path_factory, request) -> bytes:
    """An image of each format; what its stream is does not matter to the checks."""
    path = tmp_path_factory.mktemp("good") / "g"
    write(path, random.Random(1).randbytes(2 * BLOCK_BYTES + 12345), format=request.param)
    return path.read_bytes()


SLOW = settings(max_examples=60)


def places(size: int) -> st.SearchStrategy[int]:
    """Any place in the image, and often one in its head or its end."""
    return st.one_of(
        st.integers(0, size - 1),
        st.integers(0, HEADER_BYTES + 200),
        st.integers(size - 2000, size - 1),
    )


@SLOW
@given(data=st.data(), mask=st.integers(1, 255))
def test_any_byte_flipped_is_never_restored(tmp_path, good, data, mask):
    at = data.draw(places(len(good)))
    changed = bytearray(good)
    changed[at] ^= mask
    path = tmp_path / "flipped"
    path.write_bytes(changed)
    with pytest.raises(ImageDamaged) as seen:
        whole(path)
    assert str(path) in seen.value.message


@SLOW
@given(data=st.data())
def test_any_length_cut_is_never_restored(tmp_path, good, data):
    length = data.draw(places(len(good)))
    path = tmp_path / "cut"
    path.write_bytes(good[:length])
    with pytest.raises(ImageDamaged) as seen:
        whole(path)
    assert seen.value.kind in {
        Damage.EMPTY, Damage.CUT_HEADER, Damage.CUT_XML, Damage.CUT_RAM,
    }  # fmt: skip


@SLOW
@given(data=st.data(), size=st.sampled_from([512, 4096, 65536, BLOCK_BYTES]))
def test_any_block_zeroed_is_never_restored(tmp_path, good, data, size):
    at = data.draw(places(len(good))) // size * size
    end = min(at + size, len(good))
    if not good[at:end].strip(b"\0"):
        return  # it was zeros: nothing is damaged
    path = tmp_path / "zeroed"
    path.write_bytes(good[:at] + bytes(end - at) + good[end:])
    with pytest.raises(ImageDamaged):
        whole(path)


@SLOW
@given(data=st.data(), tail=st.binary(min_size=1, max_size=5000))
def test_bytes_appended_are_never_taken_for_the_end(tmp_path, good, data, tail):
    path = tmp_path / "longer"
    path.write_bytes(good + tail)
    with pytest.raises(ImageDamaged):
        whole(path)


@SLOW
@given(garbage=st.binary(max_size=3000))
def test_garbage_is_told_and_raises_nothing_else(tmp_path, garbage):
    for head in (b"", b"LibvirtQemudSave", b"LibvirtQemudPart", b"LibvirtQemudSave\2\0\0\0"):
        path = tmp_path / "garbage"
        path.write_bytes(head + garbage)
        try:
            image = inspect(str(path))
        except ImageDamaged:
            continue
        assert image.trailer is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data: b"", Damage.EMPTY),
        (lambda data: data[:50], Damage.CUT_HEADER),
        (lambda data: data[:120], Damage.CUT_XML),
        (lambda data: data[: BLOCK_BYTES], Damage.CUT_RAM),
        (lambda data: bytes(len(data)), Damage.ZEROED),
        (lambda data: b"LibvirtQemudPart" + data[16:], Damage.INCOMPLETE),
        (lambda data: b"\x7fELF" + data[4:], Damage.FOREIGN),
        (lambda data: data[:16] + b"\3" + data[17:], Damage.NEWER),
        (lambda data: data[:92] + bytes(200) + data[292:], Damage.ZEROED),
    ],
)  # fmt: skip
def test_each_kind_of_damage_has_its_name(tmp_path, good, change, kind):
    path = tmp_path / "g"
    path.write_bytes(change(good))
    with pytest.raises(ImageDamaged) as seen:
        whole(path)
    assert seen.value.kind is kind


def test_zeros_in_the_memory_are_told_from_changed_bytes(tmp_path, good):
    image = make_head(XML, was_running=True)
    at = image.header.stream_offset
    path = tmp_path / "g"
    path.write_bytes(good[:at] + bytes(BLOCK_BYTES) + good[at + BLOCK_BYTES :])
    with pytest.raises(ImageDamaged, match="filled with zeros") as seen:
        whole(path)
    assert seen.value.kind is Damage.ZEROED


def test_what_is_no_file_or_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ImageDamaged) as seen:
        inspect(str(tmp_path / "absent"))
    assert seen.value.kind is Damage.UNREADABLE
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ImageDamaged) as seen:
        inspect(str(tmp_path / "fifo"))
    assert seen.value.kind is Damage.FOREIGN


def test_libvirts_own_image_is_taken_without_a_trailer(tmp_path):
    head = Head(make_head(XML, was_running=True).header, XML)
    plain = save_image.Header(whole=True, data_len=head.header.data_len, was_running=True)
    path = tmp_path / "libvirt"
    path.write_bytes(Head(plain, XML).pack() + b"QEVM stream")
    image = inspect(str(path))
    assert image.trailer is None
    assert image.head.xml == XML
    path.write_bytes(Head(plain, XML).pack())
    with pytest.raises(ImageDamaged) as seen:
        inspect(str(path))
    assert seen.value.kind is Damage.CUT_RAM


def test_a_marked_image_is_told_and_a_torn_mark_too(tmp_path):
    path = tmp_path / "g"
    image = write(path, b"x" * 5000)
    mark_consumed(image, 1_800_000_000 * 10**9)
    assert inspect(str(path)).consumed_ns == 1_800_000_000 * 10**9
    mark_unused(image)
    assert inspect(str(path)).consumed_ns is None
    mark_consumed(image, 1_800_000_000 * 10**9)
    data = bytearray(path.read_bytes())
    data[-CONSUMED_BYTES + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImageDamaged) as seen:
        inspect(str(path))
    assert seen.value.kind is Damage.CONSUMED


def test_another_definition_keeps_the_rest_whole(tmp_path):
    path = tmp_path / "g"
    image = write(path, random.Random(3).randbytes(BLOCK_BYTES + 5))
    head = Head(image.head.header, XML.replace("g<", "g2<"))
    replace_xml(image, head, FileDisk())
    changed = whole(path)
    assert changed.head.xml == head.xml
    assert changed.trailer is not None
    assert image.trailer is not None
    assert changed.trailer.digests == image.trailer.digests
    assert sorted(one.name for one in tmp_path.iterdir()) == ["g"]


def test_a_discarded_write_leaves_nothing_and_the_old_image_whole(tmp_path):
    path = tmp_path / "g"
    before = write(path, b"old" * 1000)
    writer = Writer(str(path), str(path) + ".part", FileDisk())
    writer.begin(make_head(XML, was_running=False))
    os.write(writer.fd, b"new" * 100_000)
    writer.discard()
    writer.discard()
    assert whole(path) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["g"]


def test_a_part_is_incomplete_until_it_is_finished(tmp_path):
    writer = Writer(str(tmp_path / "g"), str(tmp_path / "part"), FileDisk())
    writer.begin(make_head(XML, was_running=True))
    os.write(writer.fd, b"stream")
    with pytest.raises(ImageDamaged) as seen:
        inspect(str(tmp_path / "part"))
    assert seen.value.kind is Damage.INCOMPLETE
    writer.discard()


def test_a_disk_that_failed_is_what_the_end_tells(tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("virtup.host.save_writer.read_into", fails)
    writer = Writer(str(tmp_path / "g"), str(tmp_path / "part"), FileDisk())
    writer.begin(make_head(XML, was_running=True))
    os.write(writer.fd, bytes(2 * BLOCK_BYTES))
    assert writer._follower is not None
    writer._follower.join()
    with pytest.raises(OSError, match="Input/output error"):
        writer.finish(FACTS)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_slow_writer_is_followed_to_its_end(tmp_path):
    writer = Writer(str(tmp_path / "g"), str(tmp_path / "part"), FileDisk())
    writer.begin(make_head(XML, was_running=True))
    rng = random.Random(9)
    pieces = [rng.randbytes(rng.randrange(1, 300_000)) for _ in range(40)]

    def slowly() -> None:
        for piece in pieces:
            os.write(writer.fd, piece)

    thread = threading.Thread(target=slowly)
    thread.start()
    thread.join()
    writer.finish(FACTS)
    image = whole(tmp_path / "g")
    assert image.trailer is not None
    assert image.trailer.stream_bytes == sum(map(len, pieces))


@pytest.mark.parametrize("format", list(Format))
def test_every_format_is_known_by_its_number(tmp_path, format):
    header = make_head(XML, was_running=False, format=format).header
    packed = save_image.Header(True, header.data_len, False, format, marked=True).pack()
    assert save_image.read_header(packed, 10**6, "p").format is format


LONG = """<domain type='qemu'>
  <name>g</name>
  <memory unit='KiB'>65536</memory>
  <os>
    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>
  </os>
  <devices>
    <graphics type='vnc' passwd='hidden!'/>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
  </devices>
</domain>
"""


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("-7.2", "-6.2", "<type> was machine='pc-i440fx-7.2', is machine='pc-i440fx-6.2'"),
        (">65536<", ">98304<", "<memory> was 64 MiB, is 96 MiB"),
        ("rng", "xng", "<rng model='virtio'> is missing; <xng model='virtio'> was added"),
        ("hidden!", "changed", ""),
    ],
)
def test_a_changed_definition_is_told_by_what_changed(tmp_path, was, now, words):
    path = tmp_path / "g"
    writer = Writer(str(path), str(path) + ".part", FileDisk())
    writer.begin(make_head(LONG, was_running=True))
    os.write(writer.fd, b"stream")
    writer.finish(replace(FACTS, xml=LONG))
    path.write_bytes(
        path.read_bytes().replace(was.encode(), now.encode(), 2 if was == "rng" else 1)
    )
    with pytest.raises(ImageDamaged) as seen:
        inspect(str(path))
    how = f": {words}" if words else ""
    changed = f"the header or the XML in the saved state '{path}' was changed{how}"
    assert seen.value.message.startswith(changed)
    assert "hidden" not in seen.value.message


def test_an_edited_definition_is_the_saved_one_from_then_on(tmp_path):
    path = tmp_path / "g"
    image = write(path, b"stream")
    head = Head(image.head.header, XML.replace("g<", "g2<"))
    replace_xml(image, head, FileDisk())
    edited = inspect(str(path)).trailer
    assert edited is not None
    assert edited.facts.xml == head.xml


class Unsynced(FileDisk):
    """Directories that cannot be synced; keeps a second name of what is renamed."""

    def rename(self, source: str, target: str) -> None:
        with contextlib.suppress(FileExistsError):
            os.link(source, f"{source}.seen")
        super().rename(source, target)

    def sync_dir(self, path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)


@pytest.mark.parametrize("older", [True, False])
def test_a_name_that_is_not_durable_goes_back_and_its_image_is_none(tmp_path, older):
    path = tmp_path / "g"
    before = write(path, b"old" * 1000) if older else None
    writer = Writer(str(path), f"{path}.part", Unsynced())
    writer.begin(make_head(XML, was_running=False))
    os.write(writer.fd, b"new")
    with pytest.raises(OSError, match="Input/output error"):
        writer.finish(FACTS)
    writer.discard()
    with pytest.raises(ImageDamaged) as seen:
        inspect(f"{path}.part.seen")
    assert seen.value.kind is Damage.INCOMPLETE
    kept = sorted(one.name for one in tmp_path.iterdir() if not one.name.endswith(".seen"))
    assert kept == (["g"] if older else [])
    assert before is None or whole(path) == before


def test_an_edit_that_is_not_durable_leaves_the_image_as_it_was(tmp_path):
    path = tmp_path / "g"
    image = write(path, b"stream")
    with pytest.raises(OSError, match="Input/output error"):
        replace_xml(image, Head(image.head.header, XML.replace("g<", "g2<")), Unsynced())
    assert whole(path) == image


def test_what_a_save_that_was_cut_short_was_to_replace_is_settled(tmp_path):
    path, kept = tmp_path / "g", tmp_path / ".g.virtup-old"
    old = write(path, b"old").head
    for newer in (b"", save_image.MAGIC_PARTIAL.ljust(200, b"x")):
        os.rename(path, kept)
        if newer:
            path.write_bytes(newer)
        settle(str(path))
        assert whole(path).head == old
        assert not kept.exists()
    for content in (path.read_bytes(), b"not of virtup's"):
        path.write_bytes(content)
        os.link(path, kept)
        settle(str(path))
        assert path.read_bytes() == content
        assert not kept.exists()


def test_a_display_password_stands_in_the_head_alone(tmp_path):
    path = tmp_path / "g"
    image = write(path, b"stream", xml=LONG)
    replace_xml(image, Head(image.head.header, LONG), FileDisk())
    assert path.read_bytes().count(b"hidden!") == 1
