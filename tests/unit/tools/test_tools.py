"""The tools around the project: set-up says what is missing, the README is filled, the archive holds."""

from __future__ import annotations

import gzip
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests import lab

SETUP = lab.PROJECT / "tools" / "setup"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, lab.PROJECT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def few_programs(place: Path, *names: str) -> str:
    """Return a PATH with only what the set-up itself calls, and *names*."""
    place.mkdir()
    for name in ("bash", "id", "dirname", "cat", "env", "cksum", "grep", "python3", *names):
        found = shutil.which(name)
        assert found, name
        (place / name).symlink_to(os.path.realpath(found) if name == "python3" else found)
    return str(place)


def test_setup_says_what_it_knows() -> None:
    done = subprocess.run([SETUP, "all"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "setup: 'all' is not known; 'demo' and 'test' are\n"


def test_setup_without_root_says_the_one_command(scratch: Path) -> None:
    path = few_programs(scratch / "bin", "apt-get")
    done = lab.run_as_user(["/usr/bin/env", f"PATH={path}", SETUP, "demo"], scratch)
    assert done.returncode == 1
    assert done.stderr == (
        "setup: packages are missing, and only root can install them. "
        "Run this as root, then try again:\n"
        "    apt-get install --no-install-recommends qemu-system-x86 qemu-utils acl\n"
    )


def test_setup_elsewhere_names_the_packages(scratch: Path) -> None:
    path = few_programs(scratch / "bin")
    done = lab.run_as_user(["/usr/bin/env", f"PATH={path}", SETUP, "demo"], scratch)
    assert done.returncode == 1
    assert done.stderr == (
        "setup: this is not Debian; install what these packages of Debian's hold, "
        "then run this again: qemu-system-x86 qemu-utils acl\n"
    )


def test_setup_twice_does_nothing(scratch: Path) -> None:
    subprocess.run([SETUP, "test"], check=True)
    path = few_programs(scratch / "bin", "qemu-system-x86_64", "qemu-img", "setfacl")
    done = lab.run_as_user(["/usr/bin/env", f"PATH={path}", SETUP, "demo"], scratch, guest=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_readme_is_filled_in_place() -> None:
    readme = load("readme")
    text = "a\n<!-- demo -->\n```console\nold\nlines\n```\n<!-- /demo -->\nb\n"
    new = readme.filled(text, "demo", r"$ new \1")
    assert new == "a\n<!-- demo -->\n```console\n$ new \\1\n```\n<!-- /demo -->\nb\n"
    assert readme.block(text, "demo") == "old\nlines"
    assert readme.plain("\x1bc\x1b[?7l\x1b[2Jx\r\n  \n") == "x"
    with pytest.raises(ValueError, match="0 blocks 'figures'"):
        readme.block(text, "figures")


def test_the_readme_has_its_blocks() -> None:
    readme = load("readme")
    text = (lab.PROJECT / "README.md").read_text()
    assert "$ virtup create examples/vm.xml" in readme.block(text, "demo")
    assert "bare QEMU" in readme.block(text, "figures")


def test_the_archive_is_what_the_kernel_takes(tmp_path: Path) -> None:
    guest = load("make_guest")
    tree = {"bin/busybox": b"\x7fELF" * 5, "bin/sh": "busybox", "sbin": "bin", "init": b"#!/bin/sh"}
    archive = tmp_path / "archive"
    archive.write_bytes(gzip.decompress(guest.pack(tree)))
    with archive.open("rb") as stream:
        subprocess.run(["cpio", "-id", "--quiet"], cwd=tmp_path, stdin=stream, check=True)
    assert (tmp_path / "bin/sh").readlink() == Path("busybox")
    assert (tmp_path / "bin/busybox").read_bytes() == b"\x7fELF" * 5
    assert (tmp_path / "init").stat().st_mode & 0o111
    assert (tmp_path / "proc").is_dir()
    assert guest.pack(tree) == guest.pack(tree), "the same tree gives the same bytes"


def test_drivers_bring_what_they_need_first() -> None:
    guest = load("make_guest")
    root = "lib/modules/6.1/kernel"

    def module(name: str, needs: str, alias: str = "") -> bytes:
        extra = f"alias={alias}\0" if alias else ""
        return f"\0license=GPL\0{extra}depends={needs}\0name={name}\0".encode()

    modules = {
        f"{root}/a/net-x.ko": module("net_x", "base,ring,fail_over", "virtio:d1v*"),
        f"{root}/a/ring.ko": module("ring", "base"),
        f"{root}/b/fail-over.ko": module("fail_over", ""),
        f"{root}/b/base.ko": module("base", ""),
    }
    tables = guest.module_tables(modules)
    dep = tables["lib/modules/6.1/modules.dep"].decode().splitlines()
    assert dep[0] == "kernel/a/net-x.ko: kernel/a/ring.ko kernel/b/fail-over.ko kernel/b/base.ko"
    assert dep[1] == "kernel/a/ring.ko: kernel/b/base.ko"
    assert dep[3] == "kernel/b/base.ko:"
    assert tables["lib/modules/6.1/modules.alias"] == b"alias virtio:d1v* net_x\n"


def test_the_guest_is_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = load("make_guest")
    monkeypatch.setenv("VIRTUP_GUEST", "/somewhere/else")
    assert guest.default_dir() == Path("/somewhere/else")
    monkeypatch.delenv("VIRTUP_GUEST")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert guest.default_dir() == Path("/x/virtup/demo")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert guest.default_dir() == Path("/var/lib/virtup/demo")


def test_a_missing_program_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = load("make_guest")
    with pytest.raises(guest.Refusal, match="'no-such-program' is not installed"):
        guest.run("no-such-program")
    with pytest.raises(guest.Refusal, match="failed: exit status 3"):
        guest.run("sh", "-c", "exit 3")
    assert guest.run(sys.executable, "-c", "print(7)") == "7\n"
