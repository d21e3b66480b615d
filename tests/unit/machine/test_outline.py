"""Images without digests, checked as far as can be told without QEMU."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.unit.model.test_stream_shape import WHOLE
from virtup.host.save_file import Image
from virtup.machine.save import outline
from virtup.model.save_format import Format
from virtup.model.save_image import Damage, Head, Header, ImageDamaged


def image(place: Path, format: Format, stream: bytes) -> Image:
    header = Header(whole=True, data_len=8, was_running=True, format=format)
    path = place / "g"
    path.write_bytes(bytes(header.stream_offset) + stream)
    return Image(str(path), path.stat().st_size, Head(header, "<domain/>"))


async def test_a_whole_one_passes(tmp_path):
    await outline.check(image(tmp_path, Format.RAW, WHOLE))
    await outline.check(image(tmp_path, Format.GZIP, gzip.compress(WHOLE)))


@pytest.mark.parametrize(
    ("format", "stream", "kind", "words"),
    [
        (Format.RAW, WHOLE[:-1], Damage.CUT_RAM, "ends before QEMU's description"),
        (Format.GZIP, gzip.compress(WHOLE[:-1]), Damage.CUT_RAM, "ends before QEMU's description"),
        (Format.GZIP, gzip.compress(WHOLE)[:-9], Damage.FLIPPED, "'gzip' failed: gzip: stdin:"),
        (Format.GZIP, b"no gzip", Damage.FLIPPED, "not in gzip format"),
    ],
)
async def test_a_damaged_one_is_told(tmp_path, format, stream, kind, words):
    with pytest.raises(ImageDamaged, match=words) as seen:
        await outline.check(image(tmp_path, format, stream))
    assert seen.value.kind is kind
