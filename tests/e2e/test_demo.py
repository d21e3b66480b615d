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
from typing import Any

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


APART = 'mount --bind "$COPY" "$GUEST"; exec "$@"'
"""Gives the demo a guest of its own where the one of all tests is: it closes the kernel."""


def demo(copy: Path) -> dict[str, Any]:
    """Return how root runs the demo on a copy of the guest, which is made in *copy*."""
    guest = lab.guest_dir()
    subprocess.run(["cp", "-a", f"{guest}/.", copy], check=True)
    copy.chmod(0o755)
    apart = ["unshare", "-m", "--propagation", "private", "sh", "-c", APART, "sh"]
    return {
        "args": [*apart, sys.executable, DEMO],
        "env": {**lab.environment(), "COPY": str(copy), "GUEST": str(guest)},
        "text": True,
    }


def folders() -> set[Path]:
    return set(Path("/tmp").glob("virtup-demo.*"))


@pytest.mark.root
def test_it_prints_what_the_readme_shows(scratch: Path) -> None:
    how = demo(scratch)
    before, known = state(scratch), folders()
    done = subprocess.run(**how, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tool = readme_tool()
    shown = tool.block((lab.PROJECT / "README.md").read_text(), "demo")
    assert form(tool.plain(done.stdout)) == form(shown), "run `make readme` and read the difference"
    assert state(scratch) == before
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
def test_it_cleans_up_when_it_is_interrupted(number: signal.Signals, scratch: Path) -> None:
    how = demo(scratch)
    before = state(scratch)
    process = subprocess.Popen(
        **how, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
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
    assert state(scratch) == before
