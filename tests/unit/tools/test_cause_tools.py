"""A new cause is scaffolded with a code of its own; the pages are those of the catalogue."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests import lab


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, lab.PROJECT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path: Path) -> Path:
    family = tmp_path / "storage"
    family.mkdir()
    (family / "__init__.py").touch()
    (family / "old_one.py").write_text('CODE = "VU041"\nSLUG = "old-one"\n')
    return tmp_path


def test_a_scaffold_has_the_next_code_and_runs(home: Path) -> None:
    path = load("new_cause").scaffold("storage", "disk-is-on-fire", home)
    assert path.name == "disk_is_on_fire.py"
    assert 'CODE = "VU042"' in path.read_text()
    program = (
        "import runpy, sys; m = runpy.run_path(sys.argv[1]);"
        "assert [f.code for ev in m['POSITIVE'] for f in m['find'](ev)] == ['VU042'];"
        "assert not [f for ev in m['NEGATIVE'] for f in m['find'](ev)]"
    )
    subprocess.run([sys.executable, "-c", program, path], check=True)


@pytest.mark.parametrize(
    ("family", "slug", "words"),
    [
        ("storage", "Disk", "no slug"),
        ("storage", "one", "no slug"),
        ("nowhere", "disk-gone", "no family; there are: storage"),
        ("storage", "old-one", "already"),
    ],
)
def test_a_bad_name_is_refused(home: Path, family: str, slug: str, words: str) -> None:
    with pytest.raises(SystemExit, match=words):
        load("new_cause").scaffold(family, slug, home)


def test_the_pages_are_up_to_date() -> None:
    assert load("make_cause_pages").stale() == [], "run tools/make_cause_pages.py"
