"""Which starts of a guest are told of and compared."""

from __future__ import annotations

import pytest

from tests.fakes.history import FILE, FINDING, GONE, UUID, Starts
from virtup.errors import DomainNotFound, InvalidArgument
from virtup.machine.attempts import Step


@pytest.fixture
def starts() -> Starts:
    return Starts()


async def test_a_guest_that_was_never_started(starts: Starts) -> None:
    reply = await starts.history.why("db")
    assert (reply["attempt"], reply["good"], reply["findings"]) == (None, None, [])
    assert await starts.history.of("db") == []
    with pytest.raises(InvalidArgument, match="no start of domain 'db' is recorded"):
        await starts.history.diff("db", None, None)


@pytest.mark.parametrize("name", ["gone", "a/b", "", "4dea22b3-0000-0000-0000-000000000000"])
async def test_a_guest_that_nobody_knows(starts: Starts, name: str) -> None:
    for ask in (
        starts.history.of(name),
        starts.history.why(name),
        starts.history.diff(name, None, None),
    ):
        with pytest.raises(DomainNotFound):
            await ask


async def test_a_failure_is_compared_with_the_last_good_start(starts: Starts) -> None:
    starts.start("running", kernel="5.0")
    good = starts.start("running")
    starts.fail()
    last = starts.fail()
    reply = await starts.history.why(UUID)
    assert (reply["guest"], reply["attempt"], reply["findings"]) == ("db", last, [FINDING])
    assert reply["good"]["number"] == good["number"]
    assert [one["what"] for one in reply["changes"]] == ["'/k'"]
    assert reply["failure"] is None
    assert reply["slow"] is None


async def test_records_under_way_are_waited_for(starts: Starts) -> None:
    starts.fail()
    await starts.history.of("db")
    await starts.history.why("db")
    await starts.history.diff("db", None, None)
    assert starts.settled == 3


async def test_a_start_that_never_got_as_far_shows_no_difference(starts: Starts) -> None:
    starts.start("running")
    starts.fail(emulator="", qemu_version="", files={}, argv=[])
    assert (await starts.history.why("db"))["changes"] == []


async def test_a_running_guest_names_its_last_failure(starts: Starts) -> None:
    starts.fail()
    starts.start("running")
    assert starts.guest is not None
    starts.guest.active = True
    reply = await starts.history.why("db")
    assert reply["active"]
    assert (reply["failure"]["number"], reply["good"], reply["changes"]) == (1, None, [])


async def test_a_guest_that_is_gone_keeps_its_records(starts: Starts) -> None:
    starts.fail()
    starts.guest = None
    for name in ("db", UUID):
        reply = await starts.history.why(name)
        assert (reply["guest"], reply["defined"], reply["active"]) == ("db", False, False)
    starts.now = {"files": {"/k": FILE}}
    assert (await starts.history.diff("db", "1", "now"))["changes"][0]["is"] == "there"


async def test_the_step_that_hung_is_named(starts: Starts) -> None:
    steps = [Step("prepare", 50.0), Step("monitor", 10_000.0)]
    starts.fail(ms=10_100.0, steps=steps)
    slow = (await starts.history.why("db"))["slow"]
    assert slow == {"step": "monitor", "ms": 10_000.0, "of_ms": 10_100.0}
    starts.fail(ms=30_000.0, steps=steps)
    assert (await starts.history.why("db"))["slow"] is None
    starts.fail(ms=900.0, steps=[Step("monitor", 900.0)])
    assert (await starts.history.why("db"))["slow"] is None


PAIRS = [
    ((None, None), (2, 3)),
    (("3", None), (2, 3)),
    (("4", None), (2, 4)),
    (("2", None), (1, 2)),
    (("1", None), (None, 1)),
    (("1", "4"), (1, 4)),
    (("3", "1"), (3, 1)),
    (("now", None), (4, 5)),
    (("2", "now"), (2, 5)),
]


@pytest.mark.parametrize(("asked", "compared"), PAIRS)
async def test_which_starts_are_compared(
    starts: Starts, asked: tuple[str | None, str | None], compared: tuple[int | None, int]
) -> None:
    starts.start("running")
    starts.start("running")
    starts.fail()
    starts.start("running")
    reply = await starts.history.diff("db", *asked)
    before = reply["before"] and reply["before"]["number"]
    assert (before, reply["after"]["number"]) == compared
    if before is None:
        assert (reply["changes"], reply["definition"]) == ([], [])


async def test_without_a_failure_the_last_two_are_compared(starts: Starts) -> None:
    starts.start("running")
    starts.start("running", kernel="6.2")
    reply = await starts.history.diff("db", None, None)
    assert [one["was"] for one in reply["changes"]] == ["6.1"]


@pytest.mark.parametrize("which", ["9", "0", "x", "-1", "1.0"])
async def test_a_start_that_is_not_recorded_is_refused(starts: Starts, which: str) -> None:
    starts.start("running")
    with pytest.raises(InvalidArgument, match=f"no start '{which}' .* there are 1 to 1, and 'now'"):
        await starts.history.diff("db", which, None)


async def test_a_guest_that_runs_has_its_memory_already(starts: Starts) -> None:
    memory = {"available_kib": 1 << 20, "swap_free_kib": 0}
    starts.start("running", host={"memory": memory})
    starts.now = {"host": {"memory": {**memory, "available_kib": 10}}}
    assert len((await starts.history.diff("db", "now", None))["changes"]) == 1
    assert starts.guest is not None
    starts.guest.active = True
    assert (await starts.history.diff("db", "now", None))["changes"] == []


async def test_the_definitions_are_shown(starts: Starts) -> None:
    starts.start("running")
    starts.fail(definition=starts.records[0]["definition"].replace(">131072<", ">262144<"))
    reply = await starts.history.diff("db", None, None)
    assert reply["definition"] == [
        "-  <memory unit='KiB'>131072</memory>",
        "+  <memory unit='KiB'>262144</memory>",
    ]
    assert [one["area"] for one in reply["changes"]] == ["files", "definition"]
    assert starts.records[1]["files"] == {"/k": GONE}
