"""Smart cards: `<smartcard>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model.domain.device import Device
from virtup.model.domain.devices.character import Backend, CharSource, backend_problems
from virtup.model.field import at


@dataclass(frozen=True, slots=True, kw_only=True)
class Smartcard(Device):
    """A card of the host, one made of certificates, or one at the end of a character device."""

    mode: Literal["host", "host-certificates", "passthrough"] = at("@mode", required=True)
    type: Backend | None = at("@type")
    source: tuple[CharSource, ...] = at("source")
    protocol: Literal["raw", "telnet"] | None = at("protocol/@type")
    certificate: tuple[str, ...] = at("certificate")
    database: str | None = at("database")

    def problems(self) -> Iterator[str]:
        """What belongs to another mode."""
        if self.mode == "host-certificates" and len(self.certificate) != 3:
            yield "host-certificates mode needs exactly three certificates"
        if self.mode != "host-certificates" and (self.certificate or self.database):
            yield "<certificate> and <database> belong to mode 'host-certificates'"
        if (self.mode == "passthrough") != (self.type is not None):
            yield "a 'type' belongs to mode 'passthrough', and only there"
        if self.type is not None:
            yield from backend_problems(self.type, self.source, None)
