"""What changed since it worked: real starts, one thing changed between them, told as that thing.

Each test breaks or changes one thing of a guest that started, and reads what `virtup diff` and
`virtup why` make of it: that thing first, and nothing that differs from start to start anyway.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import lab

pytestmark = pytest.mark.e2e
as_root = pytest.mark.root
BRIDGE = "vthist0"


class Scene:
    """A guest of files of its own, started again and again by one daemon."""

    def __init__(self, daemon: lab.Daemon, guest: Path) -> None:
        self.daemon = daemon
        self.place = daemon.root / "own"
        for folder in (self.place, self.place / "img"):
            folder.mkdir()
            folder.chmod(0o755)
        self.kernel = self.place / "vmlinuz"
        shutil.copy(guest / "vmlinuz", self.kernel)
        self.disk = self.place / "img" / "a.qcow2"
        self.image(self.disk)
        for path in (self.kernel, self.disk):
            path.chmod(0o644)
        disk = f"""<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
            <source file='{self.disk}'/><target dev='vda' bus='virtio'/></disk>"""
        more = """<interface type='user'><model type='virtio'/></interface>
            <graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>
            <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"""
        self.text = lab.domain_xml("vm", guest, devices=disk + more, memory_mib=96).replace(
            f"{guest}/vmlinuz", str(self.kernel)
        )
        self.xml = self.place / "vm.xml"

    def image(self, path: Path, *words: str | Path) -> None:
        command = ["qemu-img", "create", "-q", "-f", "qcow2", *map(str, words), str(path)]
        subprocess.run([*command, *(() if words else ("8M",))], check=True)

    def start(self, *changes: tuple[str, str]) -> bool:
        """Try to start the guest, with *changes* to its definition; tell whether it did."""
        text = self.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.xml.write_text(text)
        done = self.daemon.virsh("create", self.xml, "--paused", check=False)
        return done.returncode == 0

    def works(self, *changes: tuple[str, str]) -> None:
        assert self.start(*changes)
        self.daemon.virsh("destroy", "vm")

    def ask(self, verb: str, *words: str) -> Any:
        return json.loads(self.daemon.virtup("--json", verb, "vm", *words).stdout)

    def changes(self, *words: str) -> list[tuple[str, str, str]]:
        """What differs, as (what, was, is)."""
        found = self.ask("diff", *words)["changes"]
        return [(one["what"], one["was"], one["is"]) for one in found]

    def said(self, verb: str, *words: str) -> str:
        return self.daemon.virtup(verb, "vm", *words).stdout


@pytest.fixture
def scene(daemon: lab.Daemon, guest_dir: Path) -> Scene:
    return Scene(daemon, guest_dir)


@pytest.fixture
def bridge() -> Iterator[str]:
    """A bridge of this host's, for as long as the test."""
    make = ["ip", "link", "add", BRIDGE, "type", "bridge"]
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no bridge can be made here: {done.stderr.strip()}")
    subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
    yield BRIDGE
    subprocess.run(["ip", "link", "del", BRIDGE], check=False, capture_output=True)


def test_what_differs_anyway_is_no_change(scene: Scene) -> None:
    """Other UUID, MAC, ports, descriptors, ids; a disk that was written to; a guest that runs."""
    scene.works()
    with scene.disk.open("ab") as file:
        file.write(bytes(1 << 20))
    scene.works()
    assert scene.changes("1", "2") == []
    assert scene.start()
    assert scene.changes("1", "3") == []
    assert scene.changes("now") == []
    assert "Nothing that virtup looks at differs" in scene.said("diff", "2", "3")
    macs = [re.findall(r'"mac":"([^"]+)"', " ".join(one["argv"])) for one in scene.ask("attempts")]
    assert len({mac for (mac,) in macs}) == 3


@as_root
def test_a_mode(scene: Scene) -> None:
    scene.works()
    scene.disk.chmod(0o000)
    assert not scene.start()
    assert scene.changes() == [(f"'{scene.disk}' mode", "0644", "0000")]
    said = scene.said("why")
    assert f"Changed since start 1 ({_began(scene, 1)} UTC, went well):" in said
    assert f"  '{scene.disk}' mode" in said
    scene.disk.chmod(0o644)
    assert scene.changes("now") == []


def _began(scene: Scene, number: int) -> str:
    return str(scene.ask("attempts", str(number))["began"]).replace("T", " ")[:19]


@as_root
def test_a_directory_above_comes_before_what_else_changed(scene: Scene) -> None:
    scene.works()
    scene.disk.parent.chmod(0o700)
    kernel = scene.place / "other"
    shutil.copy(scene.kernel, kernel)
    kernel.chmod(0o644)
    assert not scene.start((str(scene.kernel), str(kernel)))
    first, *rest = scene.changes()
    assert first == (f"'{scene.disk.parent}' mode", "0755", "0700")
    assert rest == [("<kernel>", str(scene.kernel), str(kernel))]


def test_the_definition(scene: Scene) -> None:
    scene.works()
    scene.works(("<memory unit='MiB'>96", "<memory unit='MiB'>80"))
    assert scene.changes() == [("<memory>", "96 MiB", "80 MiB")]
    lines = scene.ask("diff")["definition"]
    assert lines == ["-  <memory unit='KiB'>98304</memory>", "+  <memory unit='KiB'>81920</memory>"]
    assert "\n  -  <memory unit='KiB'>98304</memory>\n" in scene.said("diff")


def test_a_disk_of_the_definition_is_told_by_its_target(scene: Scene) -> None:
    scene.works()
    assert not scene.start((str(scene.disk), "/none.qcow2"))
    what, was, now = scene.changes()[0]
    assert (what, was) == ("disk vda <source>", f"file='{scene.disk}'")
    assert now == "file='/none.qcow2'"
    assert any("<target dev='vda'" in line for line in scene.ask("diff")["definition"])


def test_another_build_of_qemu(scene: Scene) -> None:
    own = scene.place / "qemu"
    own.write_text(f'#!/bin/sh\nexec {lab.QEMU} "$@"\n')  # a copy would not find its modules
    own.chmod(0o755)
    scene.works()
    emulator = (lab.QEMU, str(own))
    scene.works(emulator)
    assert scene.changes() == [("<emulator>", lab.QEMU, str(own))]
    os.utime(own, (1_700_000_000, 1_700_000_000))
    scene.works(emulator)
    ((what, was, now),) = scene.changes()
    assert what == "QEMU's binary contents"
    assert now == f"{own.stat().st_size} bytes of 2023-11-14 22:13:20"
    assert was != now
    own.unlink()
    assert not scene.start(emulator)
    assert scene.changes() == [("QEMU's binary", "there", "missing")]


def test_files_that_are_gone_or_others(scene: Scene) -> None:
    scene.works()
    aside = scene.kernel.rename(scene.place / "aside")
    assert not scene.start()
    assert scene.changes() == [(f"'{scene.kernel}'", "there", "missing")]
    aside.rename(scene.kernel)
    scene.disk.unlink()
    base = scene.disk.with_name("base.qcow2")
    scene.image(base)
    scene.image(scene.disk, "-b", base, "-F", "qcow2")
    for path in (base, scene.disk):
        path.chmod(0o644)
    scene.works()
    assert (f"'{scene.disk}' backing file", "-", str(base)) in scene.changes("1", "3")
    base.write_bytes(bytes(1 << 16))
    assert not scene.start()
    first, *_ = scene.changes()
    assert first == (f"'{base}' image format", "qcow2", "raw")


@as_root
def test_a_bridge(scene: Scene, bridge: str) -> None:
    nic = ("<interface type='user'>", f"<interface type='bridge'><source bridge='{bridge}'/>")
    scene.works(nic)
    subprocess.run(["ip", "link", "set", bridge, "down"], check=True)
    scene.works(nic)
    assert scene.changes() == [(f"interface '{bridge}' state", "up", "down")]
    subprocess.run(["ip", "link", "del", bridge], check=True)
    assert not scene.start(nic)
    assert scene.changes() == [(f"interface '{bridge}'", "there", "missing")]
    assert f"interface '{bridge}'" in scene.said("why")


def test_a_limit(scene: Scene) -> None:
    scene.works()
    limit = ["prlimit", "--pid", str(scene.daemon.pid), "--nofile=300:20000"]
    subprocess.run(limit, check=True)
    scene.works()
    ((what, was, now),) = scene.changes()
    assert what == "limit of open files (nofile)"
    assert now == "300 / 20000"
    assert was != now


def test_a_guest_that_is_gone_and_a_daemon_that_came_anew(scene: Scene) -> None:
    assert scene.daemon.virtup("why", "vm", check=False).returncode == 1
    scene.works()
    scene.kernel.rename(scene.place / "aside")
    assert not scene.start()
    uuid = scene.ask("attempts", "2")["uuid"]
    scene.daemon.kill()
    scene.daemon.start()
    for name in ("vm", uuid):
        reply = json.loads(scene.daemon.virtup("--json", "why", name).stdout)
        assert (reply["guest"], reply["defined"]) == ("vm", False)
        assert [one["what"] for one in reply["changes"]] == [f"'{scene.kernel}'"]
    (scene.place / "aside").rename(scene.kernel)
    assert scene.changes("now") == []
    assert scene.start()
    said = scene.said("why")
    assert said.startswith("Domain 'vm' is running since ")
    assert "Its last failure was start 2, " in said


def test_a_refused_restore_is_no_other_qemu(scene: Scene) -> None:
    """A start that was refused before it came to QEMU tells nothing of QEMU."""
    scene.xml.write_text(scene.text)
    scene.daemon.virsh("define", scene.xml)
    scene.daemon.virsh("start", "vm")
    scene.daemon.virsh("managedsave", "vm")
    image = scene.daemon.root / "lib/qemu/save/vm.save"
    data = bytearray(image.read_bytes())
    data[len(data) // 2] ^= 0xFF
    image.write_bytes(data)
    assert scene.daemon.virsh("start", "vm", check=False).returncode == 1
    reply = scene.ask("why")
    assert reply["attempt"]["verdict"] == "failed"
    assert scene.changes() == [
        ("it started from", "its disks", f"the saved state '{image}'"),
    ]


def test_where_the_time_went(make_daemon: Callable[..., lab.Daemon], guest_dir: Path) -> None:
    daemon = make_daemon(start=False)
    config = daemon.root / "virtupd.toml"
    config.write_text("monitor_timeout_s = 1.5\n")
    daemon.options = ("--config", str(config))
    daemon.start()
    scene = Scene(daemon, guest_dir)
    assert not scene.start((lab.QEMU, str(_asleep(scene))))
    slow = scene.ask("why")["slow"]
    assert slow["step"] == "monitor"
    assert "Its time went into step 'monitor': 1." in scene.said("why")
    shown = scene.said("attempts", "1")
    steps = [line.split()[0] for line in shown.partition("Steps:\n")[2].splitlines()[:6]]
    assert steps == ["probe", "prepare", "exec", "monitor", "diagnose", "undo"]
    assert "##########" in next(line for line in shown.splitlines() if "monitor  " in line)


def _asleep(scene: Scene) -> Path:
    """Return an emulator that never answers."""
    wrapper = scene.place / "qemu"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *guest=*) exec sleep 600 ;; esac\nexec {lab.QEMU} "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


def test_a_start_that_was_given_up_leaves_a_record(scene: Scene) -> None:
    scene.xml.write_text(scene.text.replace(lab.QEMU, str(_asleep(scene))))
    starting = scene.daemon.virsh.popen("create", scene.xml)
    destroy = ("destroy", "vm")
    lab.eventually(
        lambda: scene.daemon.virsh(*destroy, check=False).returncode == 0, "the guest is starting"
    )
    assert "destroyed while it started" in starting.communicate(timeout=lab.BOUND_S)[0]
    (record,) = lab.eventually(lambda: scene.ask("attempts"), "there is a record")
    assert record["verdict"] == "failed"
    assert "destroyed" in record["error"]
    assert record["findings"] == []


def test_many_failures_do_not_push_the_last_good_start_out(
    make_daemon: Callable[..., lab.Daemon], guest_dir: Path
) -> None:
    scene = Scene(make_daemon(), guest_dir)
    scene.works()
    scene.kernel.rename(scene.place / "aside")
    for _ in range(22):
        assert not scene.start()
    assert [one["number"] for one in scene.ask("attempts")] == [1, *range(4, 24)]
    assert scene.changes() == [(f"'{scene.kernel}'", "there", "missing")]
    folder = next(scene.daemon.root.rglob("guest-vm"))
    newest = max(folder.iterdir())
    newest.write_bytes(newest.read_bytes()[:100])
    assert scene.ask("why")["attempt"]["number"] == 22
    assert f"'{newest}' is left out" in scene.daemon.log
