"""pool-dumpxml, -info, -list."""

from __future__ import annotations

from typing import Any

from virtup.cli.grammar import flag, text
from virtup.cli.run import Run
from virtup.cli.size import pretty
from virtup.cli.verb import verb
from virtup.cli.verbs.dumpxml import show
from virtup.cli.verbs.pool_acts import pool_of, pool_option
from virtup.client.guests import format_uuid
from virtup.client.pools import ACTIVE, INACTIVE, Pool, list_pools

XML_INACTIVE = 1
FILTERS = {"persistent": 4, "transient": 8, "autostart": 16, "no_autostart": 32}
"""Options that choose pools, and their bits in ``virConnectListAllStoragePoolsFlags``."""
_STATES = ("inactive", "building", "running", "degraded", "inaccessible")
_OFF = 0
_SIZES = ("capacity", "allocation", "available")


@verb(
    "pool-list",
    "list storage pools",
    flag("inactive", "list those that are not active"),
    flag("all", "list those that are active and those that are not"),
    flag("transient", "list those without a kept definition"),
    flag("persistent", "list those with a kept definition"),
    flag("autostart", "list those that start with the host"),
    flag("no-autostart", "list those that do not start with the host"),
    flag("details", "print more of each"),
    flag("uuid", "print UUIDs only"),
    flag("name", "print names only"),
    description="Active pools, unless the options say otherwise.",
)
def pool_list(run: Run, *, details: bool, uuid: bool, name: bool, **given: bool) -> None:
    """Print the pools that the options choose."""
    flags = INACTIVE if given["inactive"] else ACTIVE
    flags = INACTIVE | ACTIVE if given["all"] else flags
    flags |= sum(bit for option, bit in FILTERS.items() if given[option])
    with run.trying("Failed to list pools"):
        pools = list_pools(run.conn, flags)
    if (uuid or name) and not run.json:
        for pool in pools:
            columns = [format_uuid(pool["uuid"])] if uuid else []
            run.line(" ".join([*columns, *([f"{pool['name']:<20}"] if name else [])]))
        return
    items = [_facts(run, pool) for pool in pools]
    (_details if details else _plain)(run, items)


def _plain(run: Run, items: list[dict[str, Any]]) -> None:
    rows = [
        [one["name"], "active" if one["active"] else "inactive", _yes(one["autostart"])]
        for one in items
    ]
    run.table(["Name", "State", "Autostart"], rows, items)


def _details(run: Run, items: list[dict[str, Any]]) -> None:
    header = ["Name", "State", "Autostart", "Persistent", "Capacity", "Allocation", "Available"]
    rows = [
        [
            *(one["name"], one["state"], _yes(one["autostart"]), _yes(one["persistent"])),
            *(pretty(one[size]) if one["active"] else "-" for size in _SIZES),
        ]
        for one in items
    ]
    run.table(header, rows, items)


@verb(
    "pool-info",
    "tell what a storage pool is and how much room it has",
    pool_option(),
    flag("bytes", "tell sizes in bytes"),
)
def pool_info(run: Run, *, pool: str, bytes: bool) -> None:
    """Print the facts of a pool."""
    facts = _facts(run, pool_of(run, pool))
    if run.json:
        run.document(facts)
        return
    lines = [
        ("Name", facts["name"]),
        ("UUID", facts["uuid"]),
        ("State", facts["state"]),
        ("Persistent", _yes(facts["persistent"])),
        ("Autostart", _yes(facts["autostart"])),
    ]
    if facts["active"]:
        shown = str if bytes else pretty
        lines += [(size.capitalize(), shown(facts[size])) for size in _SIZES]
    for label, value in lines:
        run.line(f"{label + ':':<15} {value}")


@verb(
    "pool-dumpxml",
    "print the definition of a storage pool",
    pool_option(),
    flag("inactive", "the kept definition, not the active pool's"),
    text("xpath", "print only what this XPath expression finds", positional=False),
    flag("wrap", "put what the XPath expression finds into one root element"),
)
def pool_dumpxml(run: Run, *, pool: str, inactive: bool, xpath: str | None, wrap: bool) -> None:
    """Print the XML of a pool, or what an XPath expression finds in it."""
    flags = XML_INACTIVE if inactive else 0
    xml = run.conn.call("STORAGE_POOL_GET_XML_DESC", pool=pool_of(run, pool), flags=flags)["xml"]
    show(run, xml, xpath, wrap=wrap)


def _facts(run: Run, pool: Pool) -> dict[str, Any]:
    """What is known of a pool, JSON-ready; sizes in bytes."""
    info = run.conn.call("STORAGE_POOL_GET_INFO", pool=pool)
    persistent = run.conn.call("STORAGE_POOL_IS_PERSISTENT", pool=pool)["persistent"]
    autostart = run.conn.call("STORAGE_POOL_GET_AUTOSTART", pool=pool)["autostart"]
    state = info["state"]
    return {
        "name": pool["name"],
        "uuid": format_uuid(pool["uuid"]),
        "state": _STATES[state] if state < len(_STATES) else "unknown",
        "active": state != _OFF,
        "persistent": bool(persistent),
        "autostart": bool(autostart),
        **{size: info[size] for size in _SIZES},
    }


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
