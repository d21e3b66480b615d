"""The host is up: who comes back, in which order, and what becomes of those who do not."""

from __future__ import annotations

import errno
import itertools

import pytest

from tests.fakes.remote import FakeGuest
from virtup.errors import OperationFailed
from virtup.guests.waiting import ListDamaged
from virtup.host.disk import FileDisk
from virtup.model.boot_order import Wish

BROKEN = OperationFailed(
    "the guest 'web' does not start\ncause: the disk is gone\nfix: bring it\n4\n5"
)


def outcomes(seen):
    return {name: each.outcome for name, each in seen.items()}


async def test_saved_guests_are_restored_and_taken_off_the_list(lab):
    remote = lab.daemon(FakeGuest("web"), FakeGuest("db"))
    await lab.stop()
    assert outcomes(await lab.start()) == {"web": "restored", "db": "restored"}
    assert lab.listed() == {}
    assert sorted(remote.order("start")) == ["db", "web"]
    assert not (lab.place / "waiting.json").exists()


async def test_guests_that_were_shut_down_are_started(lab):
    lab.daemon(FakeGuest("web"))
    await lab.stop(on_shutdown="shutdown")
    seen = await lab.start(on_shutdown="shutdown")
    assert (seen["web"].outcome, seen["web"].why) == ("started", "")


async def test_a_guest_that_could_not_be_saved_says_so_when_it_is_back(lab):
    lab.daemon(FakeGuest("web", save_error=OperationFailed("disk full")))
    await lab.stop()
    seen = await lab.start()
    assert seen["web"].outcome == "cold-booted"
    assert "disk full" in seen["web"].why


async def test_a_lost_state_is_a_cold_boot_with_the_daemons_reason(lab):
    remote = lab.daemon(FakeGuest("web", loses_state="it was incomplete"), FakeGuest("db"))
    await lab.stop()
    db = next(one for one in remote.guests.values() if one.name == "db")
    db.saved = False
    seen = await lab.start()
    assert (seen["web"].outcome, seen["web"].why) == ("cold-booted", "it was incomplete")
    assert (seen["db"].outcome, seen["db"].why) == (
        "cold-booted",
        "its saved state was not there any more, or not used",
    )


async def test_a_cold_boot_after_a_failed_start_says_what_that_said(lab):
    remote = lab.daemon(one := FakeGuest("web", start_error=OperationFailed("it is zero-filled")))
    await lab.stop()
    assert outcomes(await lab.start()) == {"web": "failed"}
    one.saved, one.start_error = False, None
    seen = await lab.start()
    assert seen["web"].outcome == "cold-booted"
    assert "it is zero-filled" in seen["web"].why
    assert remote.order("start") == ["web", "web"]


async def test_power_lost_before_the_save_is_a_cold_boot(lab):
    remote = lab.daemon(FakeGuest("web", save_error=OperationFailed("x"), shutdown_s=None))
    await lab.stop(shutdown_timeout=2)
    assert lab.listed() == {"web": "pending"}
    for one in remote.guests.values():
        one.active = False
    seen = await lab.start()
    assert (seen["web"].outcome, seen["web"].why) == (
        "cold-booted",
        "the host went down before it was saved",
    )


async def test_a_guest_that_ran_on_is_no_cold_boot(lab):
    lab.daemon(FakeGuest("web", save_error=OperationFailed("x"), shutdown_s=None))
    await lab.stop(shutdown_timeout=2)
    lab.boot = "boot-1"
    from tests.fakes.remote import driven
    from virtup.guests.start import start

    run = await driven(lab.clock, start(lab.office()))
    assert [(each.outcome, each.why) for each in run.guests] == [
        ("started", "it ran on: it was neither saved nor shut down")
    ]


async def test_one_that_fails_touches_nobody_else_and_stays_listed(lab):
    lab.daemon(FakeGuest("web", start_error=BROKEN), FakeGuest("db"), FakeGuest("lb"))
    await lab.stop()
    seen = await lab.start()
    assert outcomes(seen) == {"web": "failed", "db": "restored", "lb": "restored"}
    assert seen["web"].why.splitlines()[1] == "cause: the disk is gone"
    assert len(seen["web"].why.splitlines()) == 4
    assert lab.listed() == {"web": "saved"}
    assert lab.run.failed
    for one in lab.remotes["default"].guests.values():
        one.start_error = None
    assert outcomes(await lab.start()) == {"web": "restored"}
    assert lab.listed() == {}


async def test_a_daemon_that_cannot_be_reached_forgets_nobody(lab):
    remote = lab.daemon(FakeGuest("web"))
    await lab.stop()
    del lab.remotes["default"]
    assert await lab.start(connect_timeout=5) == {}
    assert lab.run.failed
    assert "still listed: web" in lab.run.errors[0]
    assert lab.listed() == {"web": "saved"}
    lab.remotes["default"] = remote
    assert outcomes(await lab.start()) == {"web": "restored"}


async def test_a_daemon_that_comes_up_late_is_waited_for(lab):
    remote = lab.daemon(FakeGuest("web"))
    await lab.stop()
    until = lab.clock.monotonic() + 20
    plain = lab._connect

    async def connect(uri):
        lab.remotes.clear()
        if lab.clock.monotonic() > until:
            lab.remotes["default"] = remote
        return await plain(uri)

    lab._connect = connect
    assert outcomes(await lab.start(connect_timeout=60)) == {"web": "restored"}


async def test_a_daemon_that_hangs_is_not_waited_for_for_ever(lab):
    lab.daemon(FakeGuest("web"))
    await lab.stop()

    async def connect(_uri):
        await lab.clock.sleep(10**6)

    lab._connect = connect
    await lab.start(connect_timeout=30)
    assert "did not answer within 30 s" in lab.run.errors[0]
    assert lab.listed() == {"web": "saved"}


async def test_guests_come_up_in_their_order(lab):
    remote = lab.daemon(
        FakeGuest("web", wish=Wish(after=("db",))),
        FakeGuest("lb", wish=Wish(order=5)),
        FakeGuest("db", wish=Wish(order=1, delay_s=10)),
        FakeGuest("dns"),
    )
    await lab.stop()
    remote.log.clear()
    await lab.start()
    assert remote.order("up")[:2] == ["dns", "db"]
    assert remote.when("start web") >= remote.when("up db") + 10
    assert remote.when("start lb") >= remote.when("up db") + 10
    assert remote.when("start db") >= remote.when("up dns")


async def test_one_that_does_not_come_up_holds_nobody_back(lab):
    remote = lab.daemon(
        FakeGuest("db", start_error=BROKEN), FakeGuest("web", wish=Wish(after=("db",)))
    )
    await lab.stop()
    assert outcomes(await lab.start()) == {"db": "failed", "web": "restored"}
    assert remote.order("start") == ["db", "web"]


async def test_a_circle_is_told_and_everybody_comes_up(lab):
    lab.daemon(
        FakeGuest("a", wish=Wish(after=("b",))),
        FakeGuest("b", wish=Wish(after=("a",))),
    )
    await lab.stop()
    assert outcomes(await lab.start()) == {"a": "restored", "b": "restored"}
    assert any("'a', 'b' wait for each other" in line for line in lab.said)


async def test_starts_are_bounded_or_spaced(lab):
    remote = lab.daemon(*(FakeGuest(f"g{n}") for n in range(6)))
    await lab.stop()
    await lab.start(parallel_start=3)
    assert remote.most["start"] == 3
    remote = lab.daemon(*(FakeGuest(f"g{n}") for n in range(3)))
    await lab.stop()
    await lab.start(start_delay=7)
    assert remote.most["start"] == 1
    times = [at for at, text in remote.log if text.startswith("start ")]
    assert all(later - earlier >= 7 for earlier, later in itertools.pairwise(times))


async def test_one_that_runs_already_is_told_by_how_it_came(lab):
    remote = lab.daemon(FakeGuest("auto"), FakeGuest("cold"))
    await lab.stop()
    for one in remote.guests.values():
        one.active, one.saved, one.booted = True, False, one.name == "cold"
    remote.log.clear()
    seen = await lab.start()
    assert outcomes(seen) == {"auto": "restored", "cold": "cold-booted"}
    assert remote.log == []
    assert lab.listed() == {}


async def test_one_that_somebody_else_starts_meanwhile_is_back(lab):
    remote = lab.daemon(one := FakeGuest("web"))
    await lab.stop()
    plain = remote.start

    async def start(uuid, *, bypass_cache):
        one.active, one.saved, one.booted = True, False, False
        await plain(uuid, bypass_cache=bypass_cache)

    remote.start = start
    assert outcomes(await lab.start()) == {"web": "restored"}


async def test_one_that_is_not_defined_any_more_is_told_and_dropped(lab):
    remote = lab.daemon(FakeGuest("web"))
    await lab.stop()
    remote.guests.clear()
    seen = await lab.start()
    assert seen["web"].outcome == "failed"
    assert "no such guest" in seen["web"].why
    assert lab.listed() == {}


async def test_on_boot_ignore_starts_nobody_and_clears_the_list(lab):
    remote = lab.daemon(FakeGuest("web"))
    await lab.stop()
    assert await lab.start(on_boot="ignore") == {}
    assert remote.order("start") == []
    assert lab.listed() == {}
    assert any("web" in line and "ON_BOOT" in line for line in lab.said)


async def test_a_uri_that_is_not_set_any_more_is_an_error_and_keeps_its_guests(lab):
    lab.daemon(FakeGuest("web"), uri="qemu:///session")
    await lab.stop(uris=("qemu:///session",))
    await lab.start()
    assert "URIS does not name 'qemu:///session'" in lab.run.errors[0]
    assert lab.listed() == {"web": "saved"}


async def test_bypass_cache_and_sync_time_are_passed_on(lab):
    remote = lab.daemon(FakeGuest("web"))
    await lab.stop()
    remote.log.clear()
    await lab.start(bypass_cache=True, sync_time=True)
    assert [text for _, text in remote.log] == ["start web bypass", "up web", "sync web"]


async def test_a_clock_that_cannot_be_set_is_told_and_no_failure(lab):
    remote = lab.daemon(FakeGuest("web"))
    await lab.stop()

    async def sync_time(_uuid):
        raise OperationFailed("no agent")

    remote.sync_time = sync_time
    assert outcomes(await lab.start(sync_time=True)) == {"web": "restored"}
    assert not lab.run.failed
    assert any("its clock was not set" in line for line in lab.said)


async def test_each_is_taken_off_when_it_is_back_and_not_before(lab):
    remote = lab.daemon(FakeGuest("a"), FakeGuest("b", wish=Wish(order=1)))
    await lab.stop()
    seen = []
    plain = remote.start

    async def start(uuid, *, bypass_cache):
        seen.append(sorted(lab.listed()))
        await plain(uuid, bypass_cache=bypass_cache)

    remote.start = start
    await lab.start()
    assert seen == [["a", "b"], ["b"]]


async def test_a_mistake_of_ours_ends_the_turn_of_one_guest_alone(lab):
    remote = lab.daemon(FakeGuest("a"), FakeGuest("b", wish=Wish(order=1)))
    lab.daemon(*remote.guests.values())
    remote = lab.remotes["default"]
    plain = remote.save

    async def save(uuid, *, bypass_cache):
        if remote.guests[uuid].name == "b":
            raise ZeroDivisionError("a bug")
        await plain(uuid, bypass_cache=bypass_cache)

    remote.save = save
    assert outcomes(await lab.stop()) == {"a": "saved"}
    assert lab.run.errors == ["b: internal error: ZeroDivisionError: a bug"]
    assert lab.listed() == {"a": "saved", "b": "pending"}
    for one in remote.guests.values():
        one.active = False

    async def sync_time(uuid):
        raise ZeroDivisionError(f"a bug of {remote.guests[uuid].name}")

    remote.sync_time = sync_time
    assert outcomes(await lab.start(sync_time=True)) == {"a": "restored", "b": "cold-booted"}
    assert lab.run.errors == [
        "a: internal error: ZeroDivisionError: a bug of a",
        "b: internal error: ZeroDivisionError: a bug of b",
    ]


async def test_a_damaged_list_is_refused_in_one_sentence(lab):
    for text in (
        b"",
        b"{",
        b'{"version": 9, "guests": []}',
        b'{"version": 1, "guests": [{"x": 1}]}',
    ):
        (lab.place / "waiting.json").write_bytes(text)
        with pytest.raises(ListDamaged) as caught:
            lab.office()
        assert "\n" not in caught.value.message
        assert "waiting.json" in caught.value.message


async def test_a_list_that_cannot_be_written_starts_guests_all_the_same(lab):
    lab.daemon(FakeGuest("web"))
    await lab.stop()

    class ReadOnly(FileDisk):
        def unlink(self, path):
            raise OSError(errno.EROFS, "Read-only file system", path)

        def create(self, path, mode):
            raise OSError(errno.EROFS, "Read-only file system", path)

    lab.disk = ReadOnly()
    assert outcomes(await lab.start()) == {"web": "restored"}
    assert lab.run.failed
    lab.disk = FileDisk()
    assert outcomes(await lab.start()) == {"web": "restored"}
