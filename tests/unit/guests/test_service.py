"""What keeps virtup-guests from its work when the host goes down."""

from __future__ import annotations

import dataclasses

import pytest

from tests.unit.guests.test_boot import service
from virtup.guests import check
from virtup.guests.plan import Guest, Step
from virtup.guests.service import GUESTS, Service


def stopping(timeout_s: float | None, **more: bool) -> Service:
    made = service(**more)
    assert made.units is not None
    unit = dataclasses.replace(made.units[GUESTS], stop_timeout_s=timeout_s)
    return Service({**made.units, GUESTS: unit})


@pytest.mark.parametrize(
    ("timeout_s", "deadline_s", "says"),
    [
        (660, 600, ""),
        (None, 600, ""),
        (None, 0, ""),
        (90, 600, "after 90 s (TimeoutStopSec), and DEADLINE is 600 s"),
        (660, 0, "after 660 s (TimeoutStopSec), and DEADLINE is 0 (none)"),
    ],
)
def test_systemd_waits_for_the_deadline(
    timeout_s: float | None, deadline_s: int, says: str
) -> None:
    found = stopping(timeout_s).not_stopping(deadline_s)
    assert bool(found) == bool(says)
    for problem in found:
        assert says in problem.text
        assert problem.fix == "systemctl edit virtup-guests.service"


def test_what_does_not_run_is_not_stopped() -> None:
    (problem,) = stopping(660, active=False).not_stopping(600)
    assert problem.text == "virtup-guests.service does not run: nobody is saved"
    assert problem.fix == "systemctl enable --now virtup-guests.service"
    (unknown,) = Service(None).not_stopping(600)
    assert not unknown.blocks
    user = Service({}, user=True)
    (absent,) = user.not_stopping(90)
    assert "is not installed" in absent.text
    assert absent.fix.startswith("tools/install_units.py --user; systemctl --user enable --now")


WEB = Guest("u", "web", memory_kib=1 << 20)
PASSING = Guest("u", "passing", persistent=False)


@pytest.mark.parametrize(
    ("step", "active", "becomes", "ok"),
    [
        (Step(WEB, "save"), True, "saved", True),
        (Step(WEB, "save"), False, "lost", False),
        (Step(WEB, "shut down"), True, "shut down", True),
        (Step(WEB, "shut down", "space does not suffice"), True, "shut down", False),
        (Step(PASSING, "shut down", "it is transient"), True, "shut down", True),
        (Step(PASSING, "leave", "it is transient"), True, "lost", False),
    ],
)
def test_what_becomes_of_a_guest(step: Step, active: bool, becomes: str, ok: bool) -> None:
    found = check._guest(step, service(active=active))
    assert (found["becomes"], found["ok"]) == (becomes, ok)
    assert (found["needs_bytes"] > 0) == (becomes == "saved")
