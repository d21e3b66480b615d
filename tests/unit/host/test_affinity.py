"""Processors of a process, for real."""

from __future__ import annotations

import os
import subprocess

import pytest

from virtup.host import affinity


def test_what_is_online_holds_what_we_run_on() -> None:
    assert affinity.online() >= os.sched_getaffinity(0)


def test_every_thread_is_pinned() -> None:
    first = min(os.sched_getaffinity(0))
    code = (
        "import threading,time\n"
        "for _ in range(3): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            assert affinity.pin(child.pid, {first}) == 4
            threads = os.listdir(f"/proc/{child.pid}/task")
            assert {frozenset(os.sched_getaffinity(int(each))) for each in threads} == {
                frozenset({first})
            }
            with pytest.raises(OSError, match="Invalid argument"):
                affinity.pin(child.pid, {4000})
        finally:
            child.kill()
    with pytest.raises(ProcessLookupError):
        affinity.pin(child.pid, {first})
