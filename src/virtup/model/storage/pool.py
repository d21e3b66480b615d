"""Storage pools: ``<pool type='dir'>``, a directory whose files are the volumes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lxml import etree

from virtup.errors import ConfigUnsupported, XmlRefused
from virtup.model import scalar
from virtup.model.document import Place, line_of, load
from virtup.model.field import Element, Mode, Reader, at, format_element, parse_element
from virtup.model.storage.permissions import Permissions

DIRECTORY = "dir"
OTHER_TYPES = (
    *("fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd"),
    *("sheepdog", "gluster", "zfs", "vstorage"),
)
"""The types of libvirt that virtup has not."""

NAME = scalar.pattern(r"[^/\n]+", "a name of one line without '/'")
PATH = scalar.pattern(r"/[^\n]*", "an absolute path")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSource(Element):
    """Where a pool has its space from; a directory has it from where it lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTarget(Element):
    """The directory."""

    path: str = at("path", PATH, required=True)
    permissions: Permissions | None = at("permissions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Element):
    """A pool's whole definition. The sizes, in bytes, are the host's and not kept."""

    type: Literal["dir"] = at("@type", required=True)
    name: str = at("name", NAME, required=True)
    uuid: str | None = at("uuid", scalar.UUID_TEXT)
    capacity: int | None = at("capacity", scalar.BYTES)
    allocation: int | None = at("allocation", scalar.BYTES)
    available: int | None = at("available", scalar.BYTES)
    source: PoolSource = at("source", always=True)
    target: PoolTarget = at("target", required=True)

    def problems(self) -> Iterator[str]:
        """Values that cannot be."""
        if self.name in (".", ".."):
            yield f"a pool cannot be called '{self.name}'"


def parse_pool(xml: str | bytes, *, source: str = "<xml>") -> Pool:
    """The pool that *xml* defines; its path has single slashes and none at the end.

    Raises XmlInvalid, ConfigUnsupported (a type, element or attribute that virtup does not know)
    and XmlRefused (a value that cannot be); each names *source* and line.
    """
    text = xml if isinstance(xml, str) else xml.decode("utf-8-sig", "replace")
    return _pool(load(xml, source), Reader(source, text))


def parse_state(xml: str | bytes, *, source: str = "<xml>") -> Pool:
    """The pool in a state file, ``<poolstate>``; raises as `parse_pool`."""
    root = load(xml, source)
    inner = root.find("pool")
    if root.tag != "poolstate" or inner is None:
        raise XmlRefused(f"the document is no <poolstate> with a <pool> ({Place(source)})")
    return _pool(inner, Reader(source))


def _pool(root: etree._Element, reader: Reader) -> Pool:
    place = Place(reader.source, line_of(root))
    if root.tag != "pool":
        raise XmlRefused(f"the root element is <{root.tag}>, accepted is <pool> ({place})")
    kind = root.get("type")
    if kind in OTHER_TYPES:
        raise ConfigUnsupported(
            f"storage pool type '{kind}' is not supported, accepted is '{DIRECTORY}' ({place})"
        )
    pool = parse_element(Pool, root, reader)
    return replace(pool, target=replace(pool.target, path=plain_path(pool.target.path)))


def format_pool(pool: Pool) -> str:
    """*pool* as libvirt writes it; a size that is not given is 0."""
    filled = replace(
        pool,
        capacity=pool.capacity or 0,
        allocation=pool.allocation or 0,
        available=pool.available or 0,
    )
    text = format_element(filled, "pool", mode=Mode())
    # libvirt has this element on two lines, whether something is in it or not
    return text.replace("\n  <source/>\n", "\n  <source>\n  </source>\n", 1)


def format_state(pool: Pool) -> str:
    """The state file of *pool* while it is active, as libvirt has it."""
    inner = "".join(f"  {line}\n" for line in format_pool(pool).splitlines())
    return f"<poolstate>\n{inner}</poolstate>\n"


def plain_path(path: str) -> str:
    """*path* with single slashes, and none at the end."""
    return re.sub("/+", "/", path).rstrip("/") or "/"
