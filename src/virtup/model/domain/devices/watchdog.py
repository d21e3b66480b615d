"""Watchdogs: `<watchdog>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model.domain.device import Device
from virtup.model.field import at


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog(Device):
    """A timer that acts when the guest no longer resets it."""

    model: Literal["i6300esb", "ib700", "itco"] = at("@model", required=True)
    action: (
        Literal["reset", "shutdown", "poweroff", "pause", "dump", "none", "inject-nmi"] | None
    ) = at("@action")
