"""The command around its verbs: options, help, versions, mistakes, completion."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.fakes.daemon import FakeDaemon, MemoryConnection
from tests.unit.cli.conftest import Virtup
from virtup import __version__
from virtup.cli.main import run
from virtup.cli.verb import FAMILIES, MODULES, load


@pytest.mark.parametrize("name", MODULES)
def test_every_verb_is_loaded_by_its_name_and_says_what_it_does(name: str, virtup: Virtup) -> None:
    verb = load(name)
    assert verb is not None
    assert verb.name == name
    assert verb.summary
    names = [option.name for option in verb.options]
    assert len(names) == len(set(names))
    asked = virtup(name, "--help")
    assert asked.status == 0
    assert asked.out.startswith(f"  NAME\n    {name} - {verb.summary}\n\n  SYNOPSIS\n    {name}")
    assert all(f"--{option}" in asked.out for option in names)
    assert virtup("help", name).out == f"{asked.out}\n"
    assert max(map(len, asked.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("lst", "unknown command: 'lst'; the nearest is 'list'"),
        ("strat", "unknown command: 'strat'; the nearest is 'start'"),
        ("qqqqq", "unknown command: 'qqqqq'; 'virtup help' lists all"),
        ("list --al", "command 'list' doesn't support option --al; the nearest is --all"),
        ("start", "command 'start' requires <domain> option"),
        ("--foo list", "unsupported option '--foo'. See --help."),
        ("-c", "Option '-c' requires an argument."),
        ("-e foo console x", "Invalid string 'foo' for escape sequence"),
        ("list extra", "unexpected data 'extra'"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_1(virtup: Virtup, words: str, says: str) -> None:
    assert virtup(*words.split()) == (1, "", f"error: {says}\n")
    if words != "-c":
        said = virtup("--json", *words.split())
        assert (said.status, json.loads(said.err)) == (1, {"error": {"message": says}})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("explain VU999", "the name or the words 'VU999'; 'virtup explain' lists all"),
        ("fix none", "failed to get domain 'none', and there is no file of that name"),
        ("check none", "failed to get domain 'none', and there is no file of that name"),
    ],
)
def test_what_is_not_there_is_said_with_a_way_on(virtup: Virtup, words: str, says: str) -> None:
    said = virtup(*words.split())
    assert said.status == 1
    assert said.err.endswith(f"{says}\n")


def test_versions(virtup: Virtup) -> None:
    for words in (("-v",), ("--version",), ("--version=short",)):
        assert virtup(*words) == (0, f"{__version__}\n", "")
    for words in (("-V",), ("--version=long",)):
        assert virtup(*words).out.startswith(f"Virtup command line tool {__version__}\n")


def test_help(virtup: Virtup) -> None:
    whole = virtup("--help")
    assert (whole.status, whole.err) == (0, "")
    assert whole.out == virtup("-h", "list").out == virtup().out
    assert all(f"    {name} " in whole.out for name in MODULES)
    assert max(map(len, whole.out.splitlines())) <= 80
    grouped = virtup("help").out
    for keyword, (title, verbs) in FAMILIES.items():
        assert f" {title} (help keyword '{keyword}'):\n" in grouped
        family = virtup("help", keyword).out
        assert [line.split()[0] for line in family.splitlines()[1:] if line] == list(verbs)
    assert virtup("help", "lst").err == (
        "error: command or command group 'lst' doesn't exist; the nearest is 'list'\n"
    )


def test_help_is_not_taken_for_a_value(virtup: Virtup) -> None:
    assert virtup("domid", "--", "--help").err == "error: failed to get domain '--help'\n"


def test_what_starts_the_command_again(virtup: Virtup, fake: FakeDaemon) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "virtup.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{__version__}\n"
    assert fake.calls == []


def test_timing_is_told(virtup: Virtup) -> None:
    lines = virtup("--timing", "domid", "web").out.splitlines()
    assert lines[:2] == ["1", ""]
    assert lines[2].startswith("(Time: ")
    assert lines[2].endswith(" ms)")


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m virtup.cli help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("help >/dev/full", "error: standard output: No space left on device\n"),
        ("help >&-", ""),
        ("diagnose <&-", "error: nothing to diagnose: what was given is empty\n"),
        ("frob 2>&-", ""),
    ],
)
def test_a_stream_that_is_full_or_closed_is_no_traceback(words: str, says: str) -> None:
    command = f"{sys.executable} -m virtup.cli {words}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == says


LIGHT = "asyncio lxml rich subprocess dataclasses json xml logging email http urllib qemu pyroute2"


def test_a_client_verb_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from virtup.cli.main import run\n"
        "import virtup.client.connection, virtup.cli.verbs.listing, virtup.cli.verbs.start\n"
        "run(['-c', 'qemu+unix:///system?socket=/none', 'list'])\n"
        f"print([name for name in '{LIGHT}'.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Failed to connect socket to '/none'" in done.stderr


def test_only_the_module_of_the_verb_is_loaded() -> None:
    code = (
        "import sys\n"
        "from virtup.cli.main import run\n"
        "run(['domid', '--help'])\n"
        "print(sorted(n for n in sys.modules if n.startswith('virtup.cli.verbs.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['virtup.cli.verbs.identity']"


# -- completion ------------------------------------------------------------------------------------


def complete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> list[str]:
    """What bash would be told for *line*, whose last word is being written."""
    monkeypatch.setenv("_VIRTUP_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - (not line.endswith(" "))))
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run([])
    return [word.split(",")[1] for word in capsys.readouterr().out.split()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("virtup domu", ["domuuid"]),
        ("virtup list --state-", ["--state-running", "--state-paused", "--state-shutoff",
                                  "--state-other"]),
        ("virtup list --all --al", []),
        ("virtup shutdown ", ["Mail", "db", "web"]),
        ("virtup start d", ["db"]),
        ("virtup shutdown --domain w", ["web"]),
        ("virtup shutdown web --mode a", ["acpi", "agent"]),
        ("virtup shutdown web a", ["acpi", "agent"]),
        ("virtup domxml-to-native q", ["qemu-argv"]),
        ("virtup domxml-to-native qemu-argv --domain w", ["web"]),
        ("virtup event --event rtc", ["rtc-change"]),
        ("virtup help st", ["start"]),
        ("virtup completion z", ["zsh"]),
        ("virtup nodeinfo ", []),
        ("virtup why w", ["web"]),
        ("virtup pool-start i", ["images", "isos"]),
        ("virtup vol-info a.qcow2 --pool is", ["isos"]),
        ("virtup vol-create-as isos a 1G --format q", ["qcow2"]),
    ],
)  # fmt: skip
def test_words_are_completed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    words: list[str],
) -> None:
    monkeypatch.setattr("virtup.client.connection.connect", _listing)
    assert complete(monkeypatch, capsys, line) == words


def _listing(
    uri: str | None = None, *, readonly: bool = False, autostart: bool = True
) -> MemoryConnection:
    assert (uri, readonly, autostart) == (None, True, False)
    daemon = FakeDaemon()
    pools = [{"name": name, "uuid": bytes(16)} for name in ("isos", "images", "data")]
    daemon.handlers["CONNECT_LIST_ALL_STORAGE_POOLS"] = lambda _: {"pools": pools, "ret": 3}
    return MemoryConnection(daemon)


def test_without_a_daemon_no_guest_is_completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIRTUP_DEFAULT_URI", "qemu+unix:///system?socket=/none")
    assert complete(monkeypatch, capsys, "virtup start ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(virtup: Virtup, shell: str) -> None:
    said = virtup("completion", shell)
    assert said.status == 0
    assert "_VIRTUP_COMPLETE" in said.out
    assert 'string split ","' not in said.out
    assert virtup("completion", "csh").err == (
        "error: unknown shell 'csh', expecting 'bash', 'zsh' or 'fish'\n"
    )
