"""What reads the source, run as tests: style, form, types, layers, docstrings, shell syntax."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import lab

SOURCES = ["src", "tests", "tools", "bench"]
LINTERS = {
    "ruff check": ["ruff", "check", "--no-cache", *SOURCES],
    "ruff format": ["ruff", "format", "--no-cache", "--check", *SOURCES],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports", "--no-cache"],
    "interrogate": ["interrogate", "-vv", "--omit-covered-files", "src"],
}


@pytest.mark.parametrize("name", LINTERS)
def test_the_source_passes(name: str) -> None:
    program, *words = LINTERS[name]
    done = subprocess.run(
        [lab.PROGRAMS / program, *words],
        cwd=lab.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"


def shell_scripts() -> list[Path]:
    places = [*(lab.PROJECT / "tools").rglob("*"), *(lab.PROJECT / ".ci").rglob("*")]
    return [path for path in places if path.is_file() and path.read_bytes()[:5] in SHEBANGS]


SHEBANGS = (b"#!/bi", b"#!/us")


def test_shell_scripts_parse() -> None:
    scripts = [p for p in shell_scripts() if b"sh\n" in p.read_bytes().partition(b"\n")[0] + b"\n"]
    assert scripts, "there are scripts to check"
    for script in scripts:
        shell = "bash" if "bash" in script.read_text().partition("\n")[0] else "sh"
        done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}: {done.stderr}"
