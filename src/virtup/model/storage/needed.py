"""Which storage pools a guest does not start without, by any libvirt's document of it."""

from __future__ import annotations

from virtup.errors import XmlInvalid
from virtup.model.document import load


def needed_pools(xml: str) -> tuple[str, ...]:
    """Return the names of the pools, in order; none for a document that cannot be read."""
    try:
        root = load(xml, "<xml>")
    except XmlInvalid:
        return ()
    sources = (disk.find("source") for disk in root.iterfind("devices/disk[@type='volume']"))
    names = (
        source.get("pool", "")
        for source in sources
        if source is not None and source.get("startupPolicy") != "optional"
    )
    return tuple(dict.fromkeys(name for name in names if name))
