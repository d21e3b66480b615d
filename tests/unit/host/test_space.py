"""What a file system takes: room, and speed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virtup.host import space


def test_room_is_that_of_the_file_system(tmp_path: Path) -> None:
    seen = os.statvfs(tmp_path)
    assert 0 <= space.free_bytes(str(tmp_path)) <= seen.f_blocks * seen.f_frsize


def test_speed_is_measured_and_nothing_is_left(tmp_path: Path) -> None:
    assert space.write_speed(str(tmp_path), 2 << 20) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    gone = f"{tmp_path}/gone"
    with pytest.raises(FileNotFoundError):
        space.free_bytes(gone)
    with pytest.raises(FileNotFoundError):
        space.write_speed(gone)
