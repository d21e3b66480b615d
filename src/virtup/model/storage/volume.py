"""Storage volumes: ``<volume>``, a file or a directory in a pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from virtup.errors import XmlRefused
from virtup.model import scalar
from virtup.model.document import Place, line_of, load
from virtup.model.field import Element, Mode, Reader, at, format_element, parse_element
from virtup.model.scalar import Scalar
from virtup.model.storage.permissions import Permissions

CLUSTER = Scalar(lambda text: scalar.scaled(text, step=1, unit="bytes"), str, unit="B")
NAME = scalar.pattern(r"[^/\n]+", "the name of a file, of one line without '/'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamps(Element):
    """When the file was read, written and changed: seconds and nanoseconds since the epoch."""

    atime: str | None = at("atime")
    mtime: str | None = at("mtime")
    ctime: str | None = at("ctime")
    btime: str | None = at("btime")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeTarget(Element):
    """The file: where it lies, what it is, whose it is."""

    path: str | None = at("path")
    format: str | None = at("format/@type")
    permissions: Permissions | None = at("permissions")
    timestamps: Timestamps | None = at("timestamps")
    compat: Literal["0.10", "1.1"] | None = at("compat")
    cluster_size: int | None = at("clusterSize", CLUSTER)
    nocow: bool = at("nocow", scalar.FLAG)
    lazy_refcounts: bool = at("features/lazy_refcounts", scalar.FLAG)
    extended_l2: bool = at("features/extended_l2", scalar.FLAG)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeBacking(Element):
    """The image below."""

    path: str = at("path", required=True)
    format: str | None = at("format/@type")
    permissions: Permissions | None = at("permissions")
    timestamps: Timestamps | None = at("timestamps")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSource(Element):
    """Where on its pool's devices a volume lies; a file in a directory lies nowhere in particular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Element):
    """A volume; sizes are in bytes. Its key is its path."""

    type: Literal["file", "dir"] | None = at("@type")
    name: str = at("name", NAME, required=True)
    key: str | None = at("key")
    source: VolumeSource | None = at("source")
    capacity: int | None = at("capacity", scalar.BYTES)
    allocation: int | None = at("allocation", scalar.BYTES)
    physical: int | None = at("physical", scalar.BYTES)
    target: VolumeTarget = at("target", always=True)
    backing_store: VolumeBacking | None = at("backingStore")

    def problems(self) -> Iterator[str]:
        """Values that cannot be."""
        if self.name in (".", ".."):
            yield f"a volume cannot be called '{self.name}'"


def parse_volume(xml: str, *, source: str = "<xml>") -> Volume:
    """The volume that *xml* describes; raises XmlInvalid, ConfigUnsupported and XmlRefused."""
    root = load(xml, source)
    if root.tag != "volume":
        place = Place(source, line_of(root))
        raise XmlRefused(f"the root element is <{root.tag}>, accepted is <volume> ({place})")
    return parse_element(Volume, root, Reader(source, xml))


def format_volume(volume: Volume) -> str:
    """*volume* as libvirt writes it."""
    return format_element(volume, "volume", mode=Mode())
