"""What a program leaves behind: its group ends with it, and what has its home is found."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from pathlib import Path

from tests import lab
from virtup.host.process import adopt, spawn, with_home

ENV = {"PATH": "/usr/bin:/bin"}


def written(path: Path) -> int:
    """The number that a program wrote to a file."""
    return int(lab.eventually(lambda: path.exists() and path.read_text().strip(), "it was written"))


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


async def test_the_children_of_a_program_end_with_it(tmp_path: Path) -> None:
    told = tmp_path / "child"
    parent = spawn(["/bin/sh", "-c", f"sleep 600 & echo $! >{told}; wait"], ENV)
    child = written(told)
    parent.kill(signal.SIGKILL)
    assert (await parent.wait()).signal == signal.SIGKILL
    lab.eventually(lambda: is_gone(child), "the child is gone too")


async def test_a_program_that_ended_by_itself_takes_its_children_along(tmp_path: Path) -> None:
    told = tmp_path / "child"
    parent = spawn(["/bin/sh", "-c", f"sleep 600 & echo $! >{told}"], ENV)
    assert (await parent.wait()).status == 0
    lab.eventually(lambda: is_gone(written(told)), "the child is gone too")


async def test_a_program_that_leads_no_group_takes_nobody_along(tmp_path: Path) -> None:
    told = tmp_path / "children"
    script = f"sleep 600 & sleep 600 & echo $! >{told}; wait"
    parent = spawn(["/bin/sh", "-c", script], ENV)
    child = written(told)
    ticks = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[19])
    adopted = adopt(child, ticks)
    assert adopted is not None
    adopted.kill(signal.SIGKILL)
    await adopted.wait()
    assert parent.alive()
    parent.kill(signal.SIGKILL)
    await parent.wait()


async def test_what_has_a_home_is_found_by_it(tmp_path: Path) -> None:
    home = f"/nonexistent/{uuid.uuid4()}"
    assert with_home(home) == []
    told = tmp_path / "child"
    script = f"sleep 600 & echo $! >{told}; wait"
    parent = spawn(["/bin/sh", "-c", script], {**ENV, "HOME": home})
    other = spawn(["/bin/sleep", "600"], {**ENV, "HOME": f"{home}2", "OLDHOME": home})
    child = written(told)
    found = with_home(home)
    assert {one.pid for one in found} == {parent.pid, child}
    for one in found:
        one.close()
    for process in (parent, other):
        process.kill(signal.SIGKILL)
        await process.wait()
    while left := with_home(home):  # the child was killed with its group, and dies when it can
        assert [one.pid for one in left] == [child]
        for one in left:
            one.close()
        await asyncio.sleep(0.005)
    assert os.getpid() not in {one.pid for one in found}
