"""The host goes down: who is saved, who is shut down, in which order, and what fails."""

from __future__ import annotations

import errno

import pytest

from tests.fakes.remote import FakeGuest
from virtup.errors import OperationFailed
from virtup.guests import plan as plans
from virtup.guests.plan import OVERHEAD_BYTES
from virtup.host import space
from virtup.host.disk import FileDisk
from virtup.model.boot_order import Wish

NO_SPACE = OperationFailed("the guest's state could not be written: No space left on device")


def outcomes(seen):
    return {name: each.outcome for name, each in seen.items()}


async def test_everybody_is_saved_and_listed(lab):
    remote = lab.daemon(FakeGuest("web"), FakeGuest("db"), FakeGuest("off", active=False))
    seen = await lab.stop()
    assert outcomes(seen) == {"web": "saved", "db": "saved"}
    assert lab.listed() == {"web": "saved", "db": "saved"}
    assert not lab.run.failed
    assert remote.closed
    assert any(line.startswith("  web: save, up to 96 MiB") for line in lab.said)


async def test_saves_run_in_parallel_within_the_bound(lab):
    remote = lab.daemon(*(FakeGuest(f"g{n}", save_s=2) for n in range(6)))
    await lab.stop(parallel_save=3)
    assert remote.most["save"] == 3
    remote = lab.daemon(*(FakeGuest(f"g{n}", save_s=2) for n in range(3)))
    await lab.stop(parallel_save=1)
    assert remote.most["save"] == 1


async def test_guests_go_down_in_the_reverse_of_their_boot_order(lab):
    remote = lab.daemon(
        FakeGuest("db", wish=Wish(order=1)),
        FakeGuest("web", wish=Wish(after=("db",))),
        FakeGuest("lb", wish=Wish(order=9)),
    )
    await lab.stop(parallel_save=9)
    assert [text for _, text in remote.log] == [
        *("save lb", "saved lb"),
        *("save web", "saved web"),
        *("save db", "saved db"),
    ]


async def test_who_is_listed_is_listed_before_anything_is_done(lab):
    lab.daemon(guest := FakeGuest("web"))
    seen_at_save = {}

    async def save(_uuid, *, bypass_cache):
        seen_at_save.update(lab.listed(), bypass=bypass_cache)
        guest.active = False

    lab.remotes["default"].save = save
    await lab.stop(bypass_cache=True)
    assert seen_at_save == {"web": "pending", "bypass": True}


async def test_one_that_cannot_be_saved_is_shut_down_and_touches_nobody_else(lab):
    lab.daemon(FakeGuest("web"), FakeGuest("bad", save_error=NO_SPACE), FakeGuest("db"))
    seen = await lab.stop()
    assert outcomes(seen) == {"web": "saved", "db": "saved", "bad": "shut down"}
    assert "not saved: " in seen["bad"].why
    assert "No space left" in seen["bad"].why
    assert lab.listed() == {"web": "saved", "db": "saved", "bad": "shut down"}


async def test_one_that_neither_saves_nor_stops_is_an_error_and_stays_listed(lab):
    lab.daemon(
        FakeGuest("web", shutdown_error=OperationFailed("no"), save_error=NO_SPACE),
        FakeGuest("db", save_error=NO_SPACE, shutdown_s=None),
    )
    seen = await lab.stop(shutdown_timeout=7)
    assert outcomes(seen) == {"web": "failed", "db": "failed"}
    assert "did not shut down within 7 s; it runs on" in seen["db"].why
    assert lab.run.failed
    assert lab.listed() == {"web": "pending", "db": "pending"}


async def test_transient_guests_are_left_alone_unless_told_otherwise(lab):
    lab.daemon(FakeGuest("t", persistent=False), FakeGuest("p"))
    seen = await lab.stop()
    assert outcomes(seen) == {"t": "left alone", "p": "saved"}
    lab.daemon(FakeGuest("t", persistent=False), FakeGuest("p"))
    seen = await lab.stop(persistent_only="no")
    assert outcomes(seen) == {"t": "shut down", "p": "saved"}
    assert "t" not in lab.listed()
    lab.daemon(FakeGuest("t", persistent=False), FakeGuest("p"))
    seen = await lab.stop(on_shutdown="shutdown")
    assert outcomes(seen) == {"t": "shut down", "p": "shut down"}
    lab.daemon(FakeGuest("t", persistent=False), FakeGuest("p"))
    seen = await lab.stop(on_shutdown="shutdown", persistent_only="yes")
    assert outcomes(seen) == {"t": "left alone", "p": "shut down"}


async def test_shutdowns_one_by_one_or_at_once_as_set(lab):
    for bound, most in ((0, 1), (1, 1), (2, 2)):
        remote = lab.daemon(*(FakeGuest(f"g{n}") for n in range(4)))
        await lab.stop(on_shutdown="shutdown", parallel_shutdown=bound)
        assert remote.most["shutdown"] == most
        assert remote.most["save"] == 0


async def test_one_that_does_not_hear_is_asked_again(lab):
    remote = lab.daemon(FakeGuest("boots", deaf_s=20))
    seen = await lab.stop(on_shutdown="shutdown")
    assert outcomes(seen) == {"boots": "shut down"}
    assert remote.order("shutdown") == ["boots"] * 3


async def test_a_daemon_that_does_not_answer_to_a_shutdown_holds_nobody_up(lab):
    lab.daemon(FakeGuest("agent", answer_s=10**6), FakeGuest("other"))
    began = lab.clock.monotonic()
    seen = await lab.stop(on_shutdown="shutdown", shutdown_timeout=20)
    assert outcomes(seen) == {"agent": "failed", "other": "shut down"}
    assert lab.clock.monotonic() - began < 40


async def test_in_parallel_the_time_out_is_that_of_the_uri(lab):
    lab.daemon(*(FakeGuest(f"g{n}", shutdown_s=None) for n in range(4)))
    began = lab.clock.monotonic()
    seen = await lab.stop(on_shutdown="shutdown", parallel_shutdown=2, shutdown_timeout=20)
    assert set(outcomes(seen).values()) == {"failed"}
    assert lab.clock.monotonic() - began < 30
    lab.daemon(*(FakeGuest(f"g{n}", shutdown_s=None) for n in range(4)))
    began = lab.clock.monotonic()
    await lab.stop(on_shutdown="shutdown", shutdown_timeout=20)
    assert lab.clock.monotonic() - began >= 80


async def test_a_daemon_that_cannot_be_reached_is_an_error_and_others_are_looked_after(lab):
    lab.daemon(FakeGuest("web"), uri="qemu:///session")
    seen = await lab.stop(uris=("qemu:///system", "qemu:///session"))
    assert outcomes(seen) == {"web": "saved"}
    assert lab.run.failed
    assert "'qemu:///system' cannot be reached" in lab.run.errors[0]


async def test_a_daemon_that_does_not_answer_the_list_is_an_error(lab):
    lab.daemon(FakeGuest("web")).list_error = OperationFailed("out of memory")
    lab.daemon(FakeGuest("db"), uri="b")
    seen = await lab.stop(uris=("default", "b"))
    assert outcomes(seen) == {"db": "saved"}
    assert lab.run.errors == ["'default': operation failed: out of memory"]


async def test_a_daemon_that_dies_in_mid_save_is_tried_once_more(lab):
    remote = lab.daemon(FakeGuest("web"))
    remote.losing = 1
    assert outcomes(await lab.stop()) == {"web": "saved"}
    assert remote.order("save") == ["web", "web"]
    remote = lab.daemon(FakeGuest("db"))
    remote.losing = 2
    seen = await lab.stop()
    assert outcomes(seen) == {"db": "shut down"}
    assert "End of file" in seen["db"].why


async def test_a_daemon_that_died_after_the_save_has_saved(lab):
    remote = lab.daemon(one := FakeGuest("web"))
    plain = remote.save

    async def save(uuid, *, bypass_cache):
        remote.losing = 1
        one.active, one.saved = False, True
        await plain(uuid, bypass_cache=bypass_cache)

    remote.save = save
    assert outcomes(await lab.stop()) == {"web": "saved"}


async def test_those_that_were_not_back_stay_listed(lab):
    remote = lab.daemon(FakeGuest("web"), FakeGuest("lost"))
    await lab.stop()
    for one in remote.guests.values():
        one.active = one.name == "web"
    assert outcomes(await lab.stop()) == {"web": "saved"}
    assert lab.listed() == {"web": "saved", "lost": "saved"}


async def test_a_list_that_cannot_be_written_stops_no_save(lab):
    class ReadOnly(FileDisk):
        def create(self, path, mode):
            raise OSError(errno.EROFS, "Read-only file system", path)

    lab.disk = ReadOnly()
    lab.daemon(FakeGuest("web"))
    assert outcomes(await lab.stop()) == {"web": "saved"}
    assert lab.run.failed
    assert "Read-only file system" in lab.run.errors[0]


# -- space and time --------------------------------------------------------------------------------


@pytest.fixture
def room(monkeypatch):
    """Set how much the disk takes: bytes free, bytes a second."""

    def set_room(free, speed=None):
        monkeypatch.setattr(space, "free_bytes", lambda _path: free)
        if speed is not None:
            monkeypatch.setattr(space, "write_speed", lambda _path: speed)

    return set_room


async def test_where_space_does_not_suffice_the_smaller_ones_are_saved(lab, room):
    room(plans.RESERVE_BYTES + 3 * OVERHEAD_BYTES + (300 << 20))
    lab.daemon(
        FakeGuest("big", memory_mib=4096),
        FakeGuest("a", memory_mib=100),
        FakeGuest("b", memory_mib=100),
    )
    seen = await lab.stop()
    assert outcomes(seen) == {"a": "saved", "b": "saved", "big": "shut down"}
    assert "space does not suffice" in seen["big"].why
    assert "4.0 GiB" in seen["big"].why
    assert lab.listed()["big"] == "shut down"


async def test_where_time_does_not_suffice_it_is_said_before_it_begins(lab, room):
    room(1 << 50)
    lab.daemon(FakeGuest("big", memory_mib=60_000), FakeGuest("small"))
    seen = await lab.stop(save_speed=100, deadline=100)
    assert outcomes(seen) == {"big": "shut down", "small": "saved"}
    assert "time does not suffice" in seen["big"].why
    plan_line = next(i for i, line in enumerate(lab.said) if "time does not suffice" in line)
    assert plan_line < next(i for i, line in enumerate(lab.said) if line.startswith("small: saved"))


async def test_a_save_that_outlasts_the_deadline_is_given_up_and_shut_down(lab):
    remote = lab.daemon(FakeGuest("slow", save_s=1000), FakeGuest("quick"))
    seen = await lab.stop(deadline=40)
    assert outcomes(seen) == {"slow": "shut down", "quick": "saved"}
    assert "given up (DEADLINE)" in seen["slow"].why
    assert remote.when("abort slow") == pytest.approx(30, abs=1)
    assert lab.clock.monotonic() < 40


async def test_a_save_that_does_not_even_end_is_left_at_the_deadline(lab):
    lab.daemon(FakeGuest("stuck", save_s=1000, abort_works=False, shutdown_s=None))
    seen = await lab.stop(deadline=40)
    assert outcomes(seen) == {"stuck": "failed"}
    assert lab.clock.monotonic() < 50


async def test_saves_that_have_no_time_left_are_shut_down_at_once(lab):
    lab.daemon(*(FakeGuest(f"g{n}", save_s=25) for n in range(3)))
    seen = await lab.stop(deadline=40, parallel_save=1)
    assert list(outcomes(seen).values()).count("saved") == 1
    assert any("no time is left" in one.why for one in seen.values())


async def test_without_a_deadline_nothing_is_given_up(lab):
    lab.daemon(FakeGuest("slow", save_s=5000))
    assert outcomes(await lab.stop(deadline=0)) == {"slow": "saved"}
    assert any(line.startswith("slow: saving, 1 MiB of 64 MiB") for line in lab.said)


async def test_how_fast_the_disk_was_is_kept_for_the_next_plan(lab, room):
    room(1 << 50, 1.0)
    lab.daemon(FakeGuest("big", memory_mib=1024, save_s=10))
    await lab.stop(save_speed=0, deadline=0)
    kept = lab.office().report.bytes_per_s
    assert 80e6 < kept < 120e6
    lab.daemon(FakeGuest("big", memory_mib=10240))
    ((_, plan),) = await lab.foresee(save_speed=0)
    assert plan.seconds == pytest.approx(100, rel=0.3)


async def test_room_that_is_not_known_limits_nothing_and_is_said(lab):
    lab.daemon(FakeGuest("web")).directory = "/nowhere/at/all"
    assert outcomes(await lab.stop()) == {"web": "saved"}
    assert any("SAVE_DIR" in line for line in lab.said)


async def test_a_plan_touches_nobody(lab):
    remote = lab.daemon(FakeGuest("web"), FakeGuest("t", persistent=False))
    ((uri, plan),) = await lab.foresee()
    assert uri == "default"
    assert [(step.guest.name, step.act) for step in plan.steps] == [("web", "save"), ("t", "leave")]
    assert remote.log == []
    assert lab.listed() == {}
    del lab.remotes["default"]
    assert "cannot be reached" in (await lab.foresee())[0][1]
