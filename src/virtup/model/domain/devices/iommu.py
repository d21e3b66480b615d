"""The guest's IOMMU: `<iommu>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from virtup.model import scalar
from virtup.model.domain.device import Device
from virtup.model.field import at


@dataclass(frozen=True, slots=True, kw_only=True)
class Iommu(Device):
    """A virtual Intel IOMMU."""

    model: Literal["intel"] = at("@model", required=True)
    intremap: bool | None = at("driver/@intremap", scalar.ON_OFF)
    caching_mode: bool | None = at("driver/@caching_mode", scalar.ON_OFF)
    eim: bool | None = at("driver/@eim", scalar.ON_OFF)
    iotlb: bool | None = at("driver/@iotlb", scalar.ON_OFF)
    aw_bits: int | None = at("driver/@aw_bits", scalar.number(32, 64))
