"""explain, why: what virtup knows of the causes that stop a start, and which stopped the last one."""

from __future__ import annotations

from typing import Any

from virtup.cli import history
from virtup.cli.grammar import Failure, flag, guest, nearest, text
from virtup.cli.run import Run
from virtup.cli.verb import verb

CHANGES_MAX = 5
"""How many differences from the last good start are told beside a cause."""


@verb(
    "why",
    "tell why the last start of a domain failed",
    guest(history.KNOWN),
    description="The cause, the evidence, what mends it, and what changed since it last ran.",
)
def why(run: Run, *, domain: str) -> None:
    """Print why a guest did not start, or that it did."""
    reply = history.ask(run, "WHY", domain)
    if run.json:
        run.document(reply)
        return
    attempt, name = reply["attempt"], reply["guest"]
    if attempt is None:
        run.line(f"No start of domain '{name}' is recorded")
    elif attempt["verdict"] == "failed":
        _tell(run, reply)
    else:
        _went_well(run, reply)


def _went_well(run: Run, reply: dict[str, Any]) -> None:
    attempt, name, failure = reply["attempt"], reply["guest"], reply["failure"]
    when, took = history.moment(attempt), history.duration(attempt["ms"])
    if reply["active"]:
        run.line(f"Domain '{name}' is running since {when} (start {attempt['number']}, {took})")
    else:
        gone = "is off" if reply["defined"] else "is not defined any more"
        run.line(f"Domain '{name}' {gone}; nothing failed: its last start, {when}, went well")
    for note in attempt["notes"]:
        run.line(note)
    _slow(run, reply)
    if failure is not None:
        run.line(f"Its last failure was start {failure['number']}, {history.moment(failure)}:")
        run.line(f"  {history.cause(failure)}")
        run.line(f"  all of it: virtup attempts {name} {failure['number']}")


def _tell(run: Run, reply: dict[str, Any]) -> None:
    from virtup.causes.finding import Finding
    from virtup.causes.render import record

    attempt, name = reply["attempt"], reply["guest"]
    step = f" (step '{attempt['phase']}')" if attempt["phase"] else ""
    state = "is running; another start of it failed" if reply["active"] else "did not start"
    run.line(f"Domain '{name}' {state}, {history.moment(attempt)}{step}:")
    run.line(str(attempt["error"]).partition("\n")[0])
    for finding in reply["findings"]:
        run.line("")
        shown = record(Finding.from_dict(finding), history.columns())
        run.out("".join(f"{line}\n" for line in shown))
    fixes = [fix for finding in reply["findings"] for fix in finding["fixes"]]
    if any(fix.get("repair") for fix in fixes) and not reply["active"]:
        run.line(f"\n'virtup fix {name}' shows what of it virtup can mend")
    _slow(run, reply)
    changes, good = reply["changes"], reply["good"]
    if good is None:
        return
    if not changes:
        run.line(f"\nNothing that virtup looks at changed since {history.named(good)}")
        return
    run.line(f"\nChanged since {history.named(good)}:")
    lines = history.change_lines(changes[:CHANGES_MAX], history.columns() - 2)
    run.out("".join(f"  {line}\n" for line in lines))
    if len(changes) > CHANGES_MAX:
        run.line(f"  {len(changes) - CHANGES_MAX} more: virtup diff {name}")


def _slow(run: Run, reply: dict[str, Any]) -> None:
    """Say where the time went, when a step took most of it."""
    slow = reply["slow"]
    if slow is not None:
        took, whole = history.duration(slow["ms"]), history.duration(slow["of_ms"])
        run.line(f"\nIts time went into step '{slow['step']}': {took} of {whole}")


@verb(
    "explain",
    "tell what a cause means and what to do",
    text("cause", "a code (VU014), its name, or the words of an error message", completes="cause"),
    flag("list", "list all causes"),
    description="Needs no daemon. Without a cause, lists all that virtup knows.",
    connects=False,
)
def explain(run: Run, *, cause: str | None, list: bool) -> None:
    """Print the page of a cause."""
    from virtup.causes.catalogue import cause as find
    from virtup.causes.catalogue import causes, page

    if cause is None or list:
        known = causes()
        items = [{"code": one.code, "name": one.slug, "title": one.title} for one in known]
        rows = [[one.code, one.slug, one.title] for one in known]
        run.table(["Code", "Name", "Title"], rows, items)
        return
    shown = page(cause)
    if not shown:
        near = nearest(cause, [one.slug for one in causes()])
        hint = f"the nearest is '{near}'" if near else "'virtup explain' lists all"
        if " " in cause.strip():
            hint = "give all that was said to 'virtup diagnose'"
        raise Failure(f"no known cause has the code, the name or the words '{cause}'; {hint}")
    one = find(cause)
    facts = {} if one is None else {"code": one.code, "name": one.slug, "title": one.title}
    if run.json:
        run.document({**facts, "page": shown})
    else:
        run.out(shown)
