"""Who comes back at the next boot, and who says that somebody does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.remote import FakeGuest, driven
from tests.unit.guests.conftest import Lab
from virtup.errors import OperationFailed
from virtup.guests import boot as boots
from virtup.guests.boot import Fate, Forecast
from virtup.guests.service import BOOT, DAEMON, GUESTS, Service
from virtup.guests.waiting import Entry
from virtup.host.units import Unit
from virtup.model.boot_order import Wish

NO_SYSTEMD = Service(None)
MISSING = {"code": "VU004", "slug": "disk-missing", "sentence": "The disk is not there."}
Make = Callable[..., FakeGuest]


def service(*, daemon: str = "enabled", guests: str = "enabled", active: bool = True) -> Service:
    """A host with systemd, and virtup's units in these states."""
    return Service(
        {
            DAEMON: Unit(DAEMON, daemon != "", daemon, active=True, stop_timeout_s=30),
            GUESTS: Unit(GUESTS, guests != "", guests, active=active, stop_timeout_s=660),
            BOOT: Unit(BOOT, True, "static"),
        }
    )


class Next:
    """The next boot of one lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    async def __call__(self, on: Service = NO_SYSTEMD, **settings: Any) -> Forecast:
        office = self.lab.office(**settings)
        (found,) = await driven(self.lab.clock, boots.foresee(office, on, "/etc/the-file"))
        return found

    def listed(self, guest: FakeGuest, **more: Any) -> None:
        office = self.lab.office()
        office.waiting.add([Entry("default", guest.uuid, guest.name)])
        for how in more.values():
            office.waiting.note(("default", guest.uuid), *how)


@pytest.fixture
def next_boot(lab: Lab) -> Next:
    return Next(lab)


def told(forecast: Forecast) -> dict[str, tuple[str, str]]:
    return {one.name: (one.comes, one.by) for one in forecast.guests}


async def test_each_comes_by_its_way(lab: Lab, guest: Make, next_boot: Next) -> None:
    waits = guest("waits", active=False, saved=True)
    lab.daemon(
        guest("auto", active=False, autostart=True),
        guest("kept", active=False, autostart=True, saved=True),
        guest("once", active=False, once=True),
        guest("runs"),
        guest("both", autostart=True),
        guest("off", active=False),
        guest("passing", persistent=False),
        waits,
    )
    next_boot.listed(waits)
    found = await next_boot(service())
    assert told(found) == {
        "auto": ("booted", "autostart"),
        "kept": ("restored", "autostart"),
        "once": ("booted", "autostart --once"),
        "runs": ("restored", "virtup-guests"),
        "both": ("restored", "autostart"),
        "off": ("stays off", ""),
        "passing": ("lost", ""),
        "waits": ("restored", "virtup-guests"),
    }
    assert found.ok
    assert found.problems == []
    assert next(one for one in found.guests if one.name == "passing").why


async def test_guests_that_are_shut_down_boot(lab: Lab, guest: Make, next_boot: Next) -> None:
    lab.daemon(guest("runs"))
    assert told(await next_boot(on_shutdown="shutdown")) == {"runs": ("booted", "virtup-guests")}
    idle = await next_boot(service(active=False))
    assert told(idle) == {"runs": ("booted", "virtup-guests")}, "nobody saves it"


async def test_they_come_in_their_order(lab: Lab, guest: Make, next_boot: Next) -> None:
    lab.daemon(
        guest("late", wish=Wish(order=5)),
        guest("first", wish=Wish(order=-1)),
        guest("b"),
        guest("a"),
        guest("behind", wish=Wish(after=("late",))),
        guest("x", active=False, autostart=True, wish=Wish(after=("y",))),
        guest("y", active=False, autostart=True, wish=Wish(after=("x",))),
        guest("off", active=False),
    )
    found = await next_boot()
    assert [(one.turn, one.name) for one in found.guests] == [
        *[(1, "x"), (1, "y")],
        *[(1, "first"), (2, "a"), (2, "b"), (3, "late"), (4, "behind")],
        (0, "off"),
    ]
    assert any("'x', 'y' wait for each other" in one.text for one in found.problems)
    assert found.ok, "an order that cannot be keeps nobody off"


async def test_what_a_start_would_fail_of_blocks(lab: Lab, guest: Make, next_boot: Next) -> None:
    lab.daemon(
        guest("broken", active=False, autostart=True, findings=(MISSING,)),
        guest("refused", active=False, once=True, start_error=OperationFailed("not this one")),
        guest("cold", active=False, autostart=True, saved=True, start_notes=("set aside",)),
        guest("idle", active=False, findings=(MISSING,)),
    )
    found = await next_boot()
    fates = {one.name: one for one in found.guests}
    assert not found.ok
    assert (fates["broken"].comes, fates["broken"].findings) == ("blocked", (MISSING,))
    assert (fates["refused"].comes, fates["refused"].why) == (
        "blocked",
        ("operation failed: not this one",),
    )
    assert (fates["cold"].comes, fates["cold"].notes) == ("restored", ("set aside",))
    assert fates["idle"] == Fate("idle", fates["idle"].uuid, "stays off"), "nobody wants it"


async def test_a_pool_that_stays_off_keeps_its_guests_off(
    lab: Lab, guest: Make, next_boot: Next
) -> None:
    def inactive(name: str) -> tuple[dict[str, Any], ...]:
        return ({"code": "VU257", "slug": "storage-pool-inactive", "subject": name},)

    remote = lab.daemon(
        guest("works", active=False, autostart=True, pools=("with the host",)),
        guest("waits", active=False, autostart=True, saved=True, pools=("with the host",),
              findings=inactive("with the host")),
        guest("now", active=False, autostart=True, pools=("by hand",)),
        guest("never", active=False, autostart=True, pools=("by hand",),
              findings=inactive("by hand")),
        guest("runs", pools=("by hand", "gone")),
        guest("lost", pools=("gone",)),
        guest("idle", active=False, pools=("by hand",)),
    )  # fmt: skip
    remote.known_pools = {"with the host": True, "by hand": False}
    found = await next_boot()
    fates = {one.name: one for one in found.guests}
    by_hand = "storage pool 'by hand' does not start with the host"
    assert {name: one.comes for name, one in fates.items()} == {
        "works": "booted",
        "waits": "restored",
        "now": "blocked",
        "never": "blocked",
        "runs": "blocked",
        "lost": "blocked",
        "idle": "stays off",
    }
    assert fates["now"].why == fates["runs"].why == fates["never"].why == (by_hand,)
    assert fates["never"].findings == inactive("by hand")
    assert fates["lost"].why == ("there is no storage pool 'gone'",)
    assert fates["waits"].findings == ()
    assert fates["waits"].notes == (
        "storage pool 'with the host' is not active now, and starts with the host",
    )
    (problem,) = [one for one in found.problems if "pool" in one.text]
    assert (problem.text, problem.blocks) == (by_hand, True)
    assert problem.fix == "virtup pool-autostart 'by hand'"
    assert not found.ok


@pytest.mark.parametrize(
    ("units", "blocked", "says", "fix"),
    [
        (
            service(guests="disabled"),
            {"runs"},
            "virtup-guests.service is not enabled",
            "systemctl enable virtup-guests.service",
        ),
        (
            service(daemon="disabled", guests="disabled"),
            {"runs", "auto"},
            "virtupd.service is not enabled",
            "systemctl enable virtupd.service",
        ),
        (
            service(guests=""),
            {"runs"},
            "virtup-guests.service is not installed",
            "tools/install_units.py; systemctl enable virtup-guests.service",
        ),
        (service(guests="masked"), {"runs"}, "is masked", "systemctl unmask virtup-guests.service"),
    ],
)
async def test_units_that_do_not_start_block(
    lab: Lab, guest: Make, next_boot: Next, units: Service, blocked: set[str], says: str, fix: str
) -> None:
    lab.daemon(guest("runs"), guest("auto", active=False, autostart=True))
    found = await next_boot(units)
    assert {one.name for one in found.guests if one.comes == "blocked"} == blocked
    (problem,) = [one for one in found.problems if says in one.text]
    assert problem.fix == fix
    assert problem.blocks


async def test_virtup_guests_brings_the_daemon_up(lab: Lab, guest: Make, next_boot: Next) -> None:
    lab.daemon(guest("auto", active=False, autostart=True))
    found = await next_boot(service(daemon="disabled"))
    assert told(found) == {"auto": ("booted", "autostart")}
    masked = await next_boot(service(daemon="masked"))
    assert told(masked) == {"auto": ("blocked", "autostart")}


async def test_guests_that_are_not_to_be_started(lab: Lab, guest: Make, next_boot: Next) -> None:
    lab.daemon(guest("runs"), guest("auto", active=False, autostart=True))
    found = await next_boot(on_boot="ignore")
    assert told(found)["runs"] == ("blocked", "virtup-guests")
    assert told(found)["auto"] == ("booted", "autostart")
    (problem,) = [one for one in found.problems if one.blocks]
    assert (problem.text, problem.fix) == (
        "ON_BOOT=ignore: nobody is brought back",
        "set ON_BOOT=start in /etc/the-file",
    )


async def test_without_systemd_nothing_is_claimed(lab: Lab, guest: Make, next_boot: Next) -> None:
    lab.daemon(guest("runs"))
    found = await next_boot(NO_SYSTEMD)
    assert found.ok
    assert [one.blocks for one in found.problems] == [False]


async def test_a_listed_guest_that_is_gone(lab: Lab, guest: Make, next_boot: Next) -> None:
    lab.daemon()
    next_boot.listed(guest("gone"))
    found = await next_boot()
    assert [(one.name, one.comes) for one in found.guests] == [("gone", "blocked")]
    assert not found.ok


async def test_why_a_listed_one_boots_cold(lab: Lab, guest: Make, next_boot: Next) -> None:
    one = guest("web", active=False)
    lab.daemon(one)
    next_boot.listed(one, noted=("shut down", "space did not suffice"))
    (fate,) = (await next_boot()).guests
    assert (fate.comes, fate.why) == ("booted", ("space did not suffice",))


async def test_a_stock_daemon_checks_nothing(lab: Lab, guest: Make, next_boot: Next) -> None:
    remote = lab.daemon(guest("auto", active=False, autostart=True, findings=(MISSING,)))
    remote.is_own = False
    found = await next_boot(service(daemon="disabled", guests="disabled"))
    assert told(found) == {"auto": ("booted", "autostart")}
    assert ["checks no guests" in one.text for one in found.problems] == [True]
    assert found.ok


async def test_daemons_that_do_not_answer(lab: Lab, guest: Make, next_boot: Next) -> None:
    found = await next_boot()
    assert not found.ok
    assert "cannot be reached" in found.error
    lab.daemon().list_error = OperationFailed("no list")
    found = await next_boot()
    assert (found.ok, found.error) == (False, "operation failed: no list")
    assert found.to_dict()["guests"] == []


async def test_guests_of_a_daemon_that_is_named_no_more(lab: Lab, guest: Make) -> None:
    office = lab.office(uris=("qemu:///system",))
    office.waiting.add([Entry("qemu:///session", guest("web").uuid, "web")])
    (problem,) = boots.strangers(office)
    assert "web is to come back to 'qemu:///session'" in problem.text
