"""What keeps an account from a file beside the modes: links to nothing, masks, attributes, rules."""

import os
import struct
import subprocess

import pytest

from virtup.host.evidence import paths
from virtup.host.evidence.paths import Who
from virtup.model.probe import PathAccess

UID = 65534

root = pytest.mark.root


def asked(path, need="write", uid=UID):
    return paths.path_access(PathAccess(str(path), need, uid, (uid,)))


def test_a_link_to_nothing_is_told_with_the_file_that_it_leads_to(tmp_path):
    link, gone = tmp_path / "current", tmp_path / "gone"
    link.symlink_to(gone)
    assert (asked(link, uid=0).link, asked(link, uid=0).missing) == (str(link), str(gone))
    assert asked(gone, uid=0).link == ""


def test_a_mount_of_fstab_on_which_nothing_is_mounted_is_named(tmp_path, monkeypatch):
    table = tmp_path / "fstab"
    table.write_text(f"# LABEL=a {tmp_path}/no ext4\nLABEL=b {tmp_path}/pool ext4 defaults\n")
    opened = open
    monkeypatch.setattr(
        "builtins.open",
        lambda path, *a, **k: opened(table if path == "/etc/fstab" else path, *a, **k),
    )
    (tmp_path / "pool").mkdir()
    assert asked(tmp_path / "pool/a.img", uid=0).unmounted == f"{tmp_path}/pool"
    assert asked(tmp_path / "no/a.img", uid=0).unmounted == ""
    assert asked(tmp_path / "pool2", uid=0).unmounted == ""


@root
def test_a_mask_that_takes_an_entry_away_is_told(tmp_path):
    file = tmp_path / "a.img"
    file.touch(0o600)
    for folder in (*reversed(tmp_path.parents), tmp_path):
        folder.chmod(folder.stat().st_mode | 0o001)
    subprocess.run(["setfacl", "-m", f"u:{UID}:rw", file], check=True)
    assert asked(file).allowed
    file.chmod(0o600)
    seen = asked(file)
    assert (seen.blocked, seen.lacks, seen.masked) == (str(file), "write", True)
    subprocess.run(["setfacl", "-b", file], check=True)
    assert not asked(file).masked


@pytest.mark.parametrize(("bit", "word"), [(0x10, "immutable"), (0x20, "append-only")])
def test_an_attribute_keeps_everybody_from_changing_a_file(tmp_path, monkeypatch, bit, word):
    file = tmp_path / "a.img"
    file.touch(0o666)
    flags = struct.pack("l", bit | 0x80000)
    monkeypatch.setattr("fcntl.ioctl", lambda *_: flags)
    seen = asked(file, uid=0)
    assert (seen.frozen, seen.allowed) == (word, False)
    assert asked(file, "read", uid=0).allowed
    assert asked(tmp_path / "new", "create", uid=0).allowed is (word == "append-only")
    flags = struct.pack("l", 0x80000)
    assert asked(file, uid=0).allowed


@root
def test_nobody_follows_anothers_link_in_a_sticky_directory(tmp_path, monkeypatch):
    shared, file = tmp_path / "shared", tmp_path / "a.img"
    shared.mkdir()
    shared.chmod(0o1777)
    file.touch()
    link = shared / "a.img"
    link.symlink_to(file)
    os.chown(link, UID, UID, follow_symlinks=False)
    switch = tmp_path / "switch"
    monkeypatch.setattr(paths, "_PROTECTED_LINKS", str(switch))
    switch.write_text("1\n")
    seen = asked(link, uid=0)
    assert (seen.blocked, seen.guarded, seen.target) == (str(link), "sticky link", str(shared))
    switch.write_text("0\n")
    assert asked(link, uid=0).allowed


def test_a_mount_of_ones_own_is_closed_to_others(monkeypatch):
    table = [("/", "ext4", "rw"), ("/srv/ssh", "fuse.sshfs", "rw,user_id=1000,group_id=1000")]
    monkeypatch.setattr(paths, "mounts", lambda: table)
    seen = paths._private_mount("/srv/ssh/a.img", Who(UID, ()))
    assert seen is not None
    assert (seen.blocked, seen.guarded) == ("/srv/ssh", "private mount")
    assert paths._private_mount("/srv/ssh/a.img", Who(1000, ())) is None
    assert paths._private_mount("/srv/other", Who(UID, ())) is None
    table[1] = ("/srv/ssh", "fuse.sshfs", "rw,user_id=1000,allow_other")
    assert paths._private_mount("/srv/ssh/a.img", Who(UID, ())) is None
