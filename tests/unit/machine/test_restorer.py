"""Loading a saved guest: what is found out before QEMU has a part in it."""

from __future__ import annotations

import gzip
from typing import cast

import pytest

from virtup.host.save_file import Image
from virtup.machine.jobs import Job, Operation
from virtup.machine.monitor import Monitor
from virtup.machine.save import restorer
from virtup.machine.save.stream import StreamFailed
from virtup.model.save_format import Format
from virtup.model.save_image import Head, Header


class Untouched:
    """A monitor that nobody may ask for anything."""


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (gzip.compress(b""), "'gzip' finds nothing in it"),
        (b"no gzip", "'gzip' failed: gzip: stdin: not in gzip format"),
    ],
)
async def test_qemu_is_given_no_pipe_that_ends_without_a_byte(tmp_path, stream, words):
    header = Header(whole=True, data_len=8, was_running=True, format=Format.GZIP)
    path = tmp_path / "g"
    path.write_bytes(bytes(header.stream_offset) + stream)
    image = Image(str(path), path.stat().st_size, Head(header, "<domain/>"))
    monitor = cast("Monitor", Untouched())
    with pytest.raises(StreamFailed, match=words):
        await restorer.load(monitor, image, Job(Operation.RESTORE, 0.0), alive=lambda: True)
