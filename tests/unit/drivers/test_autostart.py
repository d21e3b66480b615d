"""Guests that start with the host: once a boot, in order, and nobody is lost when a daemon dies."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.remote import driven
from virtup.drivers.autostart import AT_ONCE, Autostart
from virtup.errors import OperationFailed, OperationInvalid
from virtup.host.disk import FileDisk

BOOTED, RESTORED, OFF = (1, 1), (1, 3), (5, 0)


class Guest:
    """A guest that starts as it is told to."""

    def __init__(self, host: Host, name: str, **how: Any) -> None:
        self.host = host
        self.name = name
        self.autostart = how.get("autostart", True)
        self.autostart_once = how.get("once", False)
        self.uuid = uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes
        boot = how.get("boot", "")
        metadata = f"<metadata><v:boot xmlns:v='urn:virtup:guests:1' {boot}/></metadata>"
        self.definition: Any = SimpleNamespace(
            uuid=str(uuid.UUID(bytes=self.uuid)), metadata=metadata if boot else None
        )
        self.error = how.get("error")
        self.comes = how.get("comes", BOOTED)
        self.notes = how.get("notes", ())
        self.start_notes: tuple[str, ...] = ()
        self.active = how.get("active", False)

    def state(self) -> tuple[int, int]:
        return self.comes if self.active else OFF

    async def start(self, _flags: int, _client_id: int | None) -> None:
        if self.active:
            raise OperationInvalid("domain is already running")
        self.host.started.append(self.name)
        self.host.now += 1
        self.host.most = max(self.host.most, self.host.now)
        await self.host.clock.sleep(1)
        self.host.now -= 1
        if self.error:
            raise self.error
        self.active, self.start_notes = True, self.notes

    async def set_autostart_once(self, once: bool) -> None:
        self.autostart_once = once


class Host:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.clock = FakeClock()
        self.started: list[str] = []
        self.now = self.most = 0

    def guest(self, name: str, **how: Any) -> Guest:
        return Guest(self, name, **how)

    def daemon(self, boot: str = "one") -> Autostart:
        return Autostart(str(self.place), FileDisk(), self.clock, boot)

    async def up(self, *guests: Guest, boot: str = "one") -> dict[str, str]:
        daemon = self.daemon(boot)
        await driven(self.clock, daemon.run(list(guests)))
        return {each["name"]: each["outcome"] for each in daemon.summary()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def test_marked_guests_start_and_are_told_how(host: Host) -> None:
    seen = await host.up(
        host.guest("plain"),
        host.guest("saved", comes=RESTORED),
        host.guest("lost", notes=("its state was incomplete",)),
        host.guest("bad", error=OperationFailed("no\ncause: x\n3\n4\n5")),
        host.guest("off", autostart=False),
    )
    assert seen == {"plain": "started", "saved": "restored", "lost": "cold-booted", "bad": "failed"}


async def test_the_summary_says_why_and_when(host: Host) -> None:
    daemon = host.daemon()
    guests = [
        host.guest("lost", notes=("its state was incomplete",)),
        host.guest("bad", error=OperationFailed("no\ncause: x\n3\n4\n5")),
    ]
    await driven(host.clock, daemon.run(guests))
    why = {each["name"]: each["why"] for each in daemon.summary()}
    assert why["lost"] == "its state was incomplete"
    assert why["bad"].splitlines() == ["operation failed: no", "cause: x", "3", "4"]
    assert all(each["at"].startswith("2027-01-15T08:00:") for each in daemon.summary())


async def test_a_mistake_of_ours_ends_the_turn_of_one_guest_alone(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    bad: Any = host.guest("bad", error=ZeroDivisionError("a bug"), boot="order='-1'")
    assert await host.up(bad, host.guest("good")) == {"good": "started", "bad": "failed"}
    assert "'bad' was not started" in caplog.text


async def test_once_a_boot(host: Host) -> None:
    one = host.guest("a")
    await host.up(one)
    one.active = False
    assert await host.up(one) == {"a": "started"}, "the account of this boot stays"
    assert host.started == ["a"]
    await host.up(one, boot="two")
    assert host.started == ["a", "a"]


async def test_one_that_is_marked_after_the_boot_waits_for_the_next(host: Host) -> None:
    one = host.guest("a", autostart=False)
    await host.up(one)
    one.autostart = one.autostart_once = True
    assert await host.up(one) == {}


async def test_once_is_once(host: Host) -> None:
    one = host.guest("a", autostart=False, once=True)
    assert await host.up(one) == {"a": "started"}
    assert not one.autostart_once
    one.active = False
    assert await host.up(one, boot="two") == {}
    bad = host.guest("bad", autostart=False, once=True, error=OperationFailed("no"))
    assert await host.up(bad, boot="three") == {"bad": "failed"}
    assert not bad.autostart_once


async def test_a_daemon_that_dies_is_followed_by_one_that_goes_on(host: Host) -> None:
    guests = [host.guest(f"g{n}", boot=f"order='{n}'") for n in range(3)]
    task = asyncio.ensure_future(host.daemon().run(list(guests)))
    while host.started != ["g0", "g1"]:
        await asyncio.sleep(0)
        host.clock.advance(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await host.up(*guests) == dict.fromkeys(("g0", "g1", "g2"), "started")
    assert host.started == ["g0", "g1", "g1", "g2"]


async def test_order_and_bound(host: Host) -> None:
    await host.up(
        host.guest("last", boot="order='9'"),
        host.guest("first", boot="order='-1' delay='20'"),
        *(host.guest(f"g{n}") for n in range(AT_ONCE * 2)),
    )
    assert host.started[0] == "first"
    assert host.started[-1] == "last"
    assert host.most == AT_ONCE
    assert host.clock.monotonic() >= 20


async def test_one_that_somebody_else_started_counts(host: Host) -> None:
    assert await host.up(host.guest("a", active=True, comes=RESTORED)) == {"a": "restored"}
    assert host.started == []


async def test_libvirtd_did_it_already(host: Host) -> None:
    (host.place / "autostarted").touch()
    assert await host.up(host.guest("a")) == {}
    assert host.started == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"boot": "one"}'])
async def test_an_account_that_cannot_be_read_is_a_new_boot(host: Host, text: str) -> None:
    (host.place / "autostarted.json").write_text(text)
    assert await host.up(host.guest("a")) == {"a": "started"}


async def test_a_place_that_cannot_be_written_starts_guests_all_the_same(host: Host) -> None:
    host.place = host.place / "gone"
    assert await host.up(host.guest("a")) == {"a": "started"}
