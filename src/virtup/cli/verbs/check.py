"""check: would a guest start now?"""

from __future__ import annotations

from typing import Any

from virtup.cli.grammar import BadUsage, Failure, flag, text
from virtup.cli.run import WIDTH, Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import subject
from virtup.errors import Code, Origin, VirtError

_NO = "would not start"
"""The daemon's word for a guest that something keeps from starting."""
_SHORT = {"would start": "yes", _NO: "no", "is running": "runs"}


@verb(
    "check",
    "tell whether a domain would start now, and why not",
    text("domain", "domain name, id or uuid, or a file with its XML", completes="guest"),
    flag("all", "check every domain, a line each"),
    flag("boot", "tell who comes back at the next boot, in which order, and what bars it"),
    flag("shutdown", "tell who would be saved if the host went down now, and what that needs"),
    description=(
        "Nothing is started, made or changed. A word that is both a domain and a file is the "
        "domain; './NAME' is the file. The exit status is 0 for what would start or runs already, "
        "and 1 for what would not. What only may keep it from starting is told, and counts as 0. "
        "--boot and --shutdown give 1 when a guest does not come back that is to, or is not saved."
    ),
)
def check(run: Run, *, domain: str | None, all: bool, boot: bool, shutdown: bool) -> int:
    """Print what a start would come to."""
    if [domain is not None, all, boot, shutdown].count(True) != 1:
        raise BadUsage("command 'check' takes a <domain>, --all, --boot or --shutdown")
    if boot or shutdown:
        from virtup.cli import forecast

        return forecast.boot(run) if boot else forecast.shutdown(run)
    if domain is None:
        return _table(run, _ask(run, {"all": True})["verdicts"])
    verdict = _verdict(run, domain)
    if run.json:
        run.document(verdict)
    else:
        _tell(run, verdict, verdict["domain"] or domain)
    return _status(verdict)


def _verdict(run: Run, domain: str) -> dict[str, Any]:
    """What the daemon says of the guest, or else of the file, that *domain* names."""
    name, xml = subject(run, domain)
    return _ask(run, {"domain": name}) if name else _ask(run, {"xml": xml}, document=domain)


def _ask(run: Run, request: dict[str, Any], *, document: str = "") -> dict[str, Any]:
    try:
        with run.trying(None, document=document):
            reply: dict[str, Any] = run.conn.call_virtup("CHECK", request)
    except Failure as failure:
        cause = failure.cause
        if isinstance(cause, VirtError) and (cause.code, cause.origin) == (Code.RPC, Origin.RPC):
            raise Failure("this daemon checks no domains: it is not virtupd", cause) from cause
        raise
    if document:
        reply["sentence"] = reply["sentence"].replace("(<xml>, ", f"({document}, ")
    return reply


def _status(verdict: dict[str, Any]) -> int:
    return 1 if verdict["outlook"] == _NO else 0


def _tell(run: Run, verdict: dict[str, Any], name: str) -> None:
    from virtup.causes.finding import Finding
    from virtup.causes.render import lines

    run.line(f"{name}: {verdict['outlook']}")
    if verdict["sentence"]:
        run.labelled("error", verdict["sentence"])
    for one in (*verdict["findings"], *verdict["warnings"]):
        shown = lines([Finding.from_dict(one)], WIDTH, name=name)
        run.out("".join(f"{line}\n" for line in shown))
    for note in verdict["notes"]:
        run.labelled("note", note)


def _table(run: Run, verdicts: list[dict[str, Any]]) -> int:
    rows = [[one["domain"], _SHORT[one["outlook"]], _why(one)] for one in verdicts]
    run.table(["Name", "Starts", "Cause"], rows, verdicts)
    return max(map(_status, verdicts), default=0)


CELL = 56
"""The longest refusal that stands in the table; a check of the guest alone tells all of it."""


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= CELL else f"{sentence[: CELL - 2]} …"


def _why(verdict: dict[str, Any]) -> str:
    """The first cause, in a few words; '-' for none."""
    known = [*verdict["findings"], *verdict["warnings"]]
    if not known:
        return _short(verdict["sentence"]) or "-"
    first, more = known[0], len(known) - 1
    word = "" if verdict["findings"] else "may fail: "
    return f"{word}{first['code']} {first['slug']}" + (f" and {more} more" if more else "")
