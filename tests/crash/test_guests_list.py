"""Power cuts while guests go down and come up: whoever does not run is listed, or back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.disk import ModelDisk, PowerCut
from tests.fakes.remote import FakeGuest, FakeRemote, driven
from virtup.errors import OperationFailed
from virtup.guests.office import Office
from virtup.guests.report import Report
from virtup.guests.settings import Settings
from virtup.guests.start import start
from virtup.guests.stop import stop
from virtup.guests.waiting import ListDamaged, Waiting
from virtup.host import disk as durable
from virtup.host.disk import Disk

LIST = "/g/waiting.json"
Act = Callable[[Office], Coroutine[Any, Any, Any]]


def guests() -> list[FakeGuest]:
    return [
        FakeGuest("web"),
        FakeGuest("db", save_s=2),
        FakeGuest("bad", save_error=OperationFailed("no")),
    ]


def office(clock: FakeClock, remote: FakeRemote, disk: Disk) -> Office:
    waiting = Waiting(LIST, disk)
    waiting.load()
    report = Report("/g/report.json", disk)
    report.load()

    async def connect(_uri: str) -> FakeRemote:
        return remote

    settings = Settings(save_speed=100)
    return Office(settings, clock, waiting, report, connect, lambda _line: None)


def listed(world: ModelDisk) -> set[str]:
    waiting = Waiting(LIST, world)
    try:
        waiting.load()
    except ListDamaged:
        return set()
    return {entry.name for entry in waiting.entries()}


def cut_everywhere(act: Act, prepare: Act | None = None) -> Iterator[set[str]]:
    """Cut the power at each call of *act*; for every world that can follow, who was forgotten."""
    for cut_at in range(1, 400):
        disk = ModelDisk(write_bytes_max=200)
        disk.dirs.add("/g")
        clock = FakeClock()
        remote = FakeRemote(clock, *guests(), uri="default")
        if prepare is not None:
            asyncio.run(driven(clock, prepare(office(clock, remote, disk))))
        disk.cut_at = disk.calls + cut_at
        try:
            asyncio.run(driven(clock, act(office(clock, remote, disk))))
        except (PowerCut, BaseExceptionGroup):
            assert disk.off
        off = {one.name for one in remote.guests.values() if not one.active}
        for world in disk.worlds():
            yield off - listed(world)
        if not disk.off:
            return
    raise AssertionError("the act never ended")


def test_nobody_is_forgotten_while_guests_go_down() -> None:
    worlds = list(cut_everywhere(stop))
    assert not any(worlds)
    assert len(worlds) > 20


def test_nobody_is_forgotten_while_guests_come_up() -> None:
    worlds = list(cut_everywhere(start, prepare=stop))
    assert not any(worlds)
    assert len(worlds) > 20


def test_the_model_catches_a_list_that_is_written_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = Waiting.add
    monkeypatch.setattr(Waiting, "add", lambda _self, _entries: None)
    monkeypatch.setattr(Waiting, "note", lambda self, key, _how, _why="": plain(self, []))
    assert any(cut_everywhere(stop))


def test_the_model_catches_a_list_that_is_not_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "write_durably", durable.write_at_once)
    assert any(cut_everywhere(stop))
