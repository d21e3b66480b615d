"""attempts, explain, why: what virtup knows of starts and of the causes that stop them."""

from __future__ import annotations

from typing import Any

from virtup.cli.grammar import Failure, flag, guest, nearest, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.errors import Code, Origin, VirtError

_KNOWN = "name or uuid of the domain, also of one that is gone"
_FACTS = (
    ("emulator", "QEMU's binary"),
    ("qemu_version", "QEMU's version"),
    ("kernel", "the host's kernel"),
)
_OF_A_FILE = ("error", "size", "mode", "inode")
"""What of a file's fingerprint tells; owner and time change with every guest that uses it."""


@verb(
    "why",
    "tell why the last start of a domain failed",
    guest(_KNOWN),
    description="The cause, the evidence, what mends it, and what changed since it last ran.",
)
def why(run: Run, *, domain: str) -> None:
    """Print why a guest did not start, or that it did."""
    reply = _ask(run, "WHY", domain)
    if run.json:
        run.document(reply)
        return
    attempt, name = reply["attempt"], reply["guest"]
    if attempt is None:
        run.line(f"No start of domain '{name}' is recorded")
    elif attempt["verdict"] != "failed":
        now = "runs" if reply["active"] else "is off"
        run.line(f"Domain '{name}' {now}; its last start, {_moment(attempt)}, went well")
    else:
        _tell(run, reply)


def _tell(run: Run, reply: dict[str, Any]) -> None:
    from virtup.causes.finding import Finding
    from virtup.causes.render import record

    attempt, name = reply["attempt"], reply["guest"]
    step = f" (step '{attempt['phase']}')" if attempt["phase"] else ""
    run.line(f"Domain '{name}' did not start, {_moment(attempt)}{step}:")
    run.line(str(attempt["error"]).partition("\n")[0])
    for finding in reply["findings"]:
        run.line("")
        run.out("".join(f"{line}\n" for line in record(Finding.from_dict(finding), _width())))
    changed = changes(attempt, _last_good(_ask(run, "ATTEMPTS", name)["attempts"]))
    if changed:
        run.line("\nChanged since it last started:")
        run.out("".join(f"  {line}\n" for line in changed))


@verb("attempts", "list the recorded starts of a domain", guest(_KNOWN))
def attempts(run: Run, *, domain: str) -> None:
    """Print every recorded start of a guest, the oldest first."""
    records = _ask(run, "ATTEMPTS", domain)["attempts"]
    rows = [
        [_began(one), one["verdict"], f"{one['ms']:.0f} ms", one["phase"] or "-", _cause(one)]
        for one in records
    ]
    run.table(["Began", "Verdict", "Took", "Step", "Cause"], rows, records)


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
        near = nearest(cause, [name for one in causes() for name in (one.code, one.slug)])
        hint = f"the nearest is '{near}'" if near else "'virtup explain' lists all"
        raise Failure(f"no known cause has the code, the name or the words '{cause}'; {hint}")
    one = find(cause)
    facts = {} if one is None else {"code": one.code, "name": one.slug, "title": one.title}
    if run.json:
        run.document({**facts, "page": shown})
    else:
        run.out(shown)


def changes(failed: dict[str, Any], good: dict[str, Any] | None) -> list[str]:
    """What is different between a failed start and an earlier good one, a line each."""
    if good is None:
        return []
    found = [
        f"{label}: {good[key] or '-'} -> {failed[key] or '-'}"
        for key, label in _FACTS
        if good[key] != failed[key]
    ]
    if good["definition"] != failed["definition"]:
        found.append("the definition ('virtup --json attempts' has both)")
    for path, now in failed["files"].items():
        before = good["files"].get(path)
        if before is None:
            found.append(f"'{path}' is used now and was not")
        elif _differences(before, now):
            found.append(f"'{path}': {_differences(before, now)}")
    return found


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What of a file's fingerprint differs, with both values; "" when nothing that tells."""
    if "error" in now or "error" in before:
        return f"{before.get('error', 'there')} -> {now.get('error', 'there')}"
    parts = [
        f"{key} {before.get(key, '-')} -> {now.get(key, '-')}"
        for key in _OF_A_FILE
        if before.get(key) != now.get(key)
    ]
    return ", ".join(parts)


def _last_good(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((one for one in reversed(records) if one["verdict"] == "running"), None)


def _ask(run: Run, procedure: str, domain: str) -> Any:
    """What virtupd says of the guest that *domain* names: a name, a UUID or the id of one."""
    try:
        return run.conn.call_virtup(procedure, {"domain": _name(run, domain)})
    except VirtError as exc:
        if exc.code == Code.RPC and exc.origin == Origin.RPC:
            raise Failure(
                "this daemon keeps no record of starts: it is not virtupd; 'virtup explain' takes "
                "the words of an error message",
                exc,
            ) from exc
        raise


def _name(run: Run, domain: str) -> str:
    if not domain.isdigit():
        return domain
    from virtup.client.guests import lookup

    handle = lookup(run.conn, domain)
    return domain if handle is None else str(handle["name"])


def _began(attempt: dict[str, Any]) -> str:
    """When an attempt began, to the second, UTC."""
    return str(attempt["began"]).replace("T", " ")[:19]


def _moment(attempt: dict[str, Any]) -> str:
    return f"{_began(attempt)} UTC"


def _cause(attempt: dict[str, Any]) -> str:
    if attempt["findings"]:
        first = attempt["findings"][0]
        more = len(attempt["findings"]) - 1
        return f"{first['code']} {first['slug']}" + (f" and {more} more" if more else "")
    return str(attempt["error"]).partition("\n")[0] or "-"


def _width() -> int:
    from shutil import get_terminal_size

    return max(60, min(get_terminal_size((80, 24)).columns, 120))
