"""Sizes as virsh prints them, and as a person may write them."""

from __future__ import annotations

import re

from virtup.cli.grammar import Failure

_POWERS = "kmgtpe"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def pretty(size: int) -> str:
    """*size* in bytes with two digits behind the point, in the largest unit that it fills."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    return f"{amount:.2f} {_UNITS[unit]}"


def in_bytes(text: str) -> int:
    """The bytes of a size such as ``10G``, ``10GiB`` or ``10GB``; raises Failure.

    A unit with a B behind its letter counts in thousands, as virsh has it.
    """
    found = re.fullmatch(
        r"(\d{1,19})\s*(?:b|bytes?|([kmgtpe])(i?b)?)?", text.strip(), re.IGNORECASE
    )
    if found is None:
        raise Failure(f"Malformed size {text}")
    power = _POWERS.index(found[2].lower()) + 1 if found[2] else 0
    base = 1000 if (found[3] or "").lower() == "b" else 1024
    return int(found[1]) * int(base**power)
