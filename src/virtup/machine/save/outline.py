"""What can be told, without QEMU, of the memory in an image that has no digests."""

from __future__ import annotations

import asyncio

from virtup.errors import OperationFailed
from virtup.host import pipes, save_bytes, save_file
from virtup.host.save_file import Image
from virtup.machine.save import compress
from virtup.machine.save.stream import StreamFailed
from virtup.model.save_format import Format
from virtup.model.save_image import Damage, ImageDamaged
from virtup.model.stream_shape import HEAD_BYTES, TAIL_BYTES, fault


async def check(image: Image) -> None:
    """Look at both ends of the stream in *image*, of which the program that made it reads all.

    Raises ImageDamaged, also for one that cannot be read or whose program is not here.
    """
    try:
        ends = await _both_ends(image)
    except OSError as error:
        raise save_file.unreadable(image.path, error) from error
    if found := fault(*ends):
        kind, words = found
        raise ImageDamaged(kind, f"the saved state '{image.path}' {words}")


async def _both_ends(image: Image) -> tuple[bytes, bytes]:
    file = await asyncio.to_thread(save_file.open_stream, image)
    try:
        if image.head.header.format is Format.RAW:
            return await asyncio.to_thread(_ends, file, image)
        return await _decompressed(file, image)
    finally:
        pipes.close(file)


def _ends(file: int, image: Image) -> tuple[bytes, bytes]:
    begin, size = image.head.header.stream_offset, image.stream_bytes
    head = save_bytes.read_exactly(file, min(HEAD_BYTES, size), begin)
    length = min(TAIL_BYTES, size)
    return head, save_bytes.read_exactly(file, length, begin + size - length)


async def _decompressed(file: int, image: Image) -> tuple[bytes, bytes]:
    try:
        program = compress.decompressor(image.head.header.format, file, image.stream_bytes)
    except OperationFailed as error:
        raise ImageDamaged(Damage.UNREADABLE, error.message) from error
    try:
        ends = await asyncio.to_thread(pipes.ends, program.end, HEAD_BYTES, TAIL_BYTES)
        await program.finish()
    except StreamFailed as failed:
        raise ImageDamaged(
            Damage.FLIPPED,
            f"the memory in the saved state '{image.path}' cannot be decompressed: "
            f"{failed.message.removeprefix('operation failed: ')}",
        ) from failed
    except BaseException:
        await program.kill()
        raise
    return ends
