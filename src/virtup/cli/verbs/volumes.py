"""vol-create-as, -delete, -dumpxml, -info, -list, -path."""

from __future__ import annotations

from typing import Any

from virtup.cli.grammar import flag, text
from virtup.cli.run import Run
from virtup.cli.size import in_bytes, pretty
from virtup.cli.verb import verb
from virtup.cli.verbs.dumpxml import show
from virtup.cli.verbs.pool_acts import pool_of, pool_option, quoted, require_active
from virtup.client.pools import Pool, Volume, find_volume
from virtup.errors import VirtError

PREALLOCATE, PHYSICAL = 1, 1
_TYPES = ("file", "block", "dir", "network", "netdir", "ploop")

_VOLUME = text("vol", "volume name, key or path", required=True)
_POOL = pool_option(required=False)


@verb(
    "vol-list",
    "list the volumes of a storage pool",
    pool_option(),
    flag("details", "print type and sizes, too"),
)
def vol_list(run: Run, *, pool: str, details: bool) -> None:
    """Print the volumes of a pool."""
    handle = pool_of(run, pool)
    with run.trying("Failed to list volumes"):
        reply = run.conn.call("STORAGE_POOL_LIST_ALL_VOLUMES", pool=handle, need_results=1, flags=0)
    found = sorted(reply["vols"], key=lambda one: str(one["name"]))
    if not (details or run.json):
        rows = [[one["name"], path] for one, path in zip(found, _paths(run, found), strict=True)]
        run.table(["Name", "Path"], rows, [])
        return
    items = [item for one in found if (item := _item(run, one)) is not None]
    rows = [
        [
            *(one["name"], one["path"], one["type"]),
            pretty(one["capacity"]),
            pretty(one["allocation"]),
        ]
        for one in items
    ]
    run.table(["Name", "Path", "Type", "Capacity", "Allocation"], rows, items)


def _paths(run: Run, found: list[Volume]) -> list[str]:
    answers = run.conn.gather(("STORAGE_VOL_GET_PATH", {"vol": one}) for one in found)
    return ["-" if isinstance(one, VirtError) else str(one["name"]) for one in answers]


def _item(run: Run, volume: Volume) -> dict[str, Any] | None:
    """What is known of a volume, JSON-ready; None for one that went meanwhile."""
    calls = [(name, {"vol": volume}) for name in ("STORAGE_VOL_GET_PATH", "STORAGE_VOL_GET_INFO")]
    path, info = run.conn.gather(calls)
    if isinstance(path, VirtError) or isinstance(info, VirtError):
        return None
    return {
        "name": volume["name"],
        "path": path["name"],
        "type": _type(info),
        "capacity": info["capacity"],
        "allocation": info["allocation"],
    }


def _type(info: dict[str, Any]) -> str:
    return _TYPES[info["type"]] if 0 <= info["type"] < len(_TYPES) else "unknown"


@verb("vol-path", "tell where a volume lies", _VOLUME, _POOL)
def vol_path(run: Run, *, vol: str, pool: str | None) -> None:
    """Print the path of a volume."""
    volume = _volume(run, vol, pool)
    run.value("path", run.conn.call("STORAGE_VOL_GET_PATH", vol=volume)["name"])


@verb(
    "vol-info",
    "tell what a volume is and how large",
    _VOLUME,
    _POOL,
    flag("bytes", "tell sizes in bytes"),
    flag("physical", "tell how long its file is, not how much of it is on the disk"),
)
def vol_info(run: Run, *, vol: str, pool: str | None, bytes: bool, physical: bool) -> None:
    """Print the facts of a volume."""
    volume = _volume(run, vol, pool)
    if physical:
        info = run.conn.call("STORAGE_VOL_GET_INFO_FLAGS", vol=volume, flags=PHYSICAL)
    else:
        info = run.conn.call("STORAGE_VOL_GET_INFO", vol=volume)
    used = "physical" if physical else "allocation"
    if run.json:
        facts = {"name": volume["name"], "type": _type(info), "capacity": info["capacity"]}
        run.document({**facts, used: info["allocation"]})
        return
    shown = (lambda size: f"{size} bytes") if bytes else pretty
    for label, value in (
        ("Name", volume["name"]),
        ("Type", _type(info)),
        ("Capacity", shown(info["capacity"])),
        (used.capitalize(), shown(info["allocation"])),
    ):
        run.line(f"{label + ':':<15} {value}")


@verb(
    "vol-dumpxml",
    "print what is known of a volume",
    _VOLUME,
    _POOL,
    text("xpath", "print only what this XPath expression finds", positional=False),
    flag("wrap", "put what the XPath expression finds into one root element"),
)
def vol_dumpxml(run: Run, *, vol: str, pool: str | None, xpath: str | None, wrap: bool) -> None:
    """Print the XML of a volume."""
    volume = _volume(run, vol, pool)
    show(
        run, run.conn.call("STORAGE_VOL_GET_XML_DESC", vol=volume, flags=0)["xml"], xpath, wrap=wrap
    )


@verb(
    "vol-create-as",
    "make a volume in a storage pool",
    pool_option(),
    text("name", "name of the volume", required=True),
    text("capacity", "size such as 10G", required=True),
    text("allocation", "how much of it to set aside on the disk", positional=False),
    text("format", "raw or qcow2", positional=False, completes=("raw", "qcow2")),
    text("backing-vol", "volume below it, by its name, key or path", positional=False),
    text("backing-vol-format", "format of that volume", positional=False),
    flag("prealloc-metadata", "set the tables of a qcow2 image aside"),
    flag("print-xml", "print the XML and make nothing"),
)
def vol_create_as(
    run: Run, *, pool: str, name: str, prealloc_metadata: bool, print_xml: bool, **given: str | None
) -> None:
    """Make the volume *name*."""
    handle = pool_of(run, pool)
    xml = _new_volume(run, handle, name, given)
    if print_xml:
        run.document({"xml": xml}) if run.json else run.out(xml)
        return
    flags = PREALLOCATE if prealloc_metadata else 0
    with run.trying(f"Failed to create vol {name}"):
        made = run.conn.call("STORAGE_VOL_CREATE_XML", pool=handle, xml=xml, flags=flags)["vol"]
    run.say(f"Vol {name} created", volume=name, pool=handle["name"], path=made["key"])


def _new_volume(run: Run, pool: Pool, name: str, given: dict[str, str | None]) -> str:
    """The document of a volume to be made."""
    from xml.sax.saxutils import escape

    lines = [
        "<volume>",
        f"  <name>{escape(name)}</name>",
        f"  <capacity>{in_bytes(str(given['capacity']))}</capacity>",
    ]
    if given["allocation"]:
        lines.append(f"  <allocation>{in_bytes(given['allocation'])}</allocation>")
    if given["format"]:
        kind = quoted(given["format"])
        lines += ["  <target>", f"    <format type='{kind}'/>", "  </target>"]
    if given["backing_vol"]:
        with run.trying(f"failed to get vol '{given['backing_vol']}'"):
            below = find_volume(run.conn, given["backing_vol"], pool)
            path = run.conn.call("STORAGE_VOL_GET_PATH", vol=below)["name"]
        lines += ["  <backingStore>", f"    <path>{escape(path)}</path>"]
        if given["backing_vol_format"]:
            lines.append(f"    <format type='{quoted(given['backing_vol_format'])}'/>")
        lines.append("  </backingStore>")
    return "\n".join([*lines, "</volume>", ""])


@verb(
    "vol-delete",
    "delete a volume and what is in it",
    _VOLUME,
    _POOL,
    description="A volume that a running domain uses stays.",
)
def vol_delete(run: Run, *, vol: str, pool: str | None) -> None:
    """Delete a volume."""
    volume = _volume(run, vol, pool)
    with run.trying(f"Failed to delete vol {vol}"):
        run.conn.call("STORAGE_VOL_DELETE", vol=volume, flags=0)
    run.say(f"Vol {vol} deleted", volume=volume["name"], pool=volume["pool"])


def _volume(run: Run, name: str, pool: str | None) -> Volume:
    """The volume that *name* names; raises Failure when there is none."""
    handle = None if pool is None else pool_of(run, pool)
    hint = ", specifying --pool might help" if handle is None else ""
    if handle is not None:
        require_active(run, handle)
    with run.trying(f"failed to get vol '{name}'{hint}"):
        return find_volume(run.conn, name, handle)
