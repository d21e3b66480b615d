"""What is gathered beside a start: bounded, in order, as files are when they are not lent."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from virtup.host.accounts import Account
from virtup.host.disk import FileDisk
from virtup.host.ownership import Ledger, Record
from virtup.machine import recorder
from virtup.machine.attempts import Attempt, Attempts
from virtup.machine.recorder import Recorder
from virtup.machine.settings import Settings
from virtup.model.domain import Domain, format_domain, parse_domain

XML = """<domain type='qemu'>
  <name>vm</name>
  <memory unit='KiB'>4096</memory>
  <os>
    <type arch='x86_64'>hvm</type>
    <kernel>{place}/boot/vmlinuz</kernel>
  </os>
  <devices>
    <emulator>{place}/qemu</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{place}/a.raw'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <source bridge='lo'/>
    </interface>
    <interface type='ethernet'>
      <target dev='notap0' managed='no'/>
    </interface>
  </devices>
</domain>
"""


class Scene:
    """A recorder of the guest ``vm``, whose kernel and QEMU are files of the test's own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "boot").mkdir()
        for name in ("boot/vmlinuz", "qemu", "a.raw"):
            (place / name).write_bytes(b"x" * 512)
            (place / name).chmod(0o644)
        self.ledger = Ledger(str(place / "ledger.json"), FileDisk())
        self.attempts = Attempts(str(place), FileDisk(), kept=9)
        self.recorder = Recorder(self.attempts, self.ledger, Settings())

    @property
    def domain(self) -> Domain:
        return parse_domain(XML.format(place=self.place))

    def attempt(self, second: int = 1) -> Attempt:
        began = f"2026-01-02T03:04:{second:02}.000Z"
        return Attempt(guest="vm", uuid="", began=began, verdict="running")

    async def recorded(self, domain: Domain | None = None) -> dict[str, Any]:
        self.recorder.note(self.attempt(), domain or self.domain, None)
        await self.recorder.settle()
        return self.attempts.of("vm")[-1]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_everything_that_a_start_uses_is_told(scene: Scene) -> None:
    record = await scene.recorded()
    place = str(scene.place)
    uses = {path.removeprefix(place): one["use"] for path, one in record["files"].items()}
    assert uses["/qemu"] == "emulator"
    assert uses["/boot/vmlinuz"] == "file"
    assert uses["/a.raw"] == "disk"
    assert uses["/boot"] == uses[""] == "directory"
    assert uses["/dev/net/tun"] == "device"
    assert "/dev/kvm" not in uses
    assert record["network"]["notap0"] == {"exists": False}
    assert record["network"]["lo"]["exists"]
    assert record["host"]["kernel"] == os.uname().release
    assert record["user"]["uid"] == os.geteuid()
    assert record["settings"]["sandbox"] is True
    assert (record["memory_kib"], record["virt"], record["given"]) == (4096, "qemu", "")


async def test_what_was_given_is_kept_beside_what_became_of_it(scene: Scene) -> None:
    from dataclasses import replace

    given = scene.domain
    record = await scene.recorded(replace(given, title="completed", given=given))
    assert record["given"] == format_domain(given, inactive=True)


async def test_a_lent_file_is_told_as_its_owners(scene: Scene, monkeypatch: Any) -> None:
    disk = scene.place / "a.raw"
    seen = disk.stat()
    lent = Record(str(disk), seen.st_ino, 4242, 4243, 0o644, seen.st_uid, ("vm",))
    other = Record(str(scene.place / "qemu"), 1, 4242, 4243, 0o644, seen.st_uid, ("vm",))
    monkeypatch.setattr(scene.ledger, "records", lambda: (lent, other))
    files = (await scene.recorded())["files"]
    one = files[str(disk)]
    assert (one["uid"], one["gid"], one["owner"], one["group"]) == (4242, 4243, "4242", "4243")
    assert files[str(scene.place / "qemu")]["uid"] == seen.st_uid


async def test_records_of_a_guest_keep_their_order(scene: Scene, monkeypatch: Any) -> None:
    slow = threading.Event()
    real = recorder.surroundings
    calls = iter((True, False, False))

    def surroundings() -> dict[str, Any]:
        if next(calls):
            slow.wait(recorder.LOOK_S / 2)
        return real()

    monkeypatch.setattr(recorder, "surroundings", surroundings)
    for second in (1, 2, 3):
        scene.recorder.note(scene.attempt(second), scene.domain, None)
    slow.set()
    await scene.recorder.settle()
    found = scene.attempts.of("vm")
    assert [(one["number"], one["began"][17:19]) for one in found] == [
        (1, "01"),
        (2, "02"),
        (3, "03"),
    ]


async def test_what_does_not_answer_is_said_and_keeps_nothing_up(
    scene: Scene, monkeypatch: Any
) -> None:
    never = threading.Event()
    real = recorder.fingerprint
    monkeypatch.setattr(recorder, "LOOK_S", 0.3)

    def fingerprint(path: str, **more: Any) -> dict[str, Any]:
        if path.endswith("a.raw"):
            never.wait()
        return real(path, **more)

    monkeypatch.setattr(recorder, "fingerprint", fingerprint)
    try:
        files = (await scene.recorded())["files"]
    finally:
        never.set()
    assert files[str(scene.place / "a.raw")]["error"] == "no answer within 0.3 s"
    assert files[str(scene.place / "qemu")]["size"] == 512


async def test_a_record_that_cannot_be_written_is_logged(
    scene: Scene, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: Attempt) -> None:
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr(scene.attempts, "keep", full)
    scene.recorder.note(scene.attempt(), scene.domain, None)
    await scene.recorder.settle()
    assert "the record of a start of 'vm' is lost: [Errno 28] No space left" in caplog.text
    await asyncio.sleep(0)
    await scene.recorder.settle()


async def test_now_is_looked_at_and_not_kept(scene: Scene) -> None:
    attempt = scene.attempt()
    account = Account("someone", 4242, 4242, (4242, 108))
    await scene.recorder.look(attempt, scene.domain, account)
    assert attempt.user == {"name": "someone", "uid": 4242, "gids": [4242, 108]}
    assert attempt.files[str(scene.place / "qemu")]["use"] == "emulator"
    assert scene.attempts.of("vm") == []


async def test_no_password_is_kept(scene: Scene) -> None:
    from dataclasses import replace

    display = "<graphics type='vnc' passwd='s3cret'/>"
    text = format_domain(scene.domain, inactive=True).replace(
        "<interface", f"{display}<interface", 1
    )
    given = parse_domain(text)
    assert "s3cret" in format_domain(given, secure=True)
    await scene.recorded(replace(given, given=given))
    (file,) = (scene.place / "guest-vm").iterdir()
    assert "graphics" in file.read_text()
    assert "s3cret" not in file.read_text()
