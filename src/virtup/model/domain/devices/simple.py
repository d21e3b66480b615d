"""Small devices: `<hub> <panic>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model.domain.device import Device
from virtup.model.field import at


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub(Device):
    """A USB hub."""

    type: Literal["usb"] = at("@type", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panic(Device):
    """A device through which the guest tells that it crashed."""

    model: Literal["isa", "pvpanic", "hyperv"] | None = at("@model")
