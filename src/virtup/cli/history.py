"""What the verbs about recorded starts share: asking for them, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from virtup.cli.grammar import Failure
from virtup.cli.run import Run
from virtup.cli.table import printable, width
from virtup.errors import Code, Origin, VirtError

KNOWN = "name or uuid of the domain, also of one that is gone"
BAR = 30
"""How many columns the bar of a step has that took the whole time."""

Data = Mapping[str, Any]


def ask(run: Run, procedure: str, domain: str, **more: Any) -> Any:
    """Return what virtupd says of the guest that *domain* names: a name, a UUID or an id."""
    try:
        return run.conn.call_virtup(procedure, {"domain": _name(run, domain), **more})
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


def began(attempt: Data) -> str:
    """Return when a start began, to the second, UTC."""
    return str(attempt["began"]).replace("T", " ")[:19]


def moment(attempt: Data) -> str:
    """Return when a start began, with the zone."""
    return f"{began(attempt)} UTC"


def named(attempt: Data) -> str:
    """Return what names a start in a sentence."""
    if attempt["verdict"] == "now":
        return "now"
    verdict = "failed" if attempt["verdict"] == "failed" else "went well"
    return f"start {attempt['number']} ({moment(attempt)}, {verdict})"


def cause(attempt: Data) -> str:
    """Return the cause of a start that failed, as short as it can be told; "-" for none."""
    if attempt["findings"]:
        first = attempt["findings"][0]
        more = len(attempt["findings"]) - 1
        return f"{first['code']} {first['slug']}" + (f" and {more} more" if more else "")
    return str(attempt["error"]).partition("\n")[0] or "-"


def duration(ms: float) -> str:
    """Return a time as a person reads it."""
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def change_lines(changes: Sequence[Data], columns: int) -> list[str]:
    """Return a line for each change, what differs in one column and both values in the next.

    What does not fit into *columns* goes on in the next line.
    """
    shown = [[printable(str(one[key])) for key in ("what", "was", "is")] for one in changes]
    wide = min(max((width(what) for what, _, _ in shown), default=0), columns // 2)
    indent = " " * (wide + 3)
    lines: list[str] = []
    for what, was, now in shown:
        head = what + " " * (wide + 3 - width(what))
        if width(what) > wide:
            lines.append(what)
            head = indent
        if width(head) + width(was) + width(now) + 4 <= columns:
            lines.append(f"{head}{was} -> {now}")
        else:
            lines += [f"{head}{was}", f"{indent}-> {now}"]
    return lines


def timeline(attempt: Data) -> Iterator[str]:
    """Yield a line for each step of a start: its name, its time, a bar as long as its share."""
    steps = [(str(one["name"]), float(one["ms"])) for one in attempt["steps"]]
    rest = attempt["ms"] - sum(ms for _, ms in steps)
    if steps and rest >= 1:
        steps.append(("between", rest))
    total = max(attempt["ms"], sum(ms for _, ms in steps))
    names = max((len(name) for name, _ in steps), default=0)
    for name, ms in steps:
        bar = "#" * round(BAR * ms / total) if total else ""
        yield f"{name:<{names}}   {duration(ms):>8}   {bar}".rstrip()


def columns() -> int:
    """Return how wide the terminal is, within reason."""
    from shutil import get_terminal_size

    return max(60, min(get_terminal_size((80, 24)).columns, 120))
