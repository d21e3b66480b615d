"""list."""

from __future__ import annotations

from typing import Any

from virtup.cli.grammar import Failure, flag
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.states import RUNNING, SHUT_OFF, state_word
from virtup.client.exchange import Answer
from virtup.client.guests import ACTIVE, INACTIVE, Handle, format_uuid, list_all
from virtup.errors import Code, VirtError

FILTERS = {
    "persistent": 4,
    "transient": 8,
    "state_running": 16,
    "state_paused": 32,
    "state_shutoff": 64,
    "state_other": 128,
    "with_managed_save": 256,
    "without_managed_save": 512,
    "autostart": 1024,
    "no_autostart": 2048,
    "with_snapshot": 4096,
    "without_snapshot": 8192,
    "with_checkpoint": 16384,
    "without_checkpoint": 32768,
}
"""Options that choose guests, and their bits in ``virConnectListAllDomainsFlags``."""

_TITLE = 1
_STATE_SAVED = "saved"


@verb(
    "list",
    "list domains",
    flag("inactive", "list those that do not run"),
    flag("all", "list those that run and those that do not"),
    flag("transient", "list those without a kept definition"),
    flag("persistent", "list those with a kept definition"),
    flag("with-snapshot", "list those with snapshots"),
    flag("without-snapshot", "list those without a snapshot"),
    flag("with-checkpoint", "list those with checkpoints"),
    flag("without-checkpoint", "list those without a checkpoint"),
    flag("state-running", "list those that run"),
    flag("state-paused", "list those that are paused"),
    flag("state-shutoff", "list those that are shut off"),
    flag("state-other", "list those in any other state"),
    flag("autostart", "list those that start with the host"),
    flag("no-autostart", "list those that do not start with the host"),
    flag("with-managed-save", "list those with saved state"),
    flag("without-managed-save", "list those without saved state"),
    flag("uuid", "print UUIDs only"),
    flag("name", "print names only"),
    flag("id", "print ids only"),
    flag("table", "print a table (default)"),
    flag("managed-save", "mark those that are off and have saved state"),
    flag("title", "print titles, too"),
    description="Running domains, unless the options say otherwise.",
)
def list_(run: Run, **given: bool) -> None:
    """Print the guests that the options choose."""
    for other in ("name", "uuid", "id"):
        if given["table"] and given[other]:
            raise Failure(f"Options --table and --{other} are mutually exclusive")
    only = [name for name in ("uuid", "id", "name") if given[name]]
    with run.trying("Failed to list domains"):
        guests = _sorted(list_all(run.conn, _flags(given)))
    if only == ["id"]:
        guests = [guest for guest in guests if guest["id"] >= 0]
    if only and not run.json:
        run.out("".join(f"{' '.join(_bare(guest, name) for name in only)}\n" for guest in guests))
        return
    _table(run, guests, title=given["title"], mark_saved=given["managed_save"])


def _flags(given: dict[str, bool]) -> int:
    flags = ACTIVE
    if given["inactive"] or given["state_shutoff"]:
        flags = INACTIVE
    if given["all"]:
        flags = ACTIVE | INACTIVE
    return flags | sum(bit for name, bit in FILTERS.items() if given[name])


def _sorted(guests: list[Handle]) -> list[Handle]:
    """Running guests by id, then the others by name."""
    running = sorted((g for g in guests if g["id"] >= 0), key=lambda g: g["id"])
    return running + sorted((g for g in guests if g["id"] < 0), key=lambda g: g["name"].lower())


def _bare(guest: Handle, what: str) -> str:
    if what == "uuid":
        return format_uuid(guest["uuid"])
    if what == "id":
        return str(guest["id"]) if guest["id"] >= 0 else "-"
    return str(guest["name"])


def _table(run: Run, guests: list[Handle], *, title: bool, mark_saved: bool) -> None:
    answers = run.conn.gather(("DOMAIN_GET_STATE", {"dom": g, "flags": 0}) for g in guests)
    states = [_state(guest, answer) for guest, answer in zip(guests, answers, strict=True)]
    if mark_saved:
        states = _saved(run, guests, states)
    titles = _titles(run, guests) if title else [""] * len(guests)
    items: list[dict[str, Any]] = [
        {
            "id": guest["id"] if guest["id"] >= 0 else None,
            "name": guest["name"],
            "uuid": format_uuid(guest["uuid"]),
            "state": state,
            **({"title": of} if title else {}),
        }
        for guest, state, of in zip(guests, states, titles, strict=True)
    ]
    header = ["Id", "Name", "State", *(["Title"] if title else [])]
    rows = [
        [_bare(guest, "id"), guest["name"], state, *([of] if title else [])]
        for guest, state, of in zip(guests, states, titles, strict=True)
    ]
    run.table(header, rows, items)


def _state(guest: Handle, answer: Answer) -> str:
    """The word for the state; a guest that went meanwhile counts by what the list said of it."""
    if isinstance(answer, VirtError):
        return state_word(RUNNING if guest["id"] >= 0 else SHUT_OFF)
    return state_word(answer["state"])


def _saved(run: Run, guests: list[Handle], states: list[str]) -> list[str]:
    off = [guest for guest in guests if guest["id"] < 0]
    calls = (("DOMAIN_HAS_MANAGED_SAVE_IMAGE", {"dom": g, "flags": 0}) for g in off)
    saved = {
        guest["uuid"]
        for guest, answer in zip(off, run.conn.gather(calls), strict=True)
        if not isinstance(answer, VirtError) and answer["result"]
    }
    return [
        _STATE_SAVED if guest["uuid"] in saved else state
        for guest, state in zip(guests, states, strict=True)
    ]


def _titles(run: Run, guests: list[Handle]) -> list[str]:
    calls = (
        ("DOMAIN_GET_METADATA", {"dom": g, "type": _TITLE, "uri": None, "flags": 0}) for g in guests
    )
    return [_title(answer) for answer in run.conn.gather(calls)]


def _title(answer: Answer) -> str:
    if isinstance(answer, VirtError):
        if answer.code in (Code.NO_DOMAIN_METADATA, Code.NO_DOMAIN, Code.NO_SUPPORT):
            return ""
        raise answer
    return str(answer["metadata"])
