"""How one attribute or text of a document becomes a value, and a value becomes text again.

A `Scalar` reads what a person may write and shows what libvirt writes: ``0x10`` and ``16`` are
one number, a memory size in any unit becomes KiB. What cannot be raises ValueError, whose
words say what is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

UINT_MAX = 2**32 - 1
ULONG_MAX = 2**64 - 1

_NUMBER = re.compile(r"[+]?[0-9]+\Z")
_HEX = re.compile(r"0[xX][0-9a-fA-F]+\Z")
_UNITS: dict[str, int] = {"b": 1, "byte": 1, "bytes": 1} | {
    name: scale
    for power, letter in enumerate("kmgtpe", start=1)
    for name, scale in (
        (letter, 1024**power),
        (f"{letter}ib", 1024**power),
        (f"{letter}b", 1000**power),
    )
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One kind of value: *read* takes text (raises ValueError), *show* gives libvirt's text.

    With *unit* the value has a ``unit`` attribute beside it; *read* then gets "TEXT UNIT".
    *bare* is the value of an empty element of that name (a flag such as ``<readonly/>``).
    """

    read: Callable[[str], Any]
    show: Callable[[Any], str]
    unit: str = ""
    bare: bool = False


def whole(text: str, low: int = 0, high: int = ULONG_MAX) -> int:
    """The number that *text* is, decimal or 0x-hexadecimal, within *low* and *high*."""
    stripped = text.strip()
    if _NUMBER.match(stripped) and len(stripped) < 40:
        value = int(stripped)
    elif _HEX.match(stripped) and len(stripped) < 40:
        value = int(stripped, 16)
    elif low < 0 and stripped.startswith("-") and _NUMBER.match(stripped[1:]):
        value = int(stripped[:40])
    else:
        raise ValueError(f"a whole number from {low} to {high}")
    if not low <= value <= high:
        raise ValueError(f"a whole number from {low} to {high}")
    return value


def number(low: int = 0, high: int = UINT_MAX) -> Scalar:
    """A whole number within *low* and *high*, shown in decimal."""
    return Scalar(lambda text: whole(text, low, high), str)


def hexadecimal(digits: int, high: int) -> Scalar:
    """A whole number up to *high*, shown as 0x and at least *digits* digits."""
    return Scalar(lambda text: whole(text, 0, high), lambda value: f"0x{value:0{digits}x}")


def choice(*words: str) -> Scalar:
    """One of *words*."""
    known = frozenset(words)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(" or ".join(f"'{word}'" for word in words))
        return text

    return Scalar(read, str)


def switch(on: str, off: str) -> Scalar:
    """A bool that is written as *on* or *off*."""

    def read(text: str) -> bool:
        if text not in (on, off):
            raise ValueError(f"'{on}' or '{off}'")
        return text == on

    return Scalar(read, lambda value: on if value else off)


def scaled(text: str, *, step: int, unit: str = "KiB") -> int:
    """The size in "NUMBER UNIT" in steps of *step* bytes, rounded up; *unit* if it names none."""
    amount, _, given = text.strip().partition(" ")
    factor = _UNITS.get((given.strip() or unit).lower())
    if factor is None:
        raise ValueError("a number with the unit bytes, KB, KiB, MB, MiB, GB, GiB, TB or TiB")
    size = whole(amount) * factor
    if size > ULONG_MAX:
        raise ValueError("a size below 16 EiB")
    return -(-size // step)


def pattern(expression: str, accepted: str) -> Scalar:
    """Text that matches *expression* as a whole; *accepted* says in words what that is."""
    match = re.compile(expression).fullmatch

    def read(text: str) -> str:
        if match(text) is None:
            raise ValueError(accepted)
        return text

    return Scalar(read, str)


def utc_time(text: str) -> str:
    """Return *text*, which has to be a time as libvirt writes it: UTC, to the second, no zone."""
    accepted = "a time in UTC such as 2030-12-31T23:59:59"
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text, re.ASCII) is None:
        raise ValueError(accepted)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(accepted) from None
    return text


def _uuid(text: str) -> str:
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise ValueError("a UUID such as 4dea22b3-1d52-d8f3-2516-782e98ab3fa0") from None


def _mac(text: str) -> str:
    parts = text.strip().split(":")
    if len(parts) != 6 or not all(re.fullmatch(r"[0-9a-fA-F]{1,2}", part) for part in parts):
        raise ValueError("a MAC address such as 52:54:00:12:34:56")
    mac = ":".join(part.lower().zfill(2) for part in parts)
    if int(mac[:2], 16) & 1:
        raise ValueError("a unicast MAC address (the first byte is even)")
    return mac


def _cpuset(text: str) -> str:
    return format_cpuset(parse_cpuset(text))


def parse_cpuset(text: str) -> tuple[int, ...]:
    """The CPU numbers in a list such as ``1-4,^3,8``, in order. Raises ValueError."""
    chosen: set[int] = set()
    accepted = "a list of CPU numbers such as '0-3,^2,8'"
    for part in text.replace(" ", "").split(","):
        found = re.fullmatch(r"(\^?)(\d{1,6})(?:-(\d{1,6}))?", part)
        if found is None:
            raise ValueError(accepted)
        first, last = int(found[2]), int(found[3] or found[2])
        if last < first or last > 65535 or (found[1] and found[3]):
            raise ValueError(accepted)
        if found[1]:
            chosen.discard(first)
        else:
            chosen.update(range(first, last + 1))
    if not chosen:
        raise ValueError(accepted)
    return tuple(sorted(chosen))


def format_cpuset(cpus: tuple[int, ...]) -> str:
    """The shortest list of *cpus* (sorted): ``1-4,8``."""
    ranges: list[list[int]] = []
    for cpu in cpus:
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


TEXT = Scalar(str, str)
UINT = number()
UINT64 = number(0, ULONG_MAX)
POSITIVE = number(1)
INT = number(-(2**31), 2**31 - 1)
PORT = number(-1, 65535)
YES_NO = switch("yes", "no")
ON_OFF = switch("on", "off")
FLAG = Scalar(lambda _: True, lambda _: "", bare=True)
KIB = Scalar(lambda text: scaled(text, step=1024), str, unit="KiB")
MIB = Scalar(lambda text: scaled(text, step=1024**2, unit="MiB"), str, unit="MiB")
BYTES = Scalar(lambda text: scaled(text, step=1, unit="bytes"), str, unit="bytes")
UUID_TEXT = Scalar(_uuid, str)
MAC = Scalar(_mac, str)
CPUSET = Scalar(_cpuset, str)
"""A CPU list, kept in its shortest form."""
