"""The command virtup-guests: its help, its usage, and a reader that goes away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.daemon import FakeDaemon, MemoryConnection
from virtup.client.uri import Target
from virtup.guests.main import _VERBS, run


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    with pytest.raises(SystemExit):
        run(words)
    return capsys.readouterr()


def test_the_help_tells_of_every_verb_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, "--help")
    assert all(verb in out for verb in _VERBS)
    assert max(map(len, out.splitlines())) <= 80


def test_only_a_verb_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys)[1].endswith("the following arguments are required: VERB\n")


def test_a_reader_that_goes_away_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setitem(_VERBS, "plan", lost)
    monkeypatch.setattr("sys.stdout", None)
    assert run(["--root", str(tmp_path), "plan"]) == 1
    assert capsys.readouterr().err == ""


def test_who_runs_is_told_to_a_program_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(_uri: str | None, *, readonly: bool) -> MemoryConnection:
        assert readonly
        return MemoryConnection(FakeDaemon(), Target("system", "/s", False, None))

    monkeypatch.setattr("virtup.guests.main.connect", connect)
    monkeypatch.delenv("URIS", raising=False)
    assert run(["--root", str(tmp_path), "--json", "gueststatus"]) == 0
    (guests,) = json.loads(capsys.readouterr().out).values()
    assert {"id": 1, "name": "web", "state": "running"} in guests
