"""An office of virtup-guests with a fake daemon, a fake clock and real files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.remote import FakeGuest, FakeRemote, driven
from virtup.client.connection import ConnectFailed
from virtup.guests.office import Office
from virtup.guests.report import Outcome, Report, Run
from virtup.guests.settings import Settings
from virtup.guests.start import start
from virtup.guests.stop import foresee, stop
from virtup.guests.waiting import Waiting
from virtup.host.disk import Disk, FileDisk


class Lab:
    """One host: its daemons by URI, what is kept on disk, and what was said."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.clock = FakeClock()
        self.remotes: dict[str, FakeRemote] = {}
        self.said: list[str] = []
        self.disk: Disk = FileDisk()
        self.boot = "boot-1"

    def daemon(self, *guests: FakeGuest, uri: str = "default") -> FakeRemote:
        remote = self.remotes[uri] = FakeRemote(self.clock, *guests, uri=uri)
        remote.directory = str(self.place)
        return remote

    def office(self, **settings: Any) -> Office:
        waiting = Waiting(f"{self.place}/waiting.json", self.disk)
        waiting.load()
        report = Report(f"{self.place}/report.json", self.disk)
        report.load()
        return Office(
            settings=dataclasses.replace(Settings(save_speed=100), **settings),
            clock=self.clock,
            waiting=waiting,
            report=report,
            connect=self._connect,
            say=self.said.append,
            boot=self.boot,
        )

    async def _connect(self, uri: str) -> FakeRemote:
        if uri not in self.remotes:
            raise ConnectFailed(f"Failed to connect socket to '{uri}'")
        return self.remotes[uri]

    async def stop(self, **settings: Any) -> dict[str, Outcome]:
        run = await driven(self.clock, stop(self.office(**settings)))
        return self._by_name(run)

    async def start(self, **settings: Any) -> dict[str, Outcome]:
        self.boot = "boot-2"
        run = await driven(self.clock, start(self.office(**settings)))
        return self._by_name(run)

    async def foresee(self, **settings: Any) -> Any:
        return await driven(self.clock, foresee(self.office(**settings)))

    def _by_name(self, run: Run) -> dict[str, Outcome]:
        self.run = run
        return {each.name: each for each in run.guests}

    def listed(self) -> dict[str, str]:
        """Who is on the list, and what was done to them."""
        waiting = Waiting(f"{self.place}/waiting.json", FileDisk())
        waiting.load()
        return {entry.name: entry.how for entry in waiting.entries()}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def guest() -> Callable[..., FakeGuest]:
    return FakeGuest
