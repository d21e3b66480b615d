"""The kernel's own log: what it says of a process that it killed, that crashed or was denied."""

from __future__ import annotations

import os
import re
import time

from virtup.host.evidence import hostfs
from virtup.model.probe import KernelLog, KernelLogFact

_KMSG = "/dev/kmsg"
RECORDS_MAX = 20_000
LINES_MAX = 8


def kernel_log(probe: KernelLog) -> KernelLogFact:
    """Return the last lines of the kernel's log that name the process."""
    named = re.compile(rf"(?:process |pid[= :]?|\[|task=\S+,pid=){probe.pid}\b", re.IGNORECASE)
    lines = records()
    if lines is None:
        return KernelLogFact()
    found = [line for _, line in lines if named.search(line)]
    return KernelLogFact(readable=True, lines=tuple(found[-LINES_MAX:]))


def records() -> list[tuple[float, str]] | None:
    """Return the kernel's log as (seconds since 1970, line), None when we may not read it."""
    try:
        number = os.open(hostfs.at(_KMSG), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    found: list[tuple[float, str]] = []
    try:
        for _ in range(RECORDS_MAX):
            try:
                record = os.read(number, 8192)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # overwritten while we read: the next read goes on
            if not record:
                break
            found.append(_parsed(record.decode("utf-8", "replace"), booted))
    finally:
        os.close(number)
    return found


def _parsed(record: str, booted: float) -> tuple[float, str]:
    """Take one record apart: ``priority,number,microseconds,flags;text`` (dev-kmsg)."""
    head, _, text = record.partition(";")
    fields = head.split(",")
    micros = fields[2] if len(fields) > 2 else ""
    when = booted + int(micros) / 1e6 if micros.isdigit() else 0.0
    return when, text.partition("\n")[0]
