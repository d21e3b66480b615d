"""The kernel's own log of a process: killed for memory, crashed, denied."""

from __future__ import annotations

import os
import re

from virtup.model.probe import KernelLog, KernelLogFact

_KMSG = "/dev/kmsg"
RECORDS_MAX = 20_000
LINES_MAX = 8


def kernel_log(probe: KernelLog) -> KernelLogFact:
    """Return the last lines of the kernel's log that name the process."""
    named = re.compile(rf"(?:process |pid[= :]?|\[|task=\S+,pid=){probe.pid}\b", re.IGNORECASE)
    try:
        number = os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return KernelLogFact()
    found: list[str] = []
    try:
        for _ in range(RECORDS_MAX):
            try:
                record = os.read(number, 8192)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # overwritten while we read: the next read goes on
            text = record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0]
            if named.search(text):
                found.append(text)
    finally:
        os.close(number)
    return KernelLogFact(readable=True, lines=tuple(found[-LINES_MAX:]))
