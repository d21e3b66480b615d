"""Who is saved and who is not, from what there is of space and time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from virtup.guests.plan import (
    OVERHEAD_BYTES,
    RESERVE_BYTES,
    TIME_SHARE,
    Guest,
    Limits,
    lines,
    make,
    size,
)


def guests(*mib):
    return [Guest(f"u{n}", f"g{n}", memory_kib=each << 10) for n, each in enumerate(mib)]


def plan(some, **limits):
    return make(some, Limits(**limits), suspends=True, leaves_transient=True)


def acts(found):
    return [step.act for step in found.steps]


def test_memory_that_was_never_touched_takes_no_space():
    assert Guest("u", "g", memory_kib=1 << 20, resident_kib=1024).image_bytes == (
        (1024 << 10) + OVERHEAD_BYTES
    )
    assert Guest("u", "g", memory_kib=1024, resident_kib=1 << 20).image_bytes == (
        (1024 << 10) + OVERHEAD_BYTES
    )


def test_without_limits_everybody_is_saved():
    assert acts(plan(guests(1, 10**7))) == ["save", "save"]


def test_what_must_stay_free_stays_free():
    (one,) = guests(100)
    enough = one.image_bytes + RESERVE_BYTES
    assert acts(plan([one], free_bytes=enough)) == ["save"]
    assert acts(plan([one], free_bytes=enough - 1)) == ["shut down"]
    assert acts(plan([one], free_bytes=0)) == ["shut down"]


@given(
    st.lists(st.integers(1, 10_000), max_size=8),
    st.integers(0, 50_000 << 20),
    st.integers(1 << 20, 1 << 30),
    st.integers(1, 1000),
)
def test_the_plan_fits_and_leaves_nobody_out_that_would_fit(mib, free, speed, seconds):
    found = plan(guests(*mib), free_bytes=free, bytes_per_s=float(speed), seconds=float(seconds))
    saved = [step.guest for step in found.steps if step.act == "save"]
    total = sum(guest.image_bytes for guest in saved)
    assert found.bytes == total
    assert not saved or total + RESERVE_BYTES <= free
    assert total / speed <= seconds * TIME_SHARE
    for step in found.steps:
        if step.act != "save":
            more = total + step.guest.image_bytes
            assert more + RESERVE_BYTES > free or more / speed > seconds * TIME_SHARE
            assert step.why


def test_the_plan_is_told():
    found = plan(guests(512, 9000), free_bytes=2 << 30, bytes_per_s=100e6, directory="/s")
    assert lines(found) == [
        "  g0: save, up to 544 MiB",
        (
            "  g1: shut down: space does not suffice: its state takes up to 8.8 GiB beside those "
            "of the others, and 2.0 GiB are free in '/s'"
        ),
        "  1 to save: up to 544 MiB, about 6 s; 2.0 GiB are free in '/s'",
    ]
    assert lines(plan([])) == ["  nobody runs"]


def test_sizes_are_read_by_people():
    assert [size(1 << 20), size(1 << 30), size(1.5 * (1 << 30))] == ["1 MiB", "1.0 GiB", "1.5 GiB"]
