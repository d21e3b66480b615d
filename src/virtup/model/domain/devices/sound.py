"""Audio backends: `<audio>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.field import Element, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio(Element):
    """Where the guest's sound goes."""

    id: int = at("@id", scalar.POSITIVE, required=True)
    type: Literal["none"] = at("@type", required=True)
