"""All tests in two processes: what fails there is asked once more, and never taken for well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "tools/run_tests.py"


def run(place: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run the program over one file of tests, in one process that starts at once."""
    (place / "pytest.ini").write_text("[pytest]\n")
    (place / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, str(PROGRAM), "-n", "0"],
        cwd=place,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


SECOND_TIME = """
import pathlib
def test_luck():
    told = pathlib.Path("told")
    known = told.exists()
    told.touch()
    assert known
def test_good(): pass
"""

MANY = """
import pytest
@pytest.mark.parametrize("n", range(9))
def test_bad(n): assert False
"""


def test_one_that_passes_alone_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, SECOND_TIME)
    assert done.returncode == 0
    assert "\n1 test failed beside others, and now once more alone:\n" in done.stdout
    last = done.stdout.splitlines()[-2:]
    assert last[0] == "1 test failed beside others and passed alone, and should be mended:"
    assert last[1] == "    test_it.py::test_luck"


def test_one_that_fails_again_fails_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, SECOND_TIME + "def test_bad(): assert False\n")
    assert done.returncode == 1
    assert "\n2 tests failed beside others, and now once more alone:\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "    test_it.py::test_luck"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("def test_good(): pass\n", 0),
        ("def test_bad(:\n", 2),
        (MANY, 1),
    ],
    ids=["all pass", "no tests at all", "many fail"],
)
def test_otherwise_none_is_asked_again(tmp_path: Path, text: str, status: int) -> None:
    done = run(tmp_path, text)
    assert done.returncode == status
    assert "once more" not in done.stdout
