"""diagnose: text from files, from standard input and from the command line; no daemon."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes.daemon import MemoryConnection
from tests.unit.cli.conftest import Virtup

HEADER = "qemu: invalid kernel header\n"
KEYS = ["code", "slug", "sentence", "subject", "certainty", "evidence", "fixes"]


def stdin(monkeypatch: pytest.MonkeyPatch, words: bytes, *, terminal: bool = False) -> None:
    fake = SimpleNamespace(buffer=io.BytesIO(words), isatty=lambda: terminal)
    monkeypatch.setattr("sys.stdin", fake)


def test_a_message_is_diagnosed_without_a_daemon(
    virtup: Virtup, opened: list[MemoryConnection]
) -> None:
    said = virtup("diagnose", "network 'lab' is not active")
    assert said.status == 0
    assert "VU201 net-network-inactive" in said.out
    assert "virsh net-start lab" in said.out
    assert opened == []


def test_json_has_every_finding_with_its_keys(virtup: Virtup) -> None:
    said = virtup("diagnose", "network 'lab' is not active", "--json")
    items = json.loads(said.out)
    assert [list(one) for one in items] == [KEYS, KEYS]
    assert [one["slug"] for one in items] == ["net-network-inactive", "net-firewall-backend"]


def test_all_files_are_read(virtup: Virtup, tmp_path: Path) -> None:
    texts = {
        "error": "internal error: process exited while connecting to monitor",
        "log": "qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate memory",
        "xml": "<domain><memoryBacking><hugepages/></memoryBacking></domain>",
        "host-evidence": "kernel: audit: nothing of note",
    }
    words = []
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        words += [f"--{name}", str(tmp_path / name)]
    items = json.loads(virtup("--json", "diagnose", *words).out)
    assert [one["slug"] for one in items] == ["mem-hugepages-short"]
    assert items[0]["certainty"] == "likely"


def test_standard_input_is_a_log_when_nothing_is_named(
    virtup: Virtup, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(monkeypatch, HEADER.encode() + b"\xff\x00\n")
    assert "kernel-file-invalid" in virtup("diagnose").out
    stdin(monkeypatch, HEADER.encode())
    assert "kernel-file-invalid" in virtup("diagnose", "--error", "-").out


def test_nothing_to_diagnose_is_said(virtup: Virtup, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"", terminal=True)
    said = virtup("diagnose")
    assert said.status == 1
    assert "nothing to diagnose" in said.err


def test_standard_input_can_be_one_file_only(virtup: Virtup) -> None:
    said = virtup("diagnose", "--log", "-", "--xml", "-")
    assert said.status == 1
    assert "one of the files only" in said.err


def test_a_file_that_is_not_there_is_named(virtup: Virtup, tmp_path: Path) -> None:
    said = virtup("diagnose", "--log", str(tmp_path / "none"))
    assert said.status == 1
    assert f"'{tmp_path / 'none'}': No such file or directory" in said.err


def test_unknown_words_are_handed_back_in_order(virtup: Virtup) -> None:
    (one,) = json.loads(virtup("diagnose", "--json", "a wholly new failure").out)
    assert one["slug"] == "unknown"
    assert one["evidence"] == ["a wholly new failure"]


def test_a_libvirtd_is_asked_for_a_domain_not_for_files(virtup: Virtup, tmp_path: Path) -> None:
    said = virtup("-c", "qemu:///system", "diagnose", "--log", str(tmp_path))
    assert said.status == 1
    assert "name a domain and no files" in said.err


def test_what_is_empty_is_not_diagnosed(virtup: Virtup, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n \n")
    said = virtup("diagnose", "--log", str(tmp_path / "empty"))
    assert said.status == 1
    assert said.err == "error: nothing to diagnose: what was given is empty\n"


def test_what_is_no_text_is_named(virtup: Virtup, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bytes(range(128, 256)) * 9)
    said = virtup("diagnose", "--error", str(tmp_path / "image"))
    assert said.status == 1
    assert f"'{tmp_path / 'image'}' is no text" in said.err


def test_a_text_with_colours_and_foreign_letters_is_one(virtup: Virtup, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\x1b[31merror:\x1b[0m сеть «lab» не активна\n")
    assert "VU201" in virtup("diagnose", "--error", str(tmp_path / "log")).out


def test_of_a_huge_log_the_last_start_is_judged(virtup: Virtup, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("qemu: nothing of note\n" * 600_000 + HEADER)
    assert "kernel-file-invalid" in virtup("diagnose", "--log", str(tmp_path / "log")).out


def test_the_connection_may_stand_behind_the_verb(virtup: Virtup) -> None:
    for words in (["-c", "qemu:///system"], ["--connect", "qemu:///system"]):
        said = virtup("diagnose", *words)
        assert (said.status, said.err) == (1, "error: with -c, name a domain and no files\n")
    assert "expected syntax: --connect <string>" in virtup("diagnose", "-c").err


def test_where_no_libvirtd_listens_none_is_started(
    virtup: Virtup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    said = virtup("-c", "qemu:///session", "diagnose", "vm1")
    assert said.status == 1
    assert f"no libvirtd listens at {tmp_path}/libvirt/libvirt-sock" in said.err


def test_a_file_alone_is_a_log(virtup: Virtup, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(HEADER)
    assert "kernel-file-invalid" in virtup("diagnose", str(tmp_path / "log")).out


def test_one_word_is_no_message(virtup: Virtup) -> None:
    said = virtup("diagnose", "vm1")
    assert said.status == 1
    assert said.err.startswith("error: 'vm1' is neither a file nor a message")
