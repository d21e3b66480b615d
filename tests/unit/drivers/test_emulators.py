"""What a QEMU can do is asked once, kept, and asked again when something changed."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.answers import answers
from virtup.drivers import emulators as module
from virtup.drivers.emulators import Emulators
from virtup.errors import VirtError
from virtup.host.accounts import Account
from virtup.host.kvm import KvmState
from virtup.machine.probe import EmulatorMissing, EmulatorNotExecutable, ProbeFailed
from virtup.qemu import probes
from virtup.qemu.capabilities import Capabilities, from_answers, with_cpus


@dataclass
class Lab:
    """A binary, a cache, and a probe that counts and can be held or made to fail."""

    binary: Path
    cache: Path
    kvm: KvmState = KvmState.USABLE
    kvm_works: bool = True
    asked: list[str] = field(default_factory=list)
    accounts: list[Account | None] = field(default_factory=list)
    error: VirtError | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    made: list[Emulators] = field(default_factory=list)
    account: Account | None = None

    def emulators(self) -> Emulators:
        made = Emulators(str(self.cache), lambda: self.account)
        self.made.append(made)
        return made

    async def probe(
        self, emulator: str, account: Account | None, *, timeout_s: float
    ) -> Capabilities:
        self.asked.append("kvm")
        self.accounts.append(account)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        works = self.kvm_works and self.kvm is KvmState.USABLE
        return from_answers(answers(query_kvm={"present": True, "enabled": works}))

    async def probe_without_kvm(
        self, emulator: str, account: Account | None, caps: Capabilities, *, timeout_s: float
    ) -> Capabilities:
        self.asked.append("tcg")
        await self.gate.wait()
        return with_cpus(caps, "tcg", {probes.CPUS: {"return": [{"name": "486"}]}})

    def files(self) -> list[Path]:
        return sorted(self.cache.glob("qemu-*"))


@pytest.fixture
async def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    binary, cache = tmp_path / "qemu", tmp_path / "cache"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    cache.mkdir()
    made = Lab(binary, cache)
    made.gate.set()
    monkeypatch.setattr(module.probe, "probe", made.probe)
    monkeypatch.setattr(module.probe, "probe_without_kvm", made.probe_without_kvm)
    monkeypatch.setattr(module.kvm, "state", lambda _: made.kvm)
    yield made
    for each in made.made:
        await each.close()


async def test_it_is_asked_once_and_kept_in_memory(lab: Lab) -> None:
    known = lab.emulators()
    first = await known.capabilities(str(lab.binary))
    assert await known.capabilities(str(lab.binary)) is first
    assert lab.asked == ["kvm"]


async def test_many_at_once_cost_one_probe(lab: Lab) -> None:
    known = lab.emulators()
    lab.gate.clear()
    waiting = [asyncio.create_task(known.capabilities(str(lab.binary))) for _ in range(5)]
    while not lab.asked:
        await asyncio.sleep(0)
    lab.gate.set()
    assert len({id(each) for each in await asyncio.gather(*waiting)}) == 1
    assert lab.asked == ["kvm"]


async def test_one_that_gives_up_does_not_end_it_for_another(lab: Lab) -> None:
    known = lab.emulators()
    lab.gate.clear()
    hasty = asyncio.create_task(known.capabilities(str(lab.binary)))
    patient = asyncio.create_task(known.capabilities(str(lab.binary)))
    while not lab.asked:
        await asyncio.sleep(0)
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    lab.gate.set()
    assert (await patient).version == (8, 1, 5)
    assert lab.asked == ["kvm"]


async def test_the_next_daemon_reads_it_from_the_cache(lab: Lab) -> None:
    first = lab.emulators()
    caps = await first.capabilities(str(lab.binary))
    await first.close()
    (kept,) = lab.files()
    assert kept.stat().st_mode & 0o777 == 0o600

    again = await lab.emulators().capabilities(str(lab.binary))
    assert again == caps
    assert lab.asked == ["kvm"]


async def test_two_binaries_are_two_answers(lab: Lab) -> None:
    other = lab.binary.with_name("other")
    other.write_text("#!/bin/sh\n")
    known = lab.emulators()
    await known.capabilities(str(lab.binary))
    await known.capabilities(str(other))
    await known.close()
    assert lab.asked == ["kvm", "kvm"]
    assert len(lab.files()) == 2


async def _touched(lab: Lab) -> None:
    seen = lab.binary.stat()
    os.utime(lab.binary, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))


async def _grown(lab: Lab) -> None:
    seen = lab.binary.stat()
    with lab.binary.open("a") as file:
        file.write("#")
    os.utime(lab.binary, ns=(seen.st_atime_ns, seen.st_mtime_ns))


async def _replaced(lab: Lab) -> None:
    seen = lab.binary.stat()
    copy = lab.binary.with_name("copy")
    copy.write_bytes(lab.binary.read_bytes())
    os.utime(copy, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    copy.rename(lab.binary)


async def _without_kvm(lab: Lab) -> None:
    lab.kvm = KvmState.NOT_PERMITTED


@pytest.mark.parametrize("change", [_touched, _grown, _replaced, _without_kvm])
@pytest.mark.parametrize("daemon", ["the same", "the next"])
async def test_a_change_asks_again(lab: Lab, change: object, daemon: str) -> None:
    known = lab.emulators()
    await known.capabilities(str(lab.binary))
    await known.close()
    await change(lab)  # type: ignore[operator]
    if daemon == "the next":
        known = lab.emulators()
    caps = await known.capabilities(str(lab.binary))
    assert lab.asked == ["kvm", "kvm"]
    assert caps.kvm_enabled is (lab.kvm is KvmState.USABLE)


async def test_another_kernel_asks_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    known = lab.emulators()
    await known.capabilities(str(lab.binary))
    monkeypatch.setattr(module.node, "kernel", lambda: "99.9-other")
    await known.capabilities(str(lab.binary))
    assert lab.asked == ["kvm", "kvm"]


async def test_kvm_that_should_have_worked_is_asked_again_by_the_next_daemon(lab: Lab) -> None:
    lab.kvm_works = False
    first = lab.emulators()
    assert not (await first.capabilities(str(lab.binary))).kvm_enabled
    await first.capabilities(str(lab.binary))
    await first.close()
    assert (lab.asked, lab.files()) == (["kvm"], [])
    lab.kvm_works = True
    assert (await lab.emulators().capabilities(str(lab.binary))).kvm_enabled


def _scrambled(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"virtio-blk-pci", b"virtio-blk-pcj"))


SPOILT = {
    "empty": lambda path: path.write_bytes(b""),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00garbage"),
    "garbage": lambda path: path.write_text("hello\nworld\n"),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "changed": _scrambled,
    "foreign": lambda path: path.write_text(json.dumps({"key": 1}) + "\n{}\n[]\n"),
    "another's key": lambda path: path.write_bytes(path.read_bytes().replace(b"qemu", b"qemv")),
}


@pytest.mark.parametrize("how", SPOILT)
async def test_a_spoilt_file_is_made_anew(lab: Lab, how: str) -> None:
    first = lab.emulators()
    caps = await first.capabilities(str(lab.binary))
    await first.close()
    (kept,) = lab.files()
    whole = kept.read_bytes()
    SPOILT[how](kept)
    assert kept.read_bytes() != whole

    second = lab.emulators()
    assert await second.capabilities(str(lab.binary)) == caps
    await second.close()
    assert lab.asked == ["kvm", "kvm"]
    assert kept.read_bytes() == whole


async def test_a_directory_in_the_files_place_costs_a_log_line(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    first = lab.emulators()
    await first.capabilities(str(lab.binary))
    await first.close()
    (kept,) = lab.files()
    kept.unlink()
    kept.mkdir()
    (kept / "full").touch()
    with caplog.at_level(logging.WARNING):
        second = lab.emulators()
        assert (await second.capabilities(str(lab.binary))).version == (8, 1, 5)
        await second.close()
    assert "could not be kept" in caplog.text


async def test_a_missing_cache_directory_costs_a_log_line(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.cache.rmdir()
    known = lab.emulators()
    assert (await known.capabilities(str(lab.binary))).version == (8, 1, 5)
    await known.close()
    assert "could not be kept" in caplog.text


async def test_a_failed_probe_is_not_kept(lab: Lab) -> None:
    lab.error = ProbeFailed("it is broken", path=str(lab.binary), status=1)
    known = lab.emulators()
    with pytest.raises(ProbeFailed, match="it is broken"):
        await known.capabilities(str(lab.binary))
    lab.error = None
    assert (await known.capabilities(str(lab.binary))).version == (8, 1, 5)
    assert lab.asked == ["kvm", "kvm"]


async def test_what_is_not_there_is_told_without_a_probe(lab: Lab) -> None:
    known = lab.emulators()
    for path in ("/no/such/qemu", "relative/qemu", "", "/with\0zero", str(lab.binary / "below")):
        with pytest.raises(EmulatorMissing) as caught:
            await known.capabilities(path)
        assert caught.value.errno in (errno.ENOENT, errno.ENOTDIR)
        assert caught.value.path == path
    assert lab.asked == []


async def test_what_may_not_be_looked_at_is_not_executable(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(module.emulators, "identify", refused)
    with pytest.raises(EmulatorNotExecutable):
        await lab.emulators().capabilities(str(lab.binary))


async def test_cpu_models_without_kvm_are_asked_for_when_they_are_wanted(lab: Lab) -> None:
    known = lab.emulators()
    assert "tcg" not in (await known.capabilities(str(lab.binary))).cpus
    slow = await known.without_kvm(str(lab.binary))
    assert [model.name for model in slow.cpu_models("qemu")] == ["486"]
    assert await known.without_kvm(str(lab.binary)) is slow
    assert await known.capabilities(str(lab.binary)) is slow
    await known.close()
    assert lab.asked == ["kvm", "tcg"]
    assert await lab.emulators().without_kvm(str(lab.binary)) == slow
    assert lab.asked == ["kvm", "tcg"]


async def test_without_kvm_nothing_more_is_asked(lab: Lab) -> None:
    lab.kvm = KvmState.MISSING
    await lab.emulators().without_kvm(str(lab.binary))
    assert lab.asked == ["kvm"]


async def test_forgetting_asks_again(lab: Lab) -> None:
    known = lab.emulators()
    await known.capabilities(str(lab.binary))
    await known.close()
    known.forget(str(lab.binary))
    known.forget("/never/seen")
    assert lab.files() == []
    await known.capabilities(str(lab.binary))
    assert lab.asked == ["kvm", "kvm"]


async def test_closing_ends_a_probe(lab: Lab) -> None:
    known = lab.emulators()
    lab.gate.clear()
    waiting = asyncio.create_task(known.capabilities(str(lab.binary)))
    while not lab.asked:
        await asyncio.sleep(0)
    await known.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_it_is_asked_as_qemus_user(lab: Lab) -> None:
    lab.account = Account("qemu", 5, 5, (5,))
    await lab.emulators().capabilities(str(lab.binary))
    assert lab.accounts == [lab.account]
