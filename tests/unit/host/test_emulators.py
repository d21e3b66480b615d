"""Where QEMU binaries are, and when one is another than before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virtup.host import emulators


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "qemu-system-x86_64"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_replaced_binary_is_another(program: Path) -> None:
    first = emulators.identify(str(program))
    assert emulators.identify(str(program)) == first

    os.utime(program, ns=(1, first.mtime_ns + 1))
    touched = emulators.identify(str(program))
    assert touched != first

    program.rename(program.with_suffix(".old"))
    program.write_text("#!/bin/sh\n")
    os.utime(program, ns=(1, touched.mtime_ns))
    assert emulators.identify(str(program)).inode != touched.inode


def test_new_modules_make_it_another(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [("/modules", 1)]
    monkeypatch.setattr(emulators, "_modules", lambda: tuple(times))
    first = emulators.identify(str(program))
    times[0] = ("/modules", 2)
    assert emulators.identify(str(program)) != first


def test_a_missing_one_is_the_kernels_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        emulators.identify(str(tmp_path / "nope"))


def test_the_path_is_searched_first(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"/nonexistent:{program.parent}")
    assert emulators.find("x86_64") == str(program)
    program.chmod(0o644)
    assert emulators.find("x86_64") != str(program)


def test_a_hosts_own_binary_serves_its_own_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "qemu-kvm"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(emulators, "_DIRECTORIES", "")
    machine = os.uname().machine
    assert emulators.find(machine) == (str(own) if machine == "x86_64" else None)
    assert emulators.find("sparc") is None
