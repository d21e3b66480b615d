"""Looking at many things of the host in bounded time, whatever hangs.

A call on a dead file server or device does not return, and cannot be ended: its thread is left
behind, and what it looked at has no answer.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

WORKERS = 6


def each_within(items: Collection[K], look: Callable[[K], V], deadline_s: float) -> dict[K, V]:
    """Return what *look* says of each of *items*; what has no answer in time is left out.

    *look* is called in threads, and must not raise.
    """
    waiting: queue.SimpleQueue[K] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[K, V]] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)

    def work() -> None:
        while True:
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            answers.put((item, look(item)))

    # one worker more than can hang at once would be ideal; a few are enough to get past a dead path
    for _ in range(min(WORKERS, len(items))):
        threading.Thread(target=work, daemon=True, name="probe").start()
    found: dict[K, V] = {}
    until = time.monotonic() + deadline_s
    while len(found) < len(items):
        try:
            item, answer = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        found[item] = answer
    return found
