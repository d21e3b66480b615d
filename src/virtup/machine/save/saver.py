"""Saving a running guest: the state is durable under its name before QEMU is ended.

Until that moment every failure leaves the guest running as it was, the image that had the name
whole, and nothing else behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import uuid as uuids
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from virtup.errors import OperationFailed, OperationInvalid, SystemError_, VirtError
from virtup.host.clock import Clock
from virtup.host.disk import Disk
from virtup.host.fingerprint import of_disk
from virtup.host.save_writer import Writer
from virtup.machine import attempts, demands, files
from virtup.machine.jobs import Job, JobType, Operation
from virtup.machine.life import Machine
from virtup.machine.monitor import MonitorGone
from virtup.machine.save import compress, stream
from virtup.machine.save.stream import StreamFailed
from virtup.machine.states import Paused, Shutoff, State
from virtup.machine.status import SaveNote
from virtup.model.domain import Domain, format_domain
from virtup.model.domain.inactive import as_definition
from virtup.model.save_format import Format
from virtup.model.save_image import Facts, make_head, without_secrets

END_WAIT_S = 2.0
"""How long a QEMU whose monitor ended may take to be gone, before it is taken for alive."""


@dataclass(frozen=True)
class SaveRequest:
    """Where and how to save; ``running`` overrides whether the guest runs after the restore.

    ``xml`` is a definition to keep in place of the guest's own. ``temporary`` is in the same
    directory as ``path``. With ``past_cache`` the page cache lets go of what the disk has.
    """

    path: str
    temporary: str
    format: Format = Format.RAW
    running: bool | None = None
    xml: str | None = None
    past_cache: bool = False


async def save(machine: Machine, request: SaveRequest, *, disk: Disk, clock: Clock) -> None:
    """Save *machine* and end its QEMU; durable when this returns.

    Raises VirtError, and the guest runs on (or stays paused, if it was), unless its QEMU ended by
    itself; the message says which, and what can be done: Aborted, StreamFailed, SystemError_.
    """
    if machine.job is not None:
        raise OperationInvalid(f"another job ({machine.job.operation.name.lower()}) is active")
    if machine.saving is not None:
        raise OperationInvalid("QEMU has not answered since an earlier save came to nothing")
    job = machine.job = Job(Operation.SAVE, clock.monotonic() * 1000)
    was_running = machine.state is State.RUNNING
    writer = Writer(request.path, request.temporary, disk, past_cache=request.past_cache)
    note = SaveNote(request.temporary, request.path, str(uuids.uuid4()), was_running)
    try:
        machine.note_saving(note)
        if was_running:
            await machine.pause(Paused.SAVE)
        await _write(machine, request, writer, job, note)
    except BaseException as error:
        job.type = JobType.CANCELLED if isinstance(error, stream.Aborted) else JobType.FAILED
        await asyncio.shield(_undo(machine, writer))
        if isinstance(error, OSError | StreamFailed | MonitorGone):
            raise await _told(machine, request.path, error) from error
        if isinstance(error, VirtError) and machine.saving is not None:
            error.message += "; the guest goes on as soon as QEMU answers"
        raise
    else:
        job.type = JobType.COMPLETED
        await machine.end(Shutoff.SAVED)
    finally:
        job.ended_ms = clock.monotonic() * 1000
        machine.job, machine.last_job = None, job


async def _write(
    machine: Machine, request: SaveRequest, writer: Writer, job: Job, note: SaveNote
) -> None:
    live = machine.live
    xml = request.xml or format_domain(as_definition(live), secure=True, inactive=True)
    runs = note.was_running if request.running is None else request.running
    head = make_head(xml, was_running=runs, format=request.format)
    await asyncio.to_thread(writer.begin, head)
    if request.format is Format.RAW:
        await stream.send(machine.running, writer.fd, job)
    else:
        await _send_compressed(machine, request.format, writer, job)
    disks = await asyncio.to_thread(_fingerprints, live)
    facts = Facts(
        uuid=str(live.uuid),
        name=live.name,
        saved=attempts.now(),
        qemu=".".join(map(str, machine.running.version)),
        machine=str(live.os.machine),
        disks=disks,
        id=note.id,
        xml=without_secrets(xml),
    )
    await _beyond_recall(asyncio.to_thread(writer.finish, facts))


def _fingerprints(live: Domain) -> dict[str, dict[str, Any]]:
    """Return those of the guest's disks, and of what they stand on as far as it can be read.

    Raises OSError.
    """
    found = {
        file.path: of_disk(file.path, sync=True)
        for file in files.used(live)
        if file.disk and file.needed
    }
    for file in demands.below(live):
        if file.path not in found:
            with contextlib.suppress(OSError):
                found[file.path] = of_disk(file.path, sync=True)
    return found


async def _beyond_recall(work: Awaitable[None]) -> None:
    """Await what cannot be taken back: whoever is cancelled meanwhile learns how it ended."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.result()


async def _send_compressed(machine: Machine, format: Format, writer: Writer, job: Job) -> None:
    program = compress.compressor(format, writer.fd)
    try:
        await stream.send(machine.running, program.end, job)
        await program.finish()
    except StreamFailed:
        await program.finish()  # it says why, if it ended first
        raise
    except BaseException:
        await program.kill()
        raise


async def _undo(machine: Machine, writer: Writer) -> None:
    """Let the guest go on, and leave nothing of the file."""
    with contextlib.suppress(OSError):
        await asyncio.to_thread(writer.discard)
    await machine.after_cut_save()


_WAYS = {
    errno.ENOSPC: "free space there ('df -h {folder}'), or save to another place: {elsewhere}",
    errno.EDQUOT: "free space there ('quota'), or save to another place: {elsewhere}",
    errno.EROFS: "make '{folder}' writable again ('findmnt -T {folder}' shows its file system), or "
    "save to another place: {elsewhere}",
    errno.EIO: "the disk below '{folder}' fails ('dmesg' has its words): save to another one: "
    "{elsewhere}",
    errno.ENOENT: "make the directory first: 'mkdir -p {folder}'",
}


async def _told(
    machine: Machine, path: str, error: OSError | StreamFailed | MonitorGone
) -> VirtError:
    """Return what to tell of a save that failed: file, reason, what the guest does, what to do."""
    if isinstance(error, MonitorGone) and await machine.gone_within(END_WAIT_S):
        return OperationFailed(
            f"QEMU of '{machine.name}' ended while the guest's state was written to '{path}': the "
            f"guest has ended, and nothing of the state is kept; '{machine.log.path}' may say why"
        )
    if isinstance(error, OSError):
        reason, number = error.strerror or str(error), error.errno
    else:
        reason = error.message.removeprefix("operation failed: ")
        number = next((one for one in _WAYS if os.strerror(one) in reason), None)
    does = "runs on" if machine.state is State.RUNNING else "is still there, and does not run"
    said = f"the guest's state could not be written to '{path}': {reason}; the guest {does}"
    if way := _WAYS.get(number or 0):
        elsewhere = f"'virtup save {machine.name} FILE'"
        said += f"\nfix:      {way.format(folder=os.path.dirname(path), elsewhere=elsewhere)}"
    if isinstance(error, OSError):
        return SystemError_(said)
    return StreamFailed(said)
