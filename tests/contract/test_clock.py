"""The port Clock: one suite for the host's clock and for the one that tests move."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.clock import FakeClock
from virtup.host.clock import Clock, SystemClock, stamp


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


async def test_it_never_goes_back_and_lets_others_run(clock: Clock) -> None:
    before = clock.monotonic()
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    task = asyncio.create_task(other())
    await clock.sleep(0)
    await task
    assert ran == ["other"]
    assert clock.monotonic() >= before
    assert clock.now() > 1_500_000_000


async def test_the_fake_wakes_sleepers_in_their_order_when_it_is_moved() -> None:
    clock, woke = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woke.append(seconds)

    tasks = [asyncio.create_task(sleeper(each)) for each in (3.0, 1.0, 2.0)]
    await asyncio.sleep(0)
    clock.advance(2.0)
    await asyncio.sleep(0)
    assert woke == [1.0, 2.0]
    clock.advance(1.0)
    await asyncio.gather(*tasks)
    assert woke == [1.0, 2.0, 3.0]


def test_a_stamp_is_in_utc_with_milliseconds_cut_not_rounded() -> None:
    assert stamp(0.0) == "1970-01-01 00:00:00.000+0000"
    assert stamp(1_769_846_709.9999) == "2026-01-31 08:05:09.999+0000"
