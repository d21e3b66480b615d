"""Holding the host up through logind: what it is asked, and what happens without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import lab
from virtup.host import inhibit

SCRIPT = """#!/bin/sh
echo "$$" >"{place}/pid"
printf '%s\\n' "$@" >"{place}/asked"
{rest}
"""
RUN = 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"'


def program(place: Path, rest: str) -> str:
    path = place / "systemd-inhibit"
    path.write_text(SCRIPT.format(place=place, rest=rest))
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_host_is_held_up_for_the_block_and_no_longer(tmp_path: Path) -> None:
    made = program(tmp_path, RUN)
    with inhibit.inhibited("me", "at work", logind=str(tmp_path), program=made) as held:
        assert held
        asked = (tmp_path / "asked").read_text().splitlines()
        assert asked[:4] == ["--what=shutdown:sleep", "--mode=block", "--who=me", "--why=at work"]
        pid = int((tmp_path / "pid").read_text())
        assert alive(pid)
    lab.eventually(lambda: not alive(pid), "what held it is gone")


def test_an_error_in_the_block_lets_go_too(tmp_path: Path) -> None:
    made = program(tmp_path, RUN)
    with (
        pytest.raises(ValueError, match="mine"),
        inhibit.inhibited("me", "w", logind=str(tmp_path), program=made),
    ):
        raise ValueError("mine")
    pid = int((tmp_path / "pid").read_text())
    lab.eventually(lambda: not alive(pid), "what held it is gone")


def test_without_logind_nothing_is_asked(tmp_path: Path) -> None:
    made = program(tmp_path, RUN)
    with inhibit.inhibited("me", "w", logind=f"{tmp_path}/no", program=made) as held:
        assert not held
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("rest", ["exit 1", "exec true"])
def test_a_refusal_is_no_obstacle(tmp_path: Path, rest: str) -> None:
    made = program(tmp_path, rest)
    with inhibit.inhibited("me", "w", logind=str(tmp_path), program=made) as held:
        assert not held


def test_a_program_that_is_not_there_is_no_obstacle(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with inhibit.inhibited("me", "w", logind=str(tmp_path), program="/no/such") as held:
        assert not held
    assert len(os.listdir("/proc/self/fd")) == before
