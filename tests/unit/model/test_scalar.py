from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtup.model import scalar


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), (" 7 ", 7), ("0x1F", 31), ("+3", 3), ("4294967295", 2**32 - 1)]
)
def test_whole_numbers(text: str, value: int) -> None:
    assert scalar.UINT.read(text) == value


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "0x", "4294967296", "٣", "9" * 5000])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number from 0 to 4294967295"):
        scalar.UINT.read(text)


def test_negative_numbers_where_they_are_accepted() -> None:
    assert scalar.PORT.read("-1") == -1
    with pytest.raises(ValueError, match="from -1 to 65535"):
        scalar.PORT.read("-2")


@pytest.mark.parametrize(
    ("text", "kib"),
    [
        ("1048576 ", 1048576),
        ("1 MiB", 1024),
        ("1 M", 1024),
        ("1 MB", 977),
        ("1024 b", 1),
        ("1025 bytes", 2),
        ("2 g", 2097152),
        ("1 TiB", 2**30),
    ],
)
def test_memory_sizes(text: str, kib: int) -> None:
    assert scalar.KIB.read(text) == kib


@pytest.mark.parametrize("text", ["1 parsec", "16 EiB", "x MiB", "-1 MiB", ""])
def test_impossible_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=r"a size|a whole number|a number with the unit"):
        scalar.KIB.read(text)


def test_bytes_are_bytes_without_a_unit() -> None:
    assert scalar.BYTES.read("12345 ") == 12345


def test_switches() -> None:
    assert scalar.YES_NO.read("yes") is True
    assert scalar.ON_OFF.read("off") is False
    assert scalar.ON_OFF.show(True) == "on"
    with pytest.raises(ValueError, match="'yes' or 'no'"):
        scalar.YES_NO.read("on")


def test_macs() -> None:
    assert scalar.MAC.read("52:54:0:AB:cd:1") == "52:54:00:ab:cd:01"
    with pytest.raises(ValueError, match="unicast"):
        scalar.MAC.read("01:00:5e:00:00:01")
    with pytest.raises(ValueError, match="a MAC address"):
        scalar.MAC.read("52:54:00:ab:cd")


def test_uuids_take_all_usual_forms() -> None:
    text = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
    assert scalar.UUID_TEXT.read(text.upper()) == text
    assert scalar.UUID_TEXT.read(text.replace("-", "")) == text
    with pytest.raises(ValueError, match="a UUID"):
        scalar.UUID_TEXT.read("1234")


def test_cpu_lists() -> None:
    assert scalar.CPUSET.read("1-4,8-20,525,^3") == "1-2,4,8-20,525"
    for text in ("aaa", "", "4-1", "^1", "1,,2", "1-99999999"):
        with pytest.raises(ValueError, match="a list of CPU numbers"):
            scalar.CPUSET.read(text)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpu_lists_are_each_others_reverse(cpus: set[int]) -> None:
    text = scalar.format_cpuset(tuple(sorted(cpus)))

    assert set(scalar.parse_cpuset(text)) == cpus
