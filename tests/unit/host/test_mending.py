"""The host's repairs on real files: done, and taken back to the byte."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from virtup.host import mending, tap
from virtup.host.mending import CannotRepair, ChangedSince, HostMender, NotNeeded, access_list
from virtup.model import repair as r
from virtup.model.repair import GrantAccess, Repair, SetMode

UID = 64321
"""An account that nothing belongs to."""

needs_acl = pytest.mark.skipif(not shutil.which("getfacl"), reason="no getfacl")
as_root = pytest.mark.root


@pytest.fixture
def mender() -> HostMender:
    return HostMender()


def facts(path: Path) -> list[tuple[str, int, int, int, int, int]]:
    """Look at *path* and all below it; each directory before it is read, which changes it."""
    seen = path.lstat()
    own = (str(path), seen.st_mode, seen.st_uid, seen.st_gid, seen.st_atime_ns, seen.st_mtime_ns)
    below = sorted(path.iterdir()) if path.is_dir() else []
    return [own, *(each for one in below for each in facts(one))]


def picture(path: Path) -> str:
    """Everything that a repair has to bring back, the time of the last status change left out."""
    states = repr(facts(path))
    ran = ["getfacl", "-Rpn", str(path)]
    return states + subprocess.run(ran, capture_output=True, text=True, check=True).stdout


def settled(path: Path) -> str:
    """Read all of *path*, so that the next reading changes no time of access; then look."""
    picture(path)
    return picture(path)


def done(mender: HostMender, repair: Repair) -> tuple[mending.State, mending.State]:
    before = mender.survey(repair)
    return before, mender.do(repair, before)


# -- access ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "closed"
    place.mkdir()
    (place / "disk").write_bytes(b"x")
    (place / "disk").chmod(0o640)
    place.chmod(0o750)
    return place


@needs_acl
@as_root
@pytest.mark.parametrize("letters", ["--x", "r--", "rw-", "r-x"])
@pytest.mark.parametrize("name", [".", "disk"])
def test_access_is_given_to_one_account_and_taken_back(
    mender: HostMender, folder: Path, name: str, letters: str
) -> None:
    os.utime(folder / "disk", ns=(1, 2))
    was = settled(folder)
    repair = GrantAccess(str(folder / name), UID, "", letters)
    before, after = done(mender, repair)
    now = subprocess.run(
        ["getfacl", "-pn", str(folder / name)], capture_output=True, text=True, check=True
    ).stdout
    assert f"user:{UID}:{letters}\n" in now
    assert "other::---\n" in now
    assert "effective" not in now
    mender.undo(repair, before, after)
    assert picture(folder) == was


@needs_acl
@as_root
def test_others_gain_nothing_when_the_mask_opens(mender: HostMender, folder: Path) -> None:
    subprocess.run(["setfacl", "-m", "u:bin:rwx,g:bin:rw-,m::r--", str(folder)], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:bin:rwx", str(folder)], check=True)
    was = settled(folder)
    repair = GrantAccess(str(folder), UID, "", "rwx", listed=True)
    before, after = done(mender, repair)
    now = subprocess.run(
        ["getfacl", "-p", str(folder)], capture_output=True, text=True, check=True
    ).stdout
    assert "user:bin:r--\n" in now
    assert "group:bin:r--\n" in now
    assert "default:user:bin:rwx\n" in now
    mender.undo(repair, before, after)
    assert picture(folder) == was


@needs_acl
@as_root
def test_what_the_account_had_by_its_group_it_keeps(
    mender: HostMender, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from virtup.host import accounts
    from virtup.host.accounts import Account

    os.chown(folder, 0, 7)
    folder.chmod(0o740)
    mine = Account("q", UID, UID, (UID, 7))
    monkeypatch.setattr(accounts, "lookup", lambda *_: mine)
    done(mender, GrantAccess(str(folder), UID, "", "--x"))
    now = subprocess.run(
        ["getfacl", "-pn", str(folder)], capture_output=True, text=True, check=True
    ).stdout
    assert f"user:{UID}:r-x\n" in now


@as_root
def test_access_that_is_there_is_not_given_again(mender: HostMender, folder: Path) -> None:
    repair = GrantAccess(str(folder), UID, "", "--x")
    done(mender, repair)
    with pytest.raises(NotNeeded, match="open to the account already"):
        mender.survey(repair)


@as_root
def test_access_that_somebody_changed_since_stays(mender: HostMender, folder: Path) -> None:
    repair = GrantAccess(str(folder), UID, "", "--x")
    before, after = done(mender, repair)
    subprocess.run(["setfacl", "-m", "u:bin:r--", str(folder)], check=True)
    is_now = settled(folder)
    with pytest.raises(ChangedSince, match="were changed since"):
        mender.undo(repair, before, after)
    assert picture(folder) == is_now


@as_root
def test_another_file_of_that_name_stays(mender: HostMender, folder: Path) -> None:
    repair = GrantAccess(str(folder / "disk"), UID, "", "r--")
    before, after = done(mender, repair)
    (folder / "disk").rename(folder / "old")
    (folder / "disk").write_bytes(b"new")
    with pytest.raises(ChangedSince, match="another file by now"):
        mender.undo(repair, before, after)


@as_root
@pytest.mark.parametrize("crashed", ["before", "after"])
def test_a_grant_that_a_crash_cut_short_is_taken_back(
    mender: HostMender, folder: Path, crashed: str
) -> None:
    was = settled(folder)
    repair = GrantAccess(str(folder), UID, "", "rwx")
    before = mender.survey(repair)
    if crashed == "after":
        mender.do(repair, before)
    mender.undo(repair, before, {})
    assert picture(folder) == was


def test_an_owner_is_not_given_a_list(mender: HostMender, folder: Path) -> None:
    with pytest.raises(CannotRepair, match="cannot give its owner anything"):
        mender.survey(GrantAccess(str(folder), os.getuid(), "", "--x"))


def test_a_link_in_the_way_is_not_followed(mender: HostMender, folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(CannotRepair, match="symbolic link"):
        mender.survey(GrantAccess(str(folder / "link"), UID, "", "r--"))


@as_root
def test_a_file_system_without_lists_is_told(mender: HostMender) -> None:
    # the kernel's own files have no access lists
    repair = GrantAccess("/proc/self/limits", UID, "", "rw-")
    before = mender.survey(repair)
    with pytest.raises(CannotRepair, match=r"has no access lists|does not let virtup"):
        mender.do(repair, before)


def test_a_list_says_what_a_mode_says() -> None:
    raw = access_list.granting(b"", 0o640, UID, 4)
    assert len(raw) == 4 + 5 * 8
    assert access_list.granting(raw, 0o640, UID, 4) == raw


@needs_acl
@pytest.mark.parametrize(
    ("add", "mode", "wanted"), [("a+rx", 0o644, 0o755), ("u+rwx", 0o100, 0o700)]
)
def test_a_mode_is_added_to_and_taken_back(
    mender: HostMender, folder: Path, add: str, mode: int, wanted: int
) -> None:
    path = folder / "disk"
    path.chmod(mode)
    was = settled(folder)
    repair = SetMode(str(path), add, f"{mode:04o}")
    before, after = done(mender, repair)
    assert stat.S_IMODE(path.stat().st_mode) == wanted
    mender.undo(repair, before, after)
    assert picture(folder) == was
    with pytest.raises(NotNeeded):
        path.chmod(wanted)
        mender.survey(repair)


def test_a_mode_that_somebody_changed_since_stays(mender: HostMender, folder: Path) -> None:
    path = folder / "disk"
    repair = SetMode(str(path), "a+x", "0640")
    before, after = done(mender, repair)
    path.chmod(0o600)
    with pytest.raises(ChangedSince, match="the mode of"):
        mender.undo(repair, before, after)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# -- files and directories ---------------------------------------------------------------------


@needs_acl
@as_root
def test_directories_are_made_and_removed(mender: HostMender, tmp_path: Path) -> None:
    was = settled(tmp_path)
    path = tmp_path / "a" / "b" / "share"
    repair = r.MakeDirectory(str(path), UID, "", "0750")
    before, after = done(mender, repair)
    made = path.stat()
    assert (made.st_uid, stat.S_IMODE(made.st_mode)) == (UID, 0o750)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    mender.undo(repair, before, after)
    assert picture(tmp_path) == was


@as_root
def test_a_directory_that_is_used_stays(mender: HostMender, tmp_path: Path) -> None:
    path = tmp_path / "share"
    repair = r.MakeDirectory(str(path), UID, "")
    before, after = done(mender, repair)
    (path / "photo").write_bytes(b"mine")
    with pytest.raises(ChangedSince, match="in use by now"):
        mender.undo(repair, before, after)
    assert (path / "photo").read_bytes() == b"mine"


@as_root
def test_a_directory_below_a_file_is_refused(mender: HostMender, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotRepair, match="is no directory"):
        mender.survey(r.MakeDirectory(str(tmp_path / "file" / "a"), UID, ""))


@needs_acl
@pytest.mark.parametrize("crashed", [False, True])
def test_a_file_is_set_aside_and_put_back(
    mender: HostMender, tmp_path: Path, *, crashed: bool
) -> None:
    path = tmp_path / "overlay"
    path.write_bytes(b"data")
    was = settled(tmp_path)
    repair = r.SetFileAside(str(path))
    before, after = done(mender, repair)
    assert not path.exists()
    assert (tmp_path / "overlay.set-aside").stat().st_size == 4
    mender.undo(repair, before, {} if crashed else after)
    if crashed:
        assert path.read_bytes() == b"data"
    else:
        assert picture(tmp_path) == was


def test_a_file_that_took_the_name_stays(mender: HostMender, tmp_path: Path) -> None:
    path = tmp_path / "overlay"
    path.write_bytes(b"data")
    repair = r.SetFileAside(str(path))
    before, after = done(mender, repair)
    path.write_bytes(b"other")
    with pytest.raises(ChangedSince, match="there is another"):
        mender.undo(repair, before, after)
    assert path.read_bytes() == b"other"


# -- the kernel's ------------------------------------------------------------------------------


def test_what_needs_nothing_is_told(mender: HostMender) -> None:
    with pytest.raises(NotNeeded, match="is there already"):
        mender.survey(r.MakeTap("lo", 0, "root"))
    with pytest.raises(NotNeeded, match="pages already"):
        mender.survey(r.ReserveHugePages(2048, 0, 0))
    with pytest.raises(CannotRepair, match="no group 'no-such-group'"):
        mender.survey(r.JoinGroup("root", "no-such-group"))
    with pytest.raises(CannotRepair, match="no huge pages of 3 KiB"):
        mender.survey(r.ReserveHugePages(3, 1, 0))
    with pytest.raises(CannotRepair, match="nothing is mounted"):
        mender.survey(r.RemountWritable("/no/such/mount"))


def test_a_module_that_is_not_there_is_told_in_the_tools_words(mender: HostMender) -> None:
    repair = r.LoadModule("no_such_module")
    before = mender.survey(repair)
    with pytest.raises(CannotRepair, match="cannot load the module 'no_such_module': modprobe"):
        mender.do(repair, before)
    mender.undo(repair, before, {})


@as_root
@pytest.mark.skipif(not os.path.exists(tap.DEVICE), reason="no /dev/net/tun")
def test_a_tap_is_made_and_removed(mender: HostMender) -> None:
    name = f"vtfix{os.getpid() % 100000}"
    repair = r.MakeTap(name, UID, "")
    before, after = done(mender, repair)
    try:
        assert tap.owner(name) == UID
        flags = int(Path(f"/sys/class/net/{name}/flags").read_text(), 16)
        assert flags & 1
        busy = tap.open_tap(name, mac="52:54:00:00:00:01", must_exist=True)
        try:
            with pytest.raises(ChangedSince, match="is in use"):
                mender.undo(repair, before, after)
        finally:
            busy.close()
    finally:
        mender.undo(repair, before, after)
    assert not tap.exists(name)
    mender.undo(repair, before, after)
