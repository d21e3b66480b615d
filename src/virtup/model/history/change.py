"""One difference between two starts, and the words for values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AREAS = ("definition", "qemu", "kernel", "files", "network", "limits", "environment")
"""Where a difference lies; those that explain most failures come first."""

NOT_THERE = "-"
"""Stands for a value where there is none."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What differs, how it was and how it is; ``subject`` is the path or name that it is about.

    ``weight`` orders the changes of one area, the least first.
    """

    area: str
    what: str
    was: str
    now: str
    subject: str = ""
    weight: int = 5

    def to_dict(self) -> dict[str, str]:
        """Return the change as JSON-ready data."""
        return {
            "area": self.area,
            "what": self.what,
            "was": self.was,
            "is": self.now,
            "subject": self.subject,
        }


def between(
    area: str, what: str, values: Sequence[str], *, subject: str = "", weight: int = 5
) -> Change:
    """Return the change of *what* from the first of two values to the second."""
    was, now = values
    return Change(area, what, was, now, subject, weight)


def size(count: int) -> str:
    """Return a number of bytes in the largest unit that it is a whole number of."""
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor and count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count} bytes"


def about(count: int) -> str:
    """Return a number of bytes to a tenth of the unit that fits it."""
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def moment(seconds: float) -> str:
    """Return a time of the kernel's in UTC."""
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f} s"


def shown(value: Any) -> str:
    """Return any other value as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", [], {}):
        return NOT_THERE
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
