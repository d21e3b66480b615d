"""`<permissions>`: whose a directory or file is, and who may do what with it."""

from __future__ import annotations

from dataclasses import dataclass

from virtup.model import scalar
from virtup.model.field import Element, at
from virtup.model.scalar import Scalar


def _mode(text: str) -> int:
    try:
        mode = int(text.strip(), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ValueError("a mode in octal digits such as 0755")
    return mode


MODE = Scalar(_mode, lambda mode: f"{mode:04o}")
"""Permission bits, in octal digits."""

ID = scalar.number(-1)
"""The number of a user or group; -1 leaves it to who makes the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions(Element):
    """Mode and owner; what is not given is left to the default."""

    mode: int | None = at("mode", MODE)
    owner: int | None = at("owner", ID)
    group: int | None = at("group", ID)
    label: str | None = at("label")
