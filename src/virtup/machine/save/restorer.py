"""Loading a saved guest: checked while it loads, marked before it runs, never run twice.

`examine` looks at everything that can be seen without QEMU; `load` has QEMU read the stream while
a thread compares every block with its digest; only when both are done and the image is durably
marked may the vCPUs run.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from virtup.errors import VirtError
from virtup.host import pipes, save_bytes, save_file
from virtup.host.fingerprint import differences, of_disk
from virtup.host.save_file import Image
from virtup.machine.failure import StepFailed
from virtup.machine.jobs import Job
from virtup.machine.monitor import Monitor, MonitorGone
from virtup.machine.save import compress, stream
from virtup.machine.save.stream import StreamFailed
from virtup.model.domain import Domain
from virtup.model.save_format import Format
from virtup.model.save_image import BLOCK_BYTES, Damage, ImageDamaged

LET_GO_BYTES = 32 * BLOCK_BYTES
"""How much of an image is read before the page cache lets go of it, if it is to."""


def examine(path: str) -> Image:
    """Return the image at *path* after every check that needs neither its stream nor QEMU.

    Raises ImageDamaged for a damaged image, one that was restored before, and one whose disks
    changed since. Blocks for as long as the disk takes.
    """
    image = save_file.inspect(path)
    if image.consumed_ns is not None:
        when = dt.datetime.fromtimestamp(image.consumed_ns / 1e9, dt.UTC)
        raise ImageDamaged(
            Damage.CONSUMED,
            f"the saved state '{path}' was restored before, {when:%Y-%m-%d %H:%M:%S} UTC: the "
            "guest has run on since, and its disks with it",
        )
    _compare_disks(image)
    return image


def _compare_disks(image: Image) -> None:
    if image.trailer is None:
        return
    for disk, before in image.trailer.facts.disks.items():
        try:
            now = of_disk(disk)
        except OSError as error:
            raise ImageDamaged(
                Damage.DISKS_CHANGED,
                f"the saved state '{image.path}' belongs to the disk '{disk}', which cannot be "
                f"read: {error.strerror}",
            ) from error
        changed = differences(before, now)
        if changed:
            raise ImageDamaged(
                Damage.DISKS_CHANGED,
                f"the disk '{disk}' was changed after the state '{image.path}' was saved: "
                f"{', '.join(changed)}; restored memory would not fit it",
            )


def require_guest(domain: Domain, name: str, uuid: str) -> None:
    """Refuse an image of another guest; *domain* is the one in the image."""
    if domain.name != name or domain.uuid != uuid:
        raise ImageDamaged(
            Damage.OTHER_GUEST,
            f"cannot restore domain '{name}' uuid {uuid} from a file which belongs to domain "
            f"'{domain.name}' uuid {domain.uuid}",
        )


async def load(monitor: Monitor, image: Image, job: Job, *, alive: Callable[[], bool]) -> None:
    """Have QEMU load *image* and check every block of it meanwhile.

    When this returns the guest is loaded, stopped and proven to be the one that was saved. Raises
    ImageDamaged before any other error when a block is not what it was; StreamFailed when QEMU
    could not load it.
    """
    reading = _Reading(save_file.open_stream(image), past_cache=image.past_cache)
    checking = asyncio.ensure_future(_check(image, reading))
    failure: VirtError | None = None
    try:
        try:
            await _receive(monitor, image, reading.file, job, alive=alive)
        except VirtError as error:
            failure = error
        # what the digests say goes before what QEMU made of the bytes
        await asyncio.shield(checking)
    finally:
        reading.ended = True
        await asyncio.gather(checking, return_exceptions=True)
        if image.past_cache:
            save_bytes.let_go(reading.file)
        pipes.close(reading.file)
    if failure is not None:
        raise failure


@dataclass
class _Reading:
    """An image that QEMU and a checking thread read; ``file`` is QEMU's, with its offset."""

    file: int
    past_cache: bool
    ended: bool = False
    let_go: int = 0

    def reached(self, at: int) -> bool:
        """Have the page cache let go of what both have read; tell whether to read on."""
        if self.past_cache and at - self.let_go >= LET_GO_BYTES:
            self.let_go = at
            save_bytes.let_go(self.file, min(at, save_bytes.place_in(self.file)))
        return not self.ended


def to_blame(failed: StepFailed, image: Image | None) -> ImageDamaged | None:
    """Return what a failed start says of its image; None when no image is to blame.

    One that carries no digests is to blame for whatever QEMU says while it loads.
    """
    if isinstance(failed.error, ImageDamaged):
        return failed.error
    if image is not None and image.trailer is None and failed.evidence.phase == "load":
        return ImageDamaged(
            Damage.UNLOADABLE, f"QEMU cannot load the saved state '{image.path}': {failed.message}"
        )
    return None


async def _check(image: Image, reading: _Reading) -> None:
    if image.trailer is not None:
        check = save_file.check_blocks
        await asyncio.to_thread(check, image.path, image.trailer, go_on=reading.reached)


async def _receive(
    monitor: Monitor, image: Image, file: int, job: Job, *, alive: Callable[[], bool]
) -> None:
    if image.head.header.format is Format.RAW:
        await stream.receive(monitor, file, job, alive)
        return
    program = compress.decompressor(image.head.header.format, file, image.stream_bytes)
    try:
        # QEMU 7.2 waits for ever for the first byte of a pipe that ended without one
        if not await asyncio.to_thread(pipes.will_give, program.end):
            raise StreamFailed(f"'{program.program}' finds nothing in it")
        loading = asyncio.ensure_future(stream.receive(monitor, program.end, job, alive))
        await asyncio.sleep(0)
        await loading
        await program.finish()
    except (StreamFailed, MonitorGone):
        await program.finish()  # it says why, if it ended first
        raise
    except BaseException:
        await program.kill()
        raise


def describe(image: Image) -> dict[str, object]:
    """Return what is in an image, for a person or a program to read."""
    header = image.head.header
    found: dict[str, object] = {
        "path": image.path,
        "size": image.size,
        "format": header.format.name.lower(),
        "runs": header.was_running,
        "checked": image.trailer is not None,
    }
    if image.trailer is not None:
        facts = image.trailer.facts
        found |= {
            "name": facts.name,
            "uuid": facts.uuid,
            "saved": facts.saved,
            "qemu": facts.qemu,
            "machine": facts.machine,
            "memory_bytes": image.trailer.stream_bytes,
            "disks": sorted(facts.disks),
            "restored": image.consumed_ns is not None,
        }
    return found


def set_aside_name(path: str, kind: Damage, now: dt.datetime) -> str:
    """Return the name under which a damaged image is kept."""
    word = kind.value.replace(" ", "-")
    return f"{path}.{word}.{now:%Y%m%dT%H%M%S}"
