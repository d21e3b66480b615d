"""QEMU's migration stream, out to a descriptor and in from one, followed to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from virtup.errors import Code, Fault, OperationFailed, VirtError
from virtup.machine.jobs import Job
from virtup.machine.monitor import Monitor

POLL_S = 0.01
"""How often QEMU is asked how far it is, at first; it gets rarer as the job grows old."""

POLL_S_MAX = 0.025
"""On average half of it is lost at the end of a job."""

UNLIMITED_BYTES_PER_S = 1 << 50
"""QEMU's own limit would be 128 MiB/s; the disk is the limit here."""

ABORT_WAIT_S = 5.0
"""How long a save that somebody ended may take to end; then whoever waits for it is told."""

FD_NAME = "virtup-state"

_RUNNING = {"setup", "active", "pre-switchover", "device", "none", "postcopy-active"}


class StreamFailed(OperationFailed):
    """QEMU could not write or load the state; its words are in the message."""

    fault = Fault.HOST


class Aborted(VirtError):
    """Somebody ended the job."""

    code, fault = Code.OPERATION_ABORTED, Fault.CALLER
    template = "operation aborted: {message}"


async def send(monitor: Monitor, fd: int, job: Job) -> None:
    """Have QEMU write its state to *fd*; returns when it is written and the guest is stopped.

    Raises StreamFailed, Aborted when ``job.aborted`` is set, and the monitor's errors. QEMU can
    go on in every case but the last.
    """
    await monitor.execute("migrate-set-parameters", {"max-bandwidth": UNLIMITED_BYTES_PER_S})
    await monitor.give_fd(FD_NAME, fd)
    await monitor.execute("migrate", {"uri": f"fd:{FD_NAME}"})
    try:
        async with asyncio.timeout(None) as bound, _hurried(job, bound):
            await _follow(monitor, job, "save", abort=lambda: monitor.execute("migrate_cancel"))
    except TimeoutError:
        raise Aborted("save job: canceled by client; QEMU does not answer") from None


@contextlib.asynccontextmanager
async def _hurried(job: Job, bound: asyncio.Timeout) -> AsyncIterator[None]:
    """Bound what is awaited, from the moment at which somebody ends *job*."""

    async def hurry() -> None:
        await job.aborted.wait()
        bound.reschedule(asyncio.get_running_loop().time() + ABORT_WAIT_S)

    hurrying = asyncio.ensure_future(hurry())
    try:
        yield
    finally:
        hurrying.cancel()


async def receive(
    monitor: Monitor, fd: int, job: Job, alive: Callable[[], bool] = lambda: True
) -> None:
    """Have QEMU, started with ``-incoming defer``, load its state from *fd*."""
    await monitor.give_fd(FD_NAME, fd)
    await monitor.execute("migrate-incoming", {"uri": f"fd:{FD_NAME}"})
    await _follow(monitor, job, "restore", abort=None, alive=alive)


async def _follow(
    monitor: Monitor,
    job: Job,
    what: str,
    *,
    abort: Callable[[], Any] | None,
    alive: Callable[[], bool] = lambda: True,
) -> None:
    pause_s = POLL_S
    cancelled = False
    while alive():
        seen = await monitor.execute("query-migrate")
        state = seen.get("status", "none")
        job.take(seen)
        if state == "completed":
            return
        if state == "cancelled" or (cancelled and state == "failed"):
            raise Aborted(f"{what} job: canceled by client")
        if state not in _RUNNING and state != "cancelling":
            raise StreamFailed(f"QEMU could not {what} the state: {_reason(seen)}")
        if abort is not None and job.aborted.is_set() and not cancelled:
            cancelled = True
            await abort()
            continue
        await _wait(job, pause_s)
        pause_s = min(POLL_S_MAX, pause_s * 1.2)
    raise StreamFailed(f"QEMU ended before the {what} was over")


async def _wait(job: Job, pause_s: float) -> None:
    if job.aborted.is_set():
        await asyncio.sleep(pause_s)
        return
    try:
        async with asyncio.timeout(pause_s):
            await job.aborted.wait()
    except TimeoutError:
        return


def _reason(seen: dict[str, Any]) -> str:
    return str(seen.get("error-desc") or f"its migration is {seen.get('status')}")
