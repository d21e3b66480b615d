"""Fingerprints of files, and what is seen of the host around a guest."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from virtup.host.bounded import each_within
from virtup.host.evidence import links, resources
from virtup.host.fingerprint import fingerprint
from virtup.host.surroundings import LIMITS, link_state, surroundings


def test_a_file_is_told_by_what_can_change(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("x")
    path.chmod(0o640)
    told = fingerprint(str(path))
    seen = path.stat()
    assert told == {
        "use": "file",
        "write": False,
        "kind": "file",
        "size": 1,
        "mtime_ns": seen.st_mtime_ns,
        "inode": seen.st_ino,
        "device": seen.st_dev,
        "mode": "0640",
        "uid": os.geteuid(),
        "gid": os.getegid(),
    }


def test_a_file_that_is_not_there_has_an_error(tmp_path: Path) -> None:
    told = fingerprint(str(tmp_path / "k"), use="disk", write=True)
    assert told == {"use": "disk", "write": True, "error": "No such file or directory"}
    (tmp_path / "k").write_text("x")
    assert fingerprint(str(tmp_path / "k" / "x"))["error"] == "Not a directory"


def test_links_are_followed_and_named(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    assert fingerprint(str(tmp_path / "link"))["real"] == str(tmp_path / "real")


def test_what_is_written_to_has_room(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"x" * 1024)
    told = fingerprint(str(path), use="disk", write=True)
    assert told["free_kib"] > 0
    assert told["read_only"] is False
    assert told["image"] == {"format": "raw", "virtual_size": 1024}


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img")
def test_an_image_has_its_headers_essentials(tmp_path: Path) -> None:
    base, top = tmp_path / "base.qcow2", tmp_path / "top.qcow2"
    for words in ((base, "8M"), ("-F", "qcow2", "-b", base, top)):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *map(str, words)], check=True)
    assert fingerprint(str(top), use="disk")["image"] == {
        "format": "qcow2",
        "virtual_size": 8 << 20,
        "backing": str(base),
        "backing_format": "qcow2",
    }
    assert "error" in fingerprint(str(tmp_path), use="disk")["image"]


@pytest.mark.skipif(not shutil.which("setfacl"), reason="no setfacl")
def test_an_access_list_is_told_as_getfacl_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch(0o600)
    words = ["setfacl", "-m", "u:nobody:r--,g:4242:rw-", str(path)]
    if subprocess.run(words, check=False, capture_output=True).returncode != 0:
        pytest.skip("this file system has no access lists")
    assert fingerprint(str(path))["acl"] == "user:nobody:r--,group:4242:rw-,mask::rw-"


def test_the_surroundings_are_those_of_this_host() -> None:
    seen = surroundings()
    assert seen["kernel"] == os.uname().release
    assert seen["booted_s"] > 0
    assert set(seen["limits"]) == set(LIMITS)
    assert all(len(pair) == 2 for pair in seen["limits"].values())
    assert seen["memory"]["total_kib"] >= seen["memory"]["available_kib"] > 0
    assert seen["kvm"] == {"module": resources.kvm_module(), "nested": resources.nested()}
    again = surroundings()
    for part in ("cpu", "kvm", "security", "limits", "boot_id"):
        assert again[part] == seen[part]


def test_an_interface_is_there_or_not() -> None:
    assert link_state("no-such-link") == {"exists": False}
    seen = link_state("lo")
    assert (seen["exists"], seen["kind"]) == (True, links.kind("/sys/class/net/lo"))
    assert seen["mtu"] > 0
    assert [name for _, name in socket.if_nameindex() if name == "lo"] == ["lo"]


def test_what_hangs_is_left_out_and_the_rest_answered() -> None:
    never = threading.Event()

    def look(item: int) -> int:
        if item == 0:
            never.wait()
        return item * 2

    try:
        assert each_within([0, 1, 2], look, 0.5) == {1: 2, 2: 4}
    finally:
        never.set()
    assert each_within([], look, 0.0) == {}
