"""Editing a saved definition: the editor that runs, what comes of it, and asking again."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Virtup
from virtup.cli import editor
from virtup.errors import XmlRefused

BEFORE = "<domain>\n  <name>web</name>\n</domain>\n"


class Image:
    """A definition in the daemon: what it is, what was refused of it."""

    def __init__(self) -> None:
        self.xml = BEFORE
        self.refusals = 0
        self.flags: list[int] = []

    def define(self, args: dict[str, object]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise XmlRefused("no such element")
        self.flags.append(int(str(args["flags"])))
        self.xml = str(args.get("dxml", args.get("xml")))


@pytest.fixture
def image(fake: FakeDaemon) -> Image:
    """The definition of the guest web, saved and not, and of any image."""
    kept = Image()

    def define(args: dict[str, object]) -> dict[str, object]:
        kept.define(args)
        return {"dom": fake.handle("web")}

    for name in ("SAVE_IMAGE", "MANAGED_SAVE"):
        fake.handlers[f"DOMAIN_{name}_GET_XML_DESC"] = lambda _: {"xml": kept.xml}
        fake.handlers[f"DOMAIN_{name}_DEFINE_XML"] = kept.define
    fake.handlers["DOMAIN_GET_XML_DESC"] = lambda _: {"xml": kept.xml}
    fake.handlers["DOMAIN_DEFINE_XML_FLAGS"] = define
    return kept


@pytest.fixture
def edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Have a shell script edit; it finds the file's name in $1. The name of its record."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    record = tmp_path / "record"

    def use(script: str) -> Path:
        program = tmp_path / "editor"
        program.write_text(f"#!/bin/sh\nstat -c '%a %n' \"$1\" >> {record}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", str(program))
        return record

    return use


RENAME = 'sed -i s/web/new/ "$1"'


@pytest.mark.parametrize(
    ("words", "changed", "same", "flags"),
    [
        (
            "save-image-edit /w.img --paused",
            "State file /w.img edited.",
            "Saved image /w.img XML configuration not changed.",
            4,
        ),
        (
            "managedsave-edit web",
            "Managed save image of Domain 'web' XML configuration edited.",
            "Managed save image of domain 'web' XML configuration not changed.",
            0,
        ),
        (
            "edit web",
            "Domain 'web' XML configuration edited.",
            "Domain 'web' XML configuration not changed.",
            1,
        ),
        (
            "edit web --skip-validate",
            "Domain 'web' XML configuration edited.",
            "Domain 'web' XML configuration not changed.",
            0,
        ),
    ],
)
def test_an_edit(
    virtup: Virtup,
    image: Image,
    edits: Callable[[str], Path],
    words: str,
    changed: str,
    same: str,
    flags: int,
) -> None:
    record = edits(RENAME)
    assert virtup(*words.split()) == (0, f"{changed}\n\n", "")
    assert image.xml == BEFORE.replace("web", "new")
    assert image.flags == [flags]
    mode, name = record.read_text().split()
    assert mode == "600"
    assert name.endswith(".xml")
    assert not Path(name).exists()
    edits("true")
    assert virtup(*words.split()) == (0, f"{same}\n\n", "")
    assert image.flags == [flags]


def test_which_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "ed --fast")
    monkeypatch.setenv("VISUAL", "")
    assert editor.editor() == "ed --fast"
    monkeypatch.setenv("VISUAL", "gvim -f")
    assert editor.editor() == "gvim -f"
    monkeypatch.delenv("VISUAL")
    monkeypatch.delenv("EDITOR")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert editor.editor() == "vi"


@pytest.mark.parametrize(
    ("script", "how"),
    [("exit 3", "unexpected exit status 3"), ("kill -9 $$", "unexpected exit status 137")],
)
def test_an_editor_that_fails(
    virtup: Virtup, image: Image, edits: Callable[[str], Path], script: str, how: str
) -> None:
    record = edits(f"{RENAME}; {script}")
    said = virtup("save-image-edit", "/w.img")
    name = record.read_text().split()[1]
    command = os.environ["EDITOR"]
    assert (said.status, said.err) == (
        1,
        f"error: internal error: Child process ({command} {name}) {how}\n",
    )
    assert image.flags == []
    assert not Path(name).exists()


def test_an_editor_that_is_not_there(
    virtup: Virtup, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "/nonexistent/editor")
    said = virtup("save-image-edit", "/w.img")
    assert said.status == 1
    assert "unexpected exit status 127" in said.err
    assert image.flags == []


def test_a_definition_that_is_refused_without_a_terminal(
    virtup: Virtup, image: Image, edits: Callable[[str], Path]
) -> None:
    edits(RENAME)
    image.refusals = 1
    assert virtup("save-image-edit", "/w.img") == (
        1,
        "\n",
        "error: XML error: no such element\n",
    )
    assert image.xml == BEFORE


def test_what_somebody_else_changed_is_not_overwritten(
    virtup: Virtup, fake: FakeDaemon, image: Image, edits: Callable[[str], Path]
) -> None:
    edits(RENAME)
    versions = iter([BEFORE, BEFORE + "<!-- theirs -->"])
    fake.handlers["DOMAIN_SAVE_IMAGE_GET_XML_DESC"] = lambda _: {"xml": next(versions)}
    said = virtup("save-image-edit", "/w.img")
    assert said.status == 1
    assert said.err == "error: The XML configuration was changed by another user.\n"
    assert image.flags == []


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], int]]:
    """Have stdin be a terminal on which these keys were pressed; its descriptor."""
    fds: list[int] = []

    def press(keys: str) -> int:
        master, slave = pty.openpty()
        fds.append(master)
        # keys that wait while the terminal's mode changes must not be lost to its line editing
        mode = termios.tcgetattr(slave)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        os.write(master, keys.encode())
        monkeypatch.setattr(sys, "stdin", os.fdopen(slave))
        return slave

    yield press
    if fds:
        sys.stdin.close()
    for fd in fds:
        os.close(fd)


PROMPT = "\rFailed. Try again? [y,n,f,?]: "
HELP = """
y - yes, start editor again
n - no, throw away my changes
f - force, try to redefine again
? - print this help
"""
REFUSED = "error: XML error: no such element\n"


def test_a_person_is_asked_until_the_definition_is_taken(
    virtup: Virtup,
    image: Image,
    edits: Callable[[str], Path],
    keyboard: Callable[[str], int],
) -> None:
    record = edits(RENAME)
    image.refusals = 2
    terminal = keyboard("x?yF")
    before = termios.tcgetattr(terminal)
    said = virtup("save-image-edit", "/w.img")
    assert said.status == 0
    assert said.err == REFUSED * 2
    assert said.out == (f"{PROMPT}{PROMPT}{HELP}{PROMPT}\n{PROMPT}\nState file /w.img edited.\n\n")
    assert len(record.read_text().splitlines()) == 2
    assert termios.tcgetattr(terminal) == before


@pytest.mark.parametrize("key", ["n", "N"])
def test_a_person_gives_up(
    virtup: Virtup,
    image: Image,
    edits: Callable[[str], Path],
    keyboard: Callable[[str], int],
    key: str,
) -> None:
    edits(RENAME)
    image.refusals = 9
    keyboard(key)
    assert virtup("save-image-edit", "/w.img") == (1, f"{PROMPT}\n\n", REFUSED)
    assert image.xml == BEFORE


def test_a_person_may_overwrite_what_somebody_else_changed(
    virtup: Virtup,
    fake: FakeDaemon,
    image: Image,
    edits: Callable[[str], Path],
    keyboard: Callable[[str], int],
) -> None:
    edits(RENAME)
    theirs = BEFORE + "<!-- theirs -->"
    versions = iter([BEFORE, theirs, theirs])
    fake.handlers["DOMAIN_SAVE_IMAGE_GET_XML_DESC"] = lambda _: {"xml": next(versions)}
    keyboard("f")
    said = virtup("save-image-edit", "/w.img")
    assert said.status == 0
    assert said.err == "error: The XML configuration was changed by another user.\n"
    assert image.xml == BEFORE.replace("web", "new")


def test_json_asks_nobody(
    virtup: Virtup,
    image: Image,
    edits: Callable[[str], Path],
    keyboard: Callable[[str], int],
) -> None:
    edits(RENAME)
    image.refusals = 1
    keyboard("f")
    said = virtup("--json", "save-image-edit", "/w.img")
    assert (said.status, said.out) == (1, "")
    assert "no such element" in said.err
