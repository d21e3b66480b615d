"""The order of a repair: the record first, then the act; all of an option or nothing of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from virtup.causes.finding import Certainty, Finding, Safety, mend
from virtup.drivers.remedies import Item, Option
from virtup.drivers.repairing import Repairing
from virtup.errors import OperationFailed, OperationInvalid
from virtup.host.disk import FileDisk
from virtup.host.mending import CannotRepair, ChangedSince, NotNeeded
from virtup.machine.repairs import Repairs, StepState
from virtup.model.repair import LoadModule, Repair

A, B = LoadModule("a"), LoadModule("b")


def option(*repairs: Repair) -> Option:
    fix = mend("mend it", *repairs, safety=Safety.AUTO)
    finding = Finding("VU001", "x", "It is broken.", "it", Certainty.PROVEN, ("seen",), (fix,))
    return Option(finding, fix)


class Mender:
    """Notes what it is asked; ``refuses`` by verb and module what it is to refuse, and with what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses: dict[str, Exception | type[Exception]] = {}
        self.before_doing: Callable[[], None] = lambda: None

    def _note(self, what: str, repair: Repair) -> None:
        assert isinstance(repair, LoadModule)
        word = f"{what} {repair.name}"
        self.asked.append(word)
        if word in self.refuses:
            raise self.refuses[word]

    async def survey(self, repair: Repair, _guest: Any) -> dict[str, Any]:
        self._note("survey", repair)
        return {"was": "so"}

    async def do(self, repair: Repair, before: dict[str, Any], _guest: Any) -> dict[str, Any]:
        assert before == {"was": "so"}
        self.before_doing()
        self._note("do", repair)
        return {"is": "so"}

    async def undo(self, repair: Repair, *_: Any) -> None:
        self._note("undo", repair)


class Guest:
    name = "vm1"
    active = False
    definition = SimpleNamespace(uuid="u")

    @contextlib.asynccontextmanager
    async def job(self, _what: str) -> AsyncIterator[None]:
        yield


class Lab:
    def __init__(self, place: Path) -> None:
        self.guest, self.mender = Guest(), Mender()
        self.records = Repairs(str(place / "repairs"), FileDisk())
        self.options: list[Option] = []
        named = {Guest.name: self.guest}
        domains: Any = SimpleNamespace(all=lambda: [self.guest], named=named.get)
        mender: Any = self.mender
        remedies: Any = self
        self.acts = 0
        self.repairing = Repairing(domains, remedies, self.records, mender, on_act=self._acted)

    def _acted(self) -> None:
        self.acts += 1

    async def of(self, _guest: Guest) -> list[Item]:
        return [Item(one.finding, (one,)) for one in self.options]

    async def apply(self, *options: Option) -> list[str]:
        self.options = list(options)
        guest: Any = self.guest
        told = await self.repairing.apply(guest, [one.key for one in options], None)
        return [f"{one['state']} {one['error']}".strip() for one in told["results"]]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


async def test_the_record_is_on_disk_before_anything_changes(lab: Lab) -> None:
    seen = []

    def look() -> None:
        (work,) = lab.records.of("vm1")
        seen.append((work.steps[-1].state, work.steps[-1].before))

    lab.mender.before_doing = look
    assert await lab.apply(option(A)) == ["done"]
    assert seen == [(StepState.BEGUN, {"was": "so"})]
    assert lab.records.of("vm1")[0].steps[0].state is StepState.DONE


async def test_without_a_record_nothing_changes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any) -> None:
        raise OSError(28, "No space left on device", "/var")

    monkeypatch.setattr(lab.records, "write", full)
    with pytest.raises(OperationFailed, match="No space left"):
        await lab.apply(option(A))
    assert lab.mender.asked == ["survey a"]


async def test_who_keeps_what_a_repair_may_change_is_told_of_each(lab: Lab) -> None:
    await lab.apply(option(A))
    assert lab.acts == 1
    await lab.repairing.undo("vm1")
    assert lab.acts == 2


async def test_of_two_acts_both_are_done_or_none(lab: Lab) -> None:
    lab.mender.refuses["do b"] = CannotRepair("b is busy")
    assert await lab.apply(option(A, B)) == ["failed b is busy"]
    assert lab.mender.asked == ["survey a", "do a", "survey b", "do b", "undo a"]
    assert lab.records.last("vm1") is None


async def test_an_act_that_is_not_needed_is_left_out(lab: Lab) -> None:
    lab.mender.refuses["survey a"] = NotNeeded("it is loaded")
    assert await lab.apply(option(A, B)) == ["done"]
    assert await lab.apply(option(A)) == ["gone"]


async def test_what_is_not_in_the_plan_of_now_is_not_done(lab: Lab) -> None:
    guest: Any = lab.guest
    told = await lab.repairing.apply(guest, [option(A).key], None)
    assert [one["state"] for one in told["results"]] == ["gone"]
    assert lab.mender.asked == []


async def test_a_guest_that_runs_is_not_mended_under(lab: Lab) -> None:
    lab.guest.active = True
    with pytest.raises(OperationInvalid, match="nothing to mend"):
        await lab.apply(option(A))


async def test_rounds_are_one_transaction_and_undone_backwards(lab: Lab) -> None:
    lab.options = [option(A), option(B)]
    guest: Any = lab.guest
    first = await lab.repairing.apply(guest, [option(A).key], None)
    again = await lab.repairing.apply(guest, [option(B).key], first["transaction"])
    assert again["transaction"] == first["transaction"]
    lab.mender.asked.clear()
    told = await lab.repairing.undo("vm1")
    assert lab.mender.asked == ["undo b", "undo a"]
    assert told["stands"] is False
    assert told["undone"]
    with pytest.raises(OperationInvalid, match="was taken back"):
        await lab.repairing.undo("vm1")


async def test_what_cannot_be_taken_back_now_can_be_later(lab: Lab) -> None:
    await lab.apply(option(A, B))
    lab.mender.refuses["undo a"] = CannotRepair("busy")
    told = await lab.repairing.undo("vm1")
    assert told["stands"] is True
    assert [one["error"] for one in told["steps"]] == ["busy", ""]
    del lab.mender.refuses["undo a"]
    lab.mender.asked.clear()
    assert (await lab.repairing.undo("vm1"))["stands"] is False
    assert lab.mender.asked == ["undo a"]


async def test_what_is_somebody_elses_now_is_left_for_good(lab: Lab) -> None:
    await lab.apply(option(A))
    lab.mender.refuses["undo a"] = ChangedSince("it is another's")
    told = await lab.repairing.undo("vm1")
    assert told["steps"][0]["state"] == "changed since"
    with pytest.raises(OperationInvalid, match="nothing is left"):
        await lab.repairing.undo("vm1")


async def test_what_runs_on_a_repair_is_not_taken_its_ground(lab: Lab) -> None:
    await lab.apply(option(A))
    lab.guest.active = True
    with pytest.raises(OperationInvalid, match="runs, on what was mended"):
        await lab.repairing.undo("vm1")
