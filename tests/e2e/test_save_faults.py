"""What goes wrong with saves and saved guests, with a real daemon, QEMU and stock virsh.

A save that fails leaves the guest as it was and nothing behind; an image that must not be restored
is refused with its reason, once, and the guest boots after that.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import lab
from virtup.host import save_edit, save_file
from virtup.host.disk import FileDisk
from virtup.model.save_format import Format
from virtup.model.save_image import (
    HEADER_BYTES,
    MAGIC_PARTIAL,
    end_bytes,
    read_end,
    read_header,
)

pytestmark = [pytest.mark.e2e, pytest.mark.root]

RANDOM_MIB = 192
"""What a guest carries that cannot be made smaller: a save takes long enough to be caught at it."""


class Scene:
    """A daemon and a defined guest 'g' with a disk."""

    def __init__(self, daemon: lab.Daemon, guest: Path, *, big: bool) -> None:
        self.daemon = daemon
        self.virsh = daemon.virsh
        self.disk = daemon.root / "disk.img"
        self.disk.write_bytes(os.urandom(1 << 20))
        self.folder = daemon.root / "lib/qemu/save"
        self.image = self.folder / "g.save"
        device = f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/>
            <source file='{self.disk}'/><target dev='vda' bus='virtio'/></disk>"""
        text = lab.domain_xml("g", guest, devices=device, memory_mib=512 if big else 96)
        if big:
            initrd = daemon.root / "initrd"
            with initrd.open("wb") as file:
                file.write(Path(guest, "initrd.img").read_bytes())
                file.writelines(os.urandom(1 << 20) for _ in range(RANDOM_MIB))
            text = text.replace(f"{guest}/initrd.img", str(initrd))
        self.xml = daemon.root / "g.xml"
        self.xml.write_text(text)
        self.virsh("define", self.xml)

    def start(self) -> None:
        self.virsh("start", "g")

    def loaded(self) -> None:
        """Wait until QEMU holds what it carries: its kernel is then in the guest's memory."""
        pid = self.daemon.qemu("g")
        lab.eventually(lambda: _resident_mib(pid) > 2 * RANDOM_MIB, "the guest has its memory")

    def state(self) -> str:
        return self.virsh("domstate", "g", "--reason").stdout.strip()

    def saved(self) -> Path:
        """Start the guest and save it; its image."""
        self.start()
        self.virsh("managedsave", "g")
        return self.image

    def left(self) -> list[str]:
        return sorted(entry.name for entry in self.folder.iterdir())

    def in_mid_save(self) -> subprocess.Popen[str]:
        """Begin a save and return when QEMU has written a part of it."""
        part = self.folder / ".g.save.virtup-part"
        client = self.virsh.popen("managedsave", "g")
        end = time.monotonic() + lab.BOUND_S
        while time.monotonic() < end:
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_size > 4 << 20:
                    return client
            time.sleep(0.001)
        raise AssertionError(f"no save to be seen: {client.communicate()[0]}")

    def record(self) -> dict[str, Any]:
        """The record of the last start."""
        found: dict[str, Any] = json.loads(self.daemon.virtup("attempts", "g", "--json").stdout)[-1]
        return found

    def notes(self) -> str:
        """What the record of the last start says beside its verdict."""
        return " ".join(self.record()["notes"])


def _resident_mib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 // 1024


@pytest.fixture
def scene(make_daemon: Callable[..., lab.Daemon], guest_dir: Path) -> Scene:
    return Scene(make_daemon(), guest_dir, big=False)


@pytest.fixture
def big(make_daemon: Callable[..., lab.Daemon], guest_dir: Path) -> Scene:
    """A guest whose save takes a while; a QEMU that does not answer is given up after 1 s."""
    return make_big(make_daemon, guest_dir, "command_timeout_s = 1.0\n")


def make_big(make_daemon: Callable[..., lab.Daemon], guest_dir: Path, settings: str) -> Scene:
    daemon = make_daemon(start=False)
    config = daemon.root / "virtupd.toml"
    config.write_text(settings)
    daemon.options = ("--config", str(config))
    daemon.start()
    scene = Scene(daemon, guest_dir, big=True)
    scene.start()
    scene.loaded()
    return scene


def resident_bytes(path: Path) -> int:
    """How much of a file is in the page cache."""
    told = ["fincore", "--bytes", "--noheadings", "--output", "RES", path]
    return int(subprocess.run(told, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("format", ["raw", "zstd"])
def test_bypass_cache_leaves_nothing_in_the_page_cache(
    make_daemon: Callable[..., lab.Daemon], guest_dir: Path, format: str
) -> None:
    big = make_big(make_daemon, guest_dir, f'save_image_format = "{format}"\n')
    file, few = big.daemon.root / "file", 1 << 20
    big.virsh("save", "g", file)
    size = file.stat().st_size
    assert size > RANDOM_MIB << 20
    assert resident_bytes(file) > size // 2  # without, and seen as it is
    big.virsh("restore", file, "--bypass-cache")
    assert resident_bytes(file) < few
    big.virsh("save", "g", file, "--bypass-cache")
    assert resident_bytes(file) < few
    big.virsh("restore", file)
    assert big.state() == "running (restored)"
    big.virsh("managedsave", "g", "--bypass-cache")
    assert resident_bytes(big.image) < few
    copy = file.with_name("copy")
    os.link(big.image, copy)
    big.virsh("start", "g", "--bypass-cache")
    assert resident_bytes(copy) < few
    assert big.state() == "running (restored)"


@contextlib.contextmanager
def small_file_system(place: Path) -> Iterator[None]:
    """A file system of 8 MiB on *place*."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "vt", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk(big: Scene) -> None:
    with small_file_system(big.folder):
        done = big.virsh("managedsave", "g", check=False)
        assert done.returncode == 1
        assert f"'{big.image}'" in done.stderr
        assert "No space left on device; the guest runs on" in done.stderr
        assert f"df -h {big.folder}" in done.stderr
        assert big.left() == []
    assert big.state() == "running (save canceled)"
    big.virsh("managedsave", "g")
    assert big.left() == ["g.save"]


def test_a_full_disk_under_a_program_that_compresses(
    make_daemon: Callable[..., lab.Daemon], guest_dir: Path
) -> None:
    big = make_big(make_daemon, guest_dir, 'save_image_format = "zstd"\n')
    with small_file_system(big.folder):
        done = big.virsh("managedsave", "g", check=False)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert big.left() == []
    assert big.state() == "running (save canceled)"


def test_a_file_system_that_is_read_only(scene: Scene) -> None:
    scene.start()
    with small_file_system(scene.folder):
        subprocess.run(["mount", "-o", "remount,ro", scene.folder], check=True)
        done = scene.virsh("managedsave", "g", check=False)
    assert done.returncode == 1
    assert f"'{scene.image}': Read-only file system; the guest runs on" in done.stderr
    assert scene.state() == "running (save canceled)"
    assert scene.left() == []


def test_a_save_that_is_aborted(big: Scene) -> None:
    client = big.in_mid_save()
    os.kill(big.daemon.qemu("g"), signal.SIGSTOP)
    big.virsh("domjobabort", "g")
    os.kill(big.daemon.qemu("g"), signal.SIGCONT)
    said = client.communicate()[0]
    assert "operation aborted" in said
    assert client.returncode == 1
    assert big.state() == "running (save canceled)"
    assert big.left() == []


def test_an_abort_does_not_wait_for_a_qemu_that_stands_still(
    make_daemon: Callable[..., lab.Daemon], guest_dir: Path
) -> None:
    big = make_big(make_daemon, guest_dir, "command_timeout_s = 600.0\n")
    client = big.in_mid_save()
    pid = big.daemon.qemu("g")
    os.kill(pid, signal.SIGSTOP)
    big.virsh("domjobabort", "g")
    said = client.communicate(timeout=lab.BOUND_S)[0]
    assert "operation aborted" in said
    assert "the guest goes on as soon as QEMU answers" in said
    assert big.left() == []
    again = big.virsh("managedsave", "g", check=False)
    assert "QEMU has not answered since" in again.stderr
    os.kill(pid, signal.SIGCONT)
    lab.eventually(lambda: big.state() == "running (save canceled)", "the guest runs on")
    big.virsh("managedsave", "g")
    assert big.left() == ["g.save"]


def test_a_qemu_that_stands_still_goes_on_when_it_can(big: Scene) -> None:
    client = big.in_mid_save()
    pid = big.daemon.qemu("g")
    os.kill(pid, signal.SIGSTOP)
    said = client.communicate()[0]
    os.kill(pid, signal.SIGCONT)
    assert "did not answer" in said
    assert "the guest goes on as soon as QEMU answers" in said
    assert client.returncode == 1
    lab.eventually(lambda: big.state() == "running (save canceled)", "the guest runs on")
    assert big.left() == []


def test_a_qemu_that_is_killed_in_mid_save(big: Scene) -> None:
    client = big.in_mid_save()
    os.kill(big.daemon.qemu("g"), signal.SIGKILL)
    said = client.communicate()[0]
    assert f"'{big.image}'" in said
    assert "the guest has ended" in said
    assert big.state() == "shut off (crashed)"
    assert big.left() == []


def test_a_daemon_that_is_killed_in_mid_save(big: Scene) -> None:
    client = big.in_mid_save()
    big.daemon.kill()
    client.communicate()
    big.daemon.start()
    lab.eventually(lambda: big.state() == "running (save canceled)", "the guest runs on")
    assert big.left() == []


def test_both_killed_in_mid_save(big: Scene) -> None:
    client = big.in_mid_save()
    big.daemon.kill()
    os.kill(big.daemon.qemu("g"), signal.SIGKILL)
    client.communicate()
    big.daemon.start()
    assert big.left() == ["g.save.incomplete"]
    big.start()
    assert "it is incomplete and was set aside" in big.notes()
    assert "it is incomplete and was set aside" in big.daemon.log


@pytest.mark.parametrize("place", ["/dev/null", "/tmp", "/not/there/file"])
def test_places_that_take_no_image(scene: Scene, place: str) -> None:
    scene.start()
    done = scene.virsh("save", "g", place, check=False)
    assert done.returncode == 1
    assert f"'{place}'" in done.stderr
    assert scene.state() == "running (save canceled)"


def test_what_a_power_cut_left_of_a_save_is_in_nobodys_way(scene: Scene) -> None:
    file = scene.daemon.root / "file"
    scene.start()
    file.with_name(".file.virtup-part").write_bytes(b"LibvirtQemudPart")
    scene.virsh("save", "g", file)
    assert save_file.inspect(str(file)).trailer
    assert not list(scene.daemon.root.glob(".file*"))


# -- images that must not be restored ------------------------------------------------------------


Harm = Callable[[bytearray], bytearray]


def memory_of(data: bytearray) -> tuple[int, int]:
    """Where in an image the guest's memory begins and ends."""
    header = read_header(bytes(data[:HEADER_BYTES]), len(data), "image")
    end = read_end(bytes(data[-end_bytes(header.format) :]), header.format)
    assert end is not None
    return header.stream_offset, len(data) - end.trailer_bytes


def cut(size: int) -> Harm:
    return lambda data: data[:size]


def cut_in_memory(data: bytearray) -> bytearray:
    begin, end = memory_of(data)
    return data[: (begin + end) // 2]


def all_zeros(data: bytearray) -> bytearray:
    return bytearray(len(data))


def zeros_for_memory(data: bytearray) -> bytearray:
    begin, end = memory_of(data)
    return data[:begin] + bytearray(end - begin) + data[end:]


def flipped(at: int) -> Harm:
    def flip(data: bytearray) -> bytearray:
        data[at] ^= 0x40
        return data

    return flip


def flipped_memory(data: bytearray) -> bytearray:
    begin, end = memory_of(data)
    return flipped((begin + end) // 2)(data)


REFUSED = {
    "cut in the header": ("cut in the header", cut(HEADER_BYTES - 1)),
    "cut in the XML": ("cut in the XML", cut(HEADER_BYTES + 100)),
    "cut before the memory": ("cut in the memory", lambda data: data[: memory_of(data)[0]]),
    "cut in the memory": ("cut in the memory", cut_in_memory),
    "the last bytes cut": ("cut in the memory", lambda data: data[:-16]),
    "all zeros": ("zero-filled", all_zeros),
    "zeros for memory": ("zero-filled", zeros_for_memory),
    "a flipped byte of memory": ("changed bytes", flipped_memory),
    "a flipped byte of XML": ("changed bytes", flipped(HEADER_BYTES + 30)),
    "a flipped digest": ("changed bytes", flipped(-end_bytes(Format.RAW) - 1)),
    "another magic": ("not a saved guest", flipped(3)),
    "a newer version": ("made by a newer version", flipped(16)),
}


@pytest.mark.parametrize("damage", sorted(REFUSED))
def test_a_damaged_image_is_refused_once_and_kept(scene: Scene, damage: str) -> None:
    kind, harm = REFUSED[damage]
    image = scene.saved()
    image.write_bytes(harm(bytearray(image.read_bytes())))
    done = scene.virsh("start", "g", check=False)
    assert done.returncode == 1
    assert f"'{image}'" in done.stderr
    assert "its memory is lost" in done.stderr
    assert "virtup start g" in done.stderr
    assert "--force-boot" not in done.stderr
    kept, reason = sorted(scene.left())
    assert reason == f"{kept}.reason"
    assert (scene.folder / reason).read_text().startswith(f"{kind}: ")
    assert scene.state().startswith("shut off")
    scene.start()
    assert scene.state() == "running (booted)"


@pytest.mark.parametrize("damage", sorted(REFUSED))
def test_a_damaged_file_is_explained_and_left_alone(scene: Scene, damage: str) -> None:
    _, harm = REFUSED[damage]
    file = scene.daemon.root / "file"
    scene.start()
    scene.virsh("save", "g", file)
    changed = harm(bytearray(file.read_bytes()))
    file.write_bytes(changed)
    done = scene.virsh("restore", file, check=False)
    assert done.returncode == 1
    assert "the file is left as it is" in done.stderr
    assert re.search(r"\[VU\d+\]", done.stderr), done.stderr
    assert "evidence: " in done.stderr
    assert file.read_bytes() == changed
    assert scene.state().startswith("shut off")
    record = scene.record()
    if damage in HIDES_ITS_GUEST:
        assert record["verdict"] == "running"
    else:
        assert (record["verdict"], record["findings"][0]["subject"]) == ("failed", str(file))
        assert "fix:      virtup start g" in done.stderr
        assert scene.daemon.virtup("why", "g").stdout.count(str(file))
    scene.virsh("undefine", "g")
    done = scene.virsh("restore", file, check=False)
    assert "the file is left as it is" in done.stderr
    assert "virtup start" not in done.stderr


HIDES_ITS_GUEST = {
    "all zeros",
    "another magic",
    "a newer version",
    "a flipped byte of XML",
    "cut in the header",
    "cut in the XML",
}
"""Damages of which nobody can tell whose state it was."""


COLD = {
    "empty": cut(0),
    "incomplete": lambda data: bytearray(MAGIC_PARTIAL) + data[len(MAGIC_PARTIAL) :],
}


@pytest.mark.parametrize("damage", [*COLD, "consumed"])
def test_an_image_with_nothing_to_lose_boots_and_says_so(scene: Scene, damage: str) -> None:
    image = scene.saved()
    if damage == "consumed":
        os.link(image, scene.daemon.root / "again")
        scene.start()
        scene.virsh("managedsave", "g")
        os.rename(scene.daemon.root / "again", image)
    else:
        image.write_bytes(COLD[damage](bytearray(image.read_bytes())))
    events = scene.virsh.popen("event", "g", "--event", "control-error", "--timeout", "20")
    time.sleep(0.5)
    scene.start()
    assert scene.state() == "running (booted)"
    assert "the guest boots cold" in scene.notes()
    assert "the guest boots cold" in scene.daemon.log
    assert "event 'control-error' for domain 'g'" in events.communicate(timeout=lab.BOUND_S)[0]
    assert any(name.endswith(".reason") for name in scene.left())


def test_disks_that_changed_leave_the_decision_to_a_person(scene: Scene) -> None:
    image = scene.saved()
    with scene.disk.open("r+b") as disk:
        disk.write(b"changed")
    for _ in range(2):
        done = scene.virsh("start", "g", check=False)
        assert done.returncode == 1
        assert f"the disk '{scene.disk}' was changed" in done.stderr
        assert "start --force-boot g" in done.stderr
        assert scene.left() == [image.name]
    scene.virsh("start", "g", "--force-boot")
    assert scene.state() == "running (booted)"
    assert scene.left() == []


def has_locks(pid: int) -> bool:
    return any("lock:" in entry.read_text() for entry in Path(f"/proc/{pid}/fdinfo").iterdir())


def test_a_file_whose_disks_changed_is_restored_once_a_person_accepts_that(scene: Scene) -> None:
    file = scene.daemon.root / "a file"
    scene.start()
    scene.virsh("save", "g", file)
    with scene.disk.open("r+b") as disk:
        disk.write(b"changed")
    done = scene.virsh("restore", file, check=False)
    way = f"virtup save-verify '{file}' --accept-disks"
    assert way in done.stderr
    assert "start --force-boot" not in done.stderr
    assert scene.record()["findings"][0]["slug"] == "restore-disks-changed"
    scene.daemon.virtup("save-verify", file, "--accept-disks", "--yes")
    scene.virsh("restore", file)
    assert scene.state() == "running (restored)"


def as_libvirts(image: Path) -> None:
    """Take what is virtup's off an image."""
    found = save_file.inspect(str(image))
    assert found.trailer is not None
    head = replace(found.head, header=replace(found.head.header, marked=False, whole=True))
    end = found.trailer.stream_offset + found.trailer.stream_bytes
    image.write_bytes(head.pack() + image.read_bytes()[found.trailer.stream_offset : end])


def test_an_image_of_libvirts_that_qemu_cannot_load_is_set_aside(scene: Scene) -> None:
    image = scene.saved()
    as_libvirts(image)
    data = bytearray(image.read_bytes())
    begin = read_header(bytes(data[:HEADER_BYTES]), len(data), "image").stream_offset
    data[begin + 200 : begin + 5000] = b"\xff" * 4800
    image.write_bytes(data)
    done = scene.virsh("start", "g", check=False)
    assert done.returncode == 1
    assert f"QEMU cannot load the saved state '{image}'" in done.stderr
    assert "set aside" in done.stderr
    assert "--force-boot" not in done.stderr
    kept, reason = sorted(scene.left())
    assert reason == f"{kept}.reason"
    scene.start()
    assert scene.state() == "running (booted)"


def test_an_image_of_libvirts_that_was_being_run_is_told_of(scene: Scene) -> None:
    image = scene.saved()
    as_libvirts(image)
    scene.daemon.stop()
    image.rename(f"{image}.consumed")
    scene.daemon.start()
    scene.start()
    assert scene.state() == "running (booted)"
    assert "may have run on; that state was set aside" in scene.notes()
    assert len(scene.left()) == 1


def test_managedsave_remove_ends_the_trouble_too(scene: Scene) -> None:
    scene.saved()
    scene.disk.unlink()
    scene.disk.write_bytes(bytes(1 << 20))
    assert scene.virsh("start", "g", check=False).returncode == 1
    scene.virsh("managedsave-remove", "g")
    scene.start()
    assert scene.state() == "running (booted)"


def test_another_guests_image(scene: Scene) -> None:
    image = scene.saved()
    other = scene.xml.read_text().replace("<name>g</name>", "<name>other</name>")
    scene.xml.write_text(other)
    scene.virsh("define", scene.xml)
    image.rename(scene.folder / "other.save")
    scene.daemon.stop()
    scene.daemon.start()
    done = scene.virsh("start", "other", check=False)
    assert "cannot restore domain 'other'" in done.stderr
    assert "belongs to domain 'g'" in done.stderr
    scene.virsh("start", "other")


def test_a_machine_type_that_this_qemu_has_not(scene: Scene) -> None:
    scene.saved()
    text = scene.virsh("managedsave-dumpxml", "g").stdout
    image = save_file.inspect(str(scene.image))
    changed = text.replace("pc-i440fx-7.2", "pc-i440fx-99")
    assert changed != text
    head = replace(image.head, xml=changed)
    save_edit.replace_xml(image, head, FileDisk())
    for _ in range(2):
        done = scene.virsh("start", "g", check=False)
        assert done.returncode == 1
        assert "pc-i440fx-99" in done.stderr
        assert "start --force-boot g" in done.stderr
    assert scene.left() == ["g.save"]
    scene.virsh("start", "g", "--force-boot")


@pytest.mark.parametrize("whose", ["virtup's", "libvirt's"])
def test_a_disk_that_another_holds_leaves_the_state_for_later(scene: Scene, whose: str) -> None:
    image = scene.saved()
    if whose == "libvirt's":
        as_libvirts(image)
    drive = f"file={scene.disk},format=raw,if=virtio"
    holding = [lab.QEMU, "-S", "-nodefaults", "-display", "none", "-m", "32", "-drive", drive]
    with subprocess.Popen(holding, stdin=subprocess.DEVNULL) as holder:
        try:
            lab.eventually(lambda: has_locks(holder.pid), "the disk is held")
            for _ in range(2):
                refused = " ".join(scene.virsh("start", "g", check=False).stderr.split())
                held = f"The disk image '{scene.disk}' is in use by process {holder.pid} "
                assert f"{held}(qemu-system-x86), which holds its lock." in refused
                assert scene.left() == [image.name]
        finally:
            holder.kill()
    scene.start()
    assert scene.state() == "running (restored)"
    assert scene.left() == []


def test_a_definition_that_was_changed_in_its_image_is_told_by_what_changed(scene: Scene) -> None:
    image = scene.saved()
    image.write_bytes(image.read_bytes().replace(b"pc-i440fx-7.2", b"pc-i440fx-8.9", 1))
    refused = scene.virsh("start", "g", check=False).stderr
    assert "<type> was machine='pc-i440fx-7.2', is machine='pc-i440fx-8.9'" in refused
    assert "cannot run here" in refused
    assert "does not support machine type 'pc-i440fx-8.9'" in refused
    scene.start()
    assert scene.state() == "running (booted)"
