"""The firmware that a guest starts from, and the store of its variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model.field import Element, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader(Element):
    """The firmware's image: a flash chip (UEFI), else a ROM in place of QEMU's own BIOS."""

    readonly: bool | None = at("@readonly")
    secure: bool | None = at("@secure")
    type: Literal["rom", "pflash"] | None = at("@type")
    stateless: bool | None = at("@stateless")
    format: Literal["raw"] | None = at("@format")
    path: str | None = at(".")

    @property
    def is_flash(self) -> bool:
        """Whether it is a flash chip."""
        return self.type == "pflash"

    @property
    def needs_store(self) -> bool:
        """Whether its variables are kept in a file of their own."""
        return self.is_flash and self.readonly is True and not self.stateless

    def problems(self) -> Iterator[str]:
        """A firmware without a file, and what only a flash chip can be."""
        if not self.path:
            yield "no loader path specified and firmware auto selection disabled"
        if not self.is_flash and self.stateless is False:
            yield "Only pflash loader type permits NVRAM"
        if not self.is_flash and self.secure:
            yield "Secure boot is supported with pflash loader type only"
        if not self.is_flash and self.readonly is False:
            yield "a ROM cannot be written: <loader readonly='no'> needs type='pflash'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvram(Element):
    """The file of the firmware's variables, made from a template at the first start."""

    template: str | None = at("@template")
    template_format: Literal["raw"] | None = at("@templateFormat")
    format: Literal["raw"] | None = at("@format")
    path: str | None = at(".")
