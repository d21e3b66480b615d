"""Users that QEMU runs as."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtup.host import accounts, tool
from virtup.host.accounts import Account, AccountMissing


def test_a_user_is_found_by_name_and_by_number() -> None:
    me = pwd.getpwuid(os.geteuid())
    found = accounts.lookup(me.pw_name)
    assert (found.name, found.uid, found.gid) == (me.pw_name, me.pw_uid, me.pw_gid)
    assert found.groups[0] == me.pw_gid
    assert set(found.groups) == set(os.getgrouplist(me.pw_name, me.pw_gid))
    assert accounts.lookup(f"+{me.pw_uid}") == accounts.lookup(str(me.pw_uid)) == found


def test_a_group_replaces_the_primary_one() -> None:
    root = accounts.lookup("root", "daemon")
    assert root.gid == accounts.lookup("daemon").gid == root.groups[0]


@pytest.mark.parametrize("user", ["no-such-user-here", "+4242424242", "4242424242", "", "+", "+x"])
def test_a_missing_user_is_named(user: str) -> None:
    with pytest.raises(AccountMissing, match="does not exist on this host") as told:
        accounts.lookup(user)
    assert f"'{user}'" in told.value.message


def test_a_missing_group_is_named() -> None:
    with pytest.raises(AccountMissing, match="group 'no-such-group'"):
        accounts.lookup("root", "no-such-group")


def test_a_number_without_a_user_is_not_made() -> None:
    with pytest.raises(AccountMissing):
        accounts.ensure("+4242424242")


def test_a_host_without_the_tools_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "SBIN", "/nonexistent")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(AccountMissing, match="neither 'useradd' nor 'adduser' is installed"):
        accounts.ensure("no-such-user-here")


def tools(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    for name, body in scripts.items():
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/ran\n{body}\n')
        (folder / name).chmod(0o755)
    monkeypatch.setattr(tool, "SBIN", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(accounts, "_has_group", lambda name: name == "kvm")


def test_what_the_tool_said_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools(tmp_path, monkeypatch, useradd="echo 'cannot lock /etc/passwd' >&2; exit 1")
    with pytest.raises(AccountMissing, match="useradd: cannot lock /etc/passwd"):
        accounts.ensure("no-such-user-here")
    ran = (tmp_path / "ran").read_text()
    assert "--system --no-create-home" in ran
    assert "--user-group --groups kvm -- no-such-user-here" in ran


def test_busyboxs_tools_are_used_where_there_are_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools(tmp_path, monkeypatch, adduser="exit 0", addgroup="exit 0")
    with pytest.raises(AccountMissing):  # these make nobody
        accounts.ensure("no-such-user-here")
    first, second = (tmp_path / "ran").read_text().splitlines()
    assert first.startswith("adduser -S -D -H")
    assert second == "addgroup no-such-user-here kvm"


@pytest.fixture
def name() -> Iterator[str]:
    """A user name that is free, and is free again afterwards."""
    chosen = f"vt-test-{os.getpid()}"
    yield chosen
    subprocess.run(["userdel", chosen], check=False, capture_output=True)
    subprocess.run(["groupdel", chosen], check=False, capture_output=True)


@pytest.mark.root
def test_a_missing_user_is_made_without_home_shell_and_password(name: str) -> None:
    made = accounts.ensure(name)
    entry = pwd.getpwnam(name)
    assert made == accounts.lookup(name) == accounts.ensure(name)
    assert 0 < made.uid < 1000
    assert not os.path.exists(entry.pw_dir)
    assert entry.pw_shell in ("/usr/sbin/nologin", "/bin/false")
    shadow = [line for line in Path("/etc/shadow").read_text().splitlines() if name in line]
    assert shadow[0].split(":")[1].startswith(("!", "*"))


@pytest.mark.root
def test_a_made_user_is_in_the_group_kvm_when_there_is_one(name: str) -> None:
    kvm = accounts._has_group("kvm")
    made = accounts.ensure(name)
    assert (kvm and accounts._group("kvm") in made.groups) or not kvm


def test_the_identity_of_a_daemon_without_an_account_is_its_own() -> None:
    assert accounts.identity(None)[0] == os.geteuid()
    assert accounts.identity(Account("q", 5, 6, (6, 7))) == (5, "q", (6, 7))
