"""The daemon's log: what a name or a guest brings along breaks no entry."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from virtup.daemon.logs import log_to


@pytest.fixture
def log(tmp_path: Path):
    """A log in a file, and what is in it."""
    root = logging.getLogger()
    before, level = tuple(root.handlers), root.level
    path = tmp_path / "log"
    for handler in before:
        root.removeHandler(handler)
    log_to(str(path), logging.INFO)
    yield path
    for handler in tuple(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)


def test_a_line_break_in_an_entry_forges_no_other(log: Path) -> None:
    logging.getLogger("a").error("'%s' is é", "new\n2026-01-01 INFO x: forged\x1b[2J")
    first, second = log.read_text().splitlines()
    assert first.endswith("ERROR a: 'new")
    assert second == "    2026-01-01 INFO x: forged\\x1b[2J' is é"
