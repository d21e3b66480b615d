"""The demo does what the README shows, for root and for a user, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests import lab

pytestmark = pytest.mark.e2e

DEMO = lab.PROJECT / "tools" / "demo.py"


def readme_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", lab.PROJECT / "tools" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def form(text: str) -> list[str]:
    """Return the lines of a transcript without what may differ from run to run."""
    text = re.sub(r"virtup-demo\.\w+", "virtup-demo.X", text)
    text = re.sub(r"\d+(\.\d+)*", "N", text)
    lines = (re.sub(r"[ -]{2,}", " ", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def state(guest: Path) -> list[tuple[str, int, bool]]:
    paths = [guest / name for name in ("vmlinuz", "initrd.img", "disk.img")]
    stats = ((path, path.stat()) for path in paths)
    return [
        (p.name, s.st_mode, s.st_uid, s.st_gid, "acl" in str(os.listxattr(p))) for p, s in stats
    ]


def folders() -> set[Path]:
    return set(Path("/tmp").glob("virtup-demo.*"))


@pytest.mark.root
def test_it_prints_what_the_readme_shows() -> None:
    before, known = state(lab.make_guest()), folders()
    done = subprocess.run(
        [sys.executable, DEMO], env=lab.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tool = readme_tool()
    shown = tool.block((lab.PROJECT / "README.md").read_text(), "demo")
    assert form(tool.plain(done.stdout)) == form(shown), "run `make readme` and read the difference"
    assert state(lab.guest_dir()) == before
    assert folders() <= known
    assert not lab.processes("/tmp/virtup-demo.")


def test_a_user_without_root_gets_it_too(scratch: Path) -> None:
    done = lab.run_as_user([lab.PROGRAMS / "python", DEMO], scratch, guest=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "user networking" in done.stdout
    assert "virtup-guest login:" in done.stdout
    assert "Permission denied" in done.stdout
    assert re.search(r"^\$ chmod (?!0 )\S+ \S+/vmlinuz$", done.stdout, re.MULTILINE)


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_cleans_up_when_it_is_interrupted(number: signal.Signals) -> None:
    before = state(lab.make_guest())
    process = subprocess.Popen(
        [sys.executable, DEMO],
        env=lab.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    with process:
        assert process.stdout is not None
        said = ""
        while "$ chmod 0" not in said:
            assert select.select([process.stdout], [], [], lab.BOUND_S)[0], said
            line = process.stdout.readline()
            assert line, said
            said += line
        process.send_signal(number)
        said += process.stdout.read()
    assert process.returncode == 128 + number, said
    folder = re.search(r"--root (\S+)", said)
    assert folder
    assert not Path(folder[1]).exists()
    assert not lab.processes(folder[1])
    assert state(lab.guest_dir()) == before
