"""Whom QEMU runs as and what it may, whose files it gets, and what other users see: as root."""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import lab, remains
from tests.remains import Owned

pytestmark = [pytest.mark.e2e, pytest.mark.root]

Make = Callable[..., lab.Daemon]

TOLD = f"""#!/bin/sh
echo "$(id -u) $*" >>"$0.told"
exec {lab.QEMU} "$@"
"""
"""An emulator that notes whom it runs as, each time."""


def define(daemon: lab.Daemon, name: str, guest_dir: Path, *, devices: str = "") -> Path:
    path = daemon.root / f"{name}.xml"
    path.write_text(lab.domain_xml(name, guest_dir, agent=True, devices=devices))
    return path


def disk_xml(path: Path, target: str = "vda", *, readonly: bool = False) -> str:
    only = "<readonly/>" if readonly else ""
    return (
        f"<disk type='file'><driver name='qemu' type='raw'/><source file='{path}'/>"
        f"<target dev='{target}' bus='virtio'/>{only}</disk>"
    )


def image(path: Path, uid: int, gid: int, mode: int, *acl: str) -> Owned:
    """Make a small image with that owner, group, mode and access list; how it is."""
    path.touch()
    os.truncate(path, 1 << 20)
    os.chown(path, uid, gid)
    path.chmod(mode)
    for entry in acl:
        subprocess.run(["setfacl", "-m", entry, path], check=True)
    return Owned.of(path)


def facts(pid: int) -> dict[str, str]:
    """What the kernel says of a process, by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_qemu_is_an_unprivileged_user_in_a_sandbox(daemon: lab.Daemon, guest_dir: Path) -> None:
    emulator = daemon.root / "emulator"
    emulator.write_text(TOLD)
    emulator.chmod(0o755)
    told = Path(f"{emulator}.told")
    told.touch()
    told.chmod(0o666)
    xml = define(daemon, "g", guest_dir)
    xml.write_text(xml.read_text().replace(lab.QEMU, str(emulator)))
    daemon.virsh("create", xml)
    user = pwd.getpwnam("virtup-qemu")
    assert user.pw_uid != 0
    runs = told.read_text().splitlines()
    assert any("-machine none" in run for run in runs), "also when it is only asked"
    assert {run.split()[0] for run in runs} == {str(user.pw_uid)}
    seen = facts(daemon.qemu("g"))
    assert set(seen["Uid"].split()) == {str(user.pw_uid)}
    assert set(seen["Gid"].split()) == {str(user.pw_gid)}
    assert "0" not in seen["Groups"].split()
    for held in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(seen[held], 16) == 0, held
    assert seen["NoNewPrivs"] == "1"
    assert seen["Seccomp"] == "2"
    command = Path(f"/proc/{daemon.qemu('g')}/cmdline").read_text().split("\0")
    sandbox = command[command.index("-sandbox") + 1]
    assert sandbox == "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    daemon.virsh("destroy", "g")


def test_what_qemu_holds_open_is_its_own(daemon: lab.Daemon, guest_dir: Path) -> None:
    devices = "<interface type='ethernet'/><graphics type='vnc' autoport='yes'/>"
    daemon.virsh("create", define(daemon, "g", guest_dir, devices=devices))
    held = {}
    for fd in Path(f"/proc/{daemon.qemu('g')}/fd").iterdir():
        held[int(fd.name)] = os.readlink(fd)
    places = {path for path in held.values() if path.startswith(str(daemon.root))}
    assert places == {f"{daemon.root}/run/qemu/g.stderr"}, held
    assert sum(path == "/dev/net/tun" for path in held.values()) == 1, held
    daemon.virsh("destroy", "g")
    remains.none(daemon)


def test_files_are_lent_and_given_back_as_they_were(
    daemon: lab.Daemon, guest_dir: Path, scratch: Path
) -> None:
    virsh, qemu = daemon.virsh, pwd.getpwnam("virtup-qemu").pw_uid
    kernel = scratch / "vmlinuz"
    kernel.write_bytes((guest_dir / "vmlinuz").read_bytes())
    kernel.chmod(0o400)
    own, listed, shared, usable = (scratch / name for name in ("own", "listed", "shared", "usable"))
    before = {
        kernel: Owned.of(kernel),
        own: image(own, 0, 0, 0o600),
        listed: image(listed, 1234, 4321, 0o640, "u:daemon:rw", "g:tty:r", "m::r"),
        shared: image(shared, 0, 4321, 0o2640),
        usable: image(usable, 0, 0, 0o600, f"u:{qemu}:rw"),
    }
    common = disk_xml(shared, "vdc", readonly=True)
    first = define(
        daemon, "first", guest_dir, devices=disk_xml(own) + disk_xml(listed, "vdb") + common
    )
    second = define(daemon, "second", guest_dir, devices=disk_xml(usable) + common)
    for xml in (first, second):
        xml.write_text(xml.read_text().replace(f"{guest_dir}/vmlinuz", str(kernel)))
        virsh("create", xml, "--paused")
    for path in (kernel, own, listed, shared):
        assert path.stat().st_uid == qemu
        assert path.stat().st_gid == before[path].gid
    assert Owned.of(usable) == before[usable], "what QEMU may use as it is stays as it is"
    virsh("destroy", "first")
    assert Owned.of(own) == before[own]
    assert Owned.of(listed) == before[listed]
    assert kernel.stat().st_uid == shared.stat().st_uid == qemu, "the second guest has them yet"
    os.kill(daemon.qemu("second"), signal.SIGKILL)
    remains.none(daemon)
    assert {path: Owned.of(path) for path in before} == before
    virsh("create", first, "--paused")
    daemon.kill()
    os.kill(daemon.qemu("first"), signal.SIGKILL)
    assert own.stat().st_uid == qemu
    daemon.start()
    remains.none(daemon)
    assert {path: Owned.of(path) for path in before} == before


def test_a_start_that_fails_gives_files_back(
    daemon: lab.Daemon, guest_dir: Path, scratch: Path
) -> None:
    own, missing = scratch / "own", scratch / "missing"
    before = image(own, 4242, 0, 0o600)
    xml = define(daemon, "g", guest_dir, devices=disk_xml(own) + disk_xml(missing, "vdb"))
    done = daemon.virsh("create", xml, check=False)
    assert f"'{missing}'" in done.stderr
    assert Owned.of(own) == before
    remains.none(daemon)


def test_the_fix_of_a_disk_whose_owner_may_not_write_is_whole(
    daemon: lab.Daemon, guest_dir: Path, scratch: Path
) -> None:
    disk = scratch / "disk"
    before = image(disk, 4242, 2424, 0o460)
    xml = define(daemon, "g", guest_dir, devices=disk_xml(disk))
    assert daemon.virsh("create", xml, check=False).returncode == 1
    assert Owned.of(disk) == before
    (finding,) = json.loads(daemon.virtup("why", "g", "--json").stdout)["findings"]
    for command in finding["fixes"][0]["commands"]:
        subprocess.run(command, shell=True, check=True)
    daemon.virsh("create", xml, "--paused")
    daemon.virsh("destroy", "g")
    for command in finding["fixes"][0]["undo"]:
        subprocess.run(command, shell=True, check=True)
    assert Owned.of(disk) == before


def as_nobody(ask: Callable[[], list[str]]) -> list[str]:
    """Run *ask* in a child that is the user nobody; what it returned."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(theirs, json.dumps(ask()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return list(json.loads(text))


def test_another_user_is_kept_out(daemon: lab.Daemon, guest_dir: Path, scratch: Path) -> None:
    disk = scratch / "disk"
    image(disk, 0, 0, 0o600)
    devices = f"""{disk_xml(disk)}<channel type='unix'><source mode='bind' path='{scratch}/c.sock'/>
        <target type='virtio' name='org.example.c'/></channel>"""
    xml = define(daemon, "g", guest_dir, devices=devices)
    daemon.virsh("define", xml)
    daemon.virsh("autostart", "g")
    daemon.virsh("start", "g", "--paused")
    xml.unlink()
    (daemon.root / "virtupd.log").chmod(0o600)  # the tests' own
    paths = [daemon.root, scratch, *daemon.root.rglob("*"), *scratch.rglob("*")]
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in paths}
    assert {stat.S_IFSOCK, stat.S_IFIFO, stat.S_IFREG, stat.S_IFDIR} <= kinds

    def allowed() -> list[str]:
        return [str(path) for path in paths if os.access(path, os.R_OK) or os.access(path, os.W_OK)]

    assert as_nobody(allowed) == []
    done = subprocess.run(
        [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "virsh",
            "-c",
            daemon.uri,
            "list",
        ],
        env={**lab.environment(), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    daemon.virsh("destroy", "g")


def test_the_definition_is_nowhere_that_others_look(daemon: lab.Daemon, guest_dir: Path) -> None:
    secret = "hunter27"
    vnc = f"<graphics type='vnc' autoport='yes' passwd='{secret}'/>"
    daemon.virsh("create", define(daemon, "g", guest_dir, devices=vnc))
    (daemon.root / "g.xml").unlink()
    assert secret not in Path(f"/proc/{daemon.qemu('g')}/cmdline").read_text()
    assert secret not in daemon.virsh("dumpxml", "g").stdout
    assert secret in daemon.virsh("dumpxml", "g", "--security-info").stdout
    refused = define(daemon, "h", guest_dir, devices=vnc.replace(secret, secret * 2))
    done = daemon.virsh("create", refused, check=False)
    refused.unlink()
    assert "VNC password is 16 characters long, only 8 permitted" in done.stderr
    assert secret not in done.stderr
    assert secret not in daemon.log
    for path in [*(daemon.root / "log").rglob("*"), *(daemon.root / "lib").rglob("*.json")]:
        assert path.is_dir() or secret not in path.read_text(errors="replace"), path


def test_a_configured_user_that_does_not_exist(make_daemon: Make, guest_dir: Path) -> None:
    daemon = make_daemon(start=False)
    config = daemon.root / "etc" / "virtupd.toml"
    config.parent.mkdir(mode=0o700)
    config.write_text("qemu_user = 'vt-nobody-yet'\n")
    daemon.start()
    xml = define(daemon, "g", guest_dir)
    done = daemon.virsh("create", xml, check=False)
    assert "The account 'vt-nobody-yet', which QEMU is to run as, does not" in done.stderr
    (finding,) = json.loads(daemon.virtup("why", "g", "--json").stdout)["findings"]
    assert finding["slug"] == "qemu-user-missing"
    (fix,) = finding["fixes"]
    try:
        for command in fix["commands"]:
            subprocess.run(command, shell=True, check=True, capture_output=True)
        daemon.virsh("create", xml, "--paused")
        uid = str(pwd.getpwnam("vt-nobody-yet").pw_uid)
        assert facts(daemon.qemu("g"))["Uid"].split() == [uid] * 4
        daemon.virsh("destroy", "g")
    finally:
        for command in fix["undo"]:
            subprocess.run(command, shell=True, check=False, capture_output=True)
    remains.none(daemon)
