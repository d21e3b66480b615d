"""``virtup-guests status``: whether guests were brought back, what became of them, who is not back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from virtup.errors import VirtError
from virtup.guests import report as reports
from virtup.guests.office import Office, Unreachable, first_line

ASK_S = 5.0
"""How long a daemon may take to tell what it started by itself."""


async def gather(office: Office, *, started: bool) -> dict[str, Any]:
    """Return all there is to say, JSON-ready."""
    report = office.report
    return {
        "state": "started" if started else "stopped",
        "waiting": [asdict(entry) for entry in office.waiting.entries()],
        "start": None if report.start is None else asdict(report.start),
        "stop": None if report.stop is None else asdict(report.stop),
        "autostart": [await _autostart(office, uri) for uri in office.uris()],
        "problem": report.problem or None,
    }


async def _autostart(office: Office, uri: str) -> dict[str, Any]:
    try:
        remote = await office.reach(uri, ASK_S, once=True)
    except Unreachable as error:
        return {"uri": uri, "guests": [], "error": error.message}
    try:
        asked = office.ask(remote.autostarted())
        if not await office.within(asked, ASK_S):
            asked.cancel()
            return {"uri": uri, "guests": [], "error": f"'{uri}' did not answer in {ASK_S:g} s"}
        return {"uri": uri, "guests": await asked, "error": None}
    except VirtError as error:
        return {"uri": uri, "guests": [], "error": first_line(error)}
    finally:
        await remote.close()


def lines(office: Office, facts: dict[str, Any]) -> list[str]:
    """Return the same as a person reads it; the first line is the state."""
    waiting = facts["waiting"]
    found = [_state(facts["state"], bool(waiting))]
    report = office.report
    if report.problem:
        found.append(report.problem)
    if report.stop is not None and (facts["state"] == "stopped" or report.start is None):
        found += ["", f"Stopped {reports.shown(report.stop.began)}:", *reports.lines(report.stop)]
    if report.start is not None:
        body = list(reports.lines(report.start)) or ["  nobody was to come back"]
        found += ["", f"Started {reports.shown(report.start.began)}:", *body]
    for each in facts["autostart"]:
        found += _autostarted(each)
    if waiting:
        found += ["", "Not back yet, and tried at the next start:"]
        for entry in waiting:
            how = "neither saved nor shut down" if entry["how"] == "pending" else entry["how"]
            found.append(f"  {entry['name']} ({entry['uri']}): {how}")
        if facts["state"] == "started":
            found.append(
                "'virtup-guests start' tries now, 'virtup-guests forget NAME' gives one up"
            )
    return found


def _state(state: str, waiting: bool) -> str:
    if state == "started":
        return "started, but not everybody is back" if waiting else "started"
    return "stopped, guests are to come back" if waiting else "stopped, nobody is to come back"


def _autostarted(facts: dict[str, Any]) -> list[str]:
    if facts["error"]:
        return ["", f"Started with the host by {facts['uri']}: not known: {facts['error']}"]
    run = reports.Run(began="")
    for each in facts["guests"]:
        run.add(
            reports.Outcome(
                facts["uri"], each["uuid"], each["name"], each["outcome"], each.get("why", "")
            )
        )
    body = list(reports.lines(run))
    return ["", f"Started with the host by {facts['uri']}:", *body] if body else []
