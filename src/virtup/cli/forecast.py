"""How the next boot or shutdown of the host is told: a table of guests, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtup.cli.run import Run

CELL = 40
"""The longest reason that stands in a table; a longer one is told below it."""
MORE_MAX = 3
"""For how many guests the command is printed that tells more."""

Document = dict[str, Any]


def boot(run: Run) -> int:
    """Tell who comes back at the next boot; 1 when something keeps somebody from it."""
    from virtup.guests import check

    with run.trying(None):
        document = check.boot(run.settings.uri)
    return _told(run, document, "at the next boot", _boot)


def shutdown(run: Run) -> int:
    """Tell what would become of the running guests now; 1 when one is lost, or not saved."""
    from virtup.guests import check

    with run.trying(None):
        document = check.shutdown(run.settings.uri)
    return _told(run, document, "if the host went down now", _shutdown)


def _told(run: Run, document: Document, when: str, tell: Callable[[Run, Document], None]) -> int:
    """Print *document*, daemon by daemon by *tell*; the exit status."""
    status = 0 if document["ok"] else 1
    if run.json:
        run.document(document)
        return status
    for daemon in document["daemons"]:
        run.line(f"Guests on {daemon['uri']} {when}:")
        if daemon["error"]:
            run.labelled("error", daemon["error"])
        else:
            tell(run, daemon)
    for one in document["problems"]:
        run.labelled("problem" if one["blocks"] else "note", one["text"])
        if one["fix"]:
            run.labelled("fix", one["fix"])
    return status


def _boot(run: Run, daemon: Document) -> None:
    guests = daemon["guests"]
    if not guests:
        run.line(" none")
        return
    rows = [
        [str(one["turn"] or "-"), one["name"], one["comes"], one["by"] or "-", _cause(one)]
        for one in guests
    ]
    run.table(["Turn", "Name", "Comes", "By", "Cause"], rows, [])
    for one in guests:
        for reason in (*_told_below(one), *one["notes"]):
            run.labelled("why", f"{one['name']}: {reason}")
    for one in [one for one in guests if one["findings"]][:MORE_MAX]:
        run.labelled("more", f"virtup check {one['name']}")


def _shutdown(run: Run, daemon: Document) -> None:
    from virtup.guests.plan import size

    guests = daemon["guests"]
    if not guests:
        run.line(" nobody runs")
        return
    rows = [
        [one["name"], one["becomes"], size(one["needs_bytes"]) if one["needs_bytes"] else "-"]
        for one in guests
    ]
    run.table(["Name", "Becomes", "Needs"], rows, [])
    for one in guests:
        if one["why"]:
            run.labelled("why", f"{one['name']}: {one['why']}")
    if daemon["needs_bytes"]:
        run.labelled("space", _space(daemon, size))
        if daemon["bytes_per_s"]:
            run.labelled("time", _time(daemon, size))


def _space(daemon: Document, size: Callable[[float], str]) -> str:
    free = daemon["free_bytes"]
    of = "" if free is None else f" of {size(free)} that are free in '{daemon['directory']}'"
    return f"up to {size(daemon['needs_bytes'])}{of}"


def _time(daemon: Document, size: Callable[[float], str]) -> str:
    has = daemon["has_s"]
    of = "" if has is None else f" of {has:.0f} s that saves have (DEADLINE)"
    return f"about {max(1.0, daemon['needs_s']):.0f} s{of}, at {size(daemon['bytes_per_s'])}/s"


def _cause(guest: Document) -> str:
    """What keeps a guest off, in a few words; '-' where nothing does, or it is told below."""
    found = guest["findings"]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return f"{found[0]['code']} {found[0]['slug']}{more}"
    short = [reason for reason in guest["why"] if len(reason) <= CELL]
    return ", ".join(short) or "-"


def _told_below(guest: Document) -> list[str]:
    return [reason for reason in guest["why"] if len(reason) > CELL or guest["findings"]]
