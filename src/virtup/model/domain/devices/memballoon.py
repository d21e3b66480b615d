"""The memory balloon: `<memballoon>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import ADDRESS, Device
from virtup.model.domain.devices.input import VirtioDriver
from virtup.model.field import at


@dataclass(frozen=True, slots=True, kw_only=True)
class Memballoon(Device):
    """The device that takes memory from the guest and gives it back."""

    model: Literal["virtio", "virtio-transitional", "virtio-non-transitional", "none"] = at(
        "@model", required=True
    )
    autodeflate: bool | None = at("@autodeflate", scalar.ON_OFF)
    free_page_reporting: bool | None = at("@freePageReporting", scalar.ON_OFF)
    stats_period_s: int | None = at("stats/@period")
    driver: VirtioDriver | None = at("driver", last=ADDRESS + 1)

    def problems(self) -> Iterator[str]:
        """Settings of a balloon that is not there."""
        if self.model == "none" and (self.driver or self.autodeflate or self.address):
            yield "<memballoon model='none'> has no driver, address or autodeflate"
