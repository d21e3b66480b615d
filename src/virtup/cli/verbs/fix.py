"""fix: mend what keeps a guest from starting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtup.cli.grammar import BadUsage, Failure, flag, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.documents import subject
from virtup.errors import Code, Origin, VirtError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROUNDS_MAX = 12
"""How many faults that show one after the other are mended in one call."""

WIDTH = 80
AUTO = "auto"


@verb(
    "fix",
    "mend what keeps a domain from starting",
    text(
        "domain",
        "domain name, id or uuid, or a file with its XML",
        completes="guest",
        required=True,
    ),
    flag("apply", "do it: what is safe at once, the rest after a yes"),
    flag("yes", "answer yes to all that --apply asks"),
    flag("no-start", "do not start the domain afterwards"),
    flag("undo", "take the last repair back"),
    flag("list", "list the repairs that were done"),
    description=(
        "Without an option, shows what would be done. A word that is both a domain and a file is "
        "the domain; './NAME' is the file. The guest in a file is defined, with what was mended; "
        "the file stays as it is. What needs a yes is left alone where there is no terminal to ask "
        "on and no --yes. What needs knowledge is told, never done. Every repair is recorded "
        "before it is done, and --undo brings back what was there. No process is killed, and no "
        "data is deleted. The exit status of --apply is 0 when the domain runs (with --no-start: "
        "when all was mended)."
    ),
)
def fix(run: Run, *, domain: str, undo: bool, list: bool, **given: bool) -> int:
    """Show, do, take back or list the repairs of a guest."""
    applies = given["apply"] or given["yes"] or given["no_start"]
    if undo + list + applies > 1:
        raise BadUsage("command 'fix' takes one of --apply, --undo and --list")
    if undo:
        return _undo(run, _name(run, domain))
    if list:
        return _list(run, _name(run, domain))
    name, xml = subject(run, domain)
    if not applies:
        return _show(run, domain, _about(name, xml))
    work = Work(run, name, xml, yes=given["yes"], start=not given["no_start"])
    return work.through()


class Work:
    """One call of ``fix --apply``: rounds of repairs and starts until the guest runs."""

    def __init__(self, run: Run, name: str, xml: str, *, yes: bool, start: bool) -> None:
        self._run = run
        self._name = name
        self._xml = xml
        self._may = _answer(run, yes=yes)
        self._start = start
        self._tried: set[str] = set()
        self._declined: set[str] = set()
        self._transaction: str | None = None
        self._results: list[dict[str, Any]] = []
        self._left: list[dict[str, Any]] = []
        self._error = ""
        self._runs = False
        self._tries = 0

    def through(self) -> int:
        """Mend and start until the guest runs or nothing more can be done; the exit status."""
        for _ in range(ROUNDS_MAX):
            if not self._round():
                break
        return self._end()

    def _round(self) -> bool:
        """Mend what shows now and try the start; tell whether another round may help."""
        plan = _ask(self._run, "FIX", **_about(self._name, self._xml))
        self._name = plan["guest"] or self._name
        if plan["active"]:
            self._runs = True
            self._say(f"Domain '{self._name}' runs: nothing is to be mended")
            return False
        self._left = []
        done = [self._mend(item) for item in plan["items"]]
        mended = any(done)
        proven = any(item["certainty"] == "proven" for item in self._left)
        if self._xml:
            return mended or (not proven and self._define())
        if not mended and (proven or self._tries):
            return False
        if not self._start:
            return mended
        return not self._try_start()

    def _mend(self, item: dict[str, Any]) -> bool:
        """Do the first way out that may be gone and works; tell whether one did."""
        shown = False
        for option in item["options"]:
            if option["key"] in self._tried | self._declined or option["obstacle"]:
                continue
            asks = option["safety"] != AUTO
            if asks and self._may is None:
                continue
            if not shown:
                self._tell(_cause(item))
                shown = True
            if asks and self._may is not None and not self._may(option):
                self._declined.add(option["key"])
                continue
            self._tried.add(option["key"])
            if self._do(option):
                return True
        self._left.append(item)
        return False

    def _do(self, option: dict[str, Any]) -> bool:
        reply = _ask(
            self._run,
            "FIX_APPLY",
            **_about(self._name, self._xml),
            keys=[option["key"]],
            transaction=self._transaction,
        )
        (result,) = reply["results"]
        self._transaction = reply["transaction"]
        self._xml = reply.get("xml", "")
        self._results.append({**result, "text": option["text"]})
        if result["state"] == "done":
            self._tell(_option("done", option))
        elif result["state"] == "failed":
            self._tell(_wrapped("failed", f"{option['text']}: {result['error']}"))
        return bool(result["state"] != "failed")

    def _define(self) -> bool:
        """Define the guest of the document, now that nothing is known to be wrong with it."""
        try:
            reply = _ask(self._run, "FIX_DEFINE", xml=self._xml, transaction=self._transaction)
        except VirtError as exc:
            self._error = exc.message
            return False
        self._name, self._transaction, self._xml = reply["guest"], reply["transaction"], ""
        self._results.append({"key": "", "state": "done", "error": "", "text": "define"})
        self._say(f"Domain '{self._name}' defined")
        return True

    def _try_start(self) -> bool:
        self._tries += 1
        try:
            self._run.conn.call("DOMAIN_CREATE", dom=self._run.guest(self._name))
        except VirtError as exc:
            self._error = exc.message
            return False
        self._error, self._runs = "", True
        self._say(f"Domain '{self._name}' started")
        return True

    def _end(self) -> int:
        well = self._runs or (not self._start and not self._left)
        mended = any(one["state"] == "done" for one in self._results)
        if self._run.json:
            self._run.document(
                {
                    "guest": self._name,
                    "runs": self._runs,
                    "transaction": self._transaction if mended else None,
                    "results": self._results,
                    "left": self._left,
                    "error": self._error,
                }
            )
            return 0 if well else 1
        for item in () if self._runs else self._left:
            self._tell([*_cause(item), *_by_hand(item, refused=True)])
        if mended:
            self._tell(_wrapped("undo", f"virtup fix {self._name} --undo"))
        if well:
            if not mended and not self._runs:
                self._say("Nothing is to be mended")
            return 0
        # what is left was told with its cause: the error need not say that again
        error = self._error.partition("\n")[0] if self._left else self._error
        raise Failure(_failure(self._name, error, mended=mended))

    def _say(self, text: str) -> None:
        if not self._run.json:
            self._run.line(text)

    def _tell(self, lines: Iterable[str]) -> None:
        if not self._run.json:
            self._run.out("".join(f"{line}\n" for line in lines))


def _failure(name: str, error: str, *, mended: bool) -> str:
    noun = f"domain '{name}'" if name else "the domain"
    if error:
        return f"{noun[0].upper()}{noun[1:]} still does not start\nerror: {error}"
    what = "Not all was mended" if mended else "Nothing was mended"
    return f"{what}: {noun} is off"


# -- the other acts ----------------------------------------------------------------------------


def _show(run: Run, name: str, about: dict[str, str]) -> int:
    plan = _ask(run, "FIX", **about)
    if run.json:
        run.document(plan)
        return 0
    if plan["active"]:
        run.line(f"Domain '{name}' runs: nothing is to be mended")
        return 0
    if not plan["items"]:
        run.line(f"Nothing is known that keeps domain '{name}' from starting")
        return 0
    ready = False
    for item in plan["items"]:
        lines = _cause(item)
        usable = [one for one in item["options"] if not one["obstacle"]]
        for option in usable:
            label = "repair" if option["safety"] == AUTO else "asks"
            lines += _option(label, option)
        lines += [] if usable else _by_hand(item, refused=False)
        ready = ready or bool(usable)
        run.out("".join(f"{line}\n" for line in lines))
    if ready:
        run.line(f"\n'virtup fix {name} --apply' does it and starts the domain")
    return 0


def _undo(run: Run, name: str) -> int:
    with run.trying(f"Failed to take back the last repair of domain '{name}'"):
        work = _ask(run, "FIX_UNDO", domain=name)
    stays = [one for one in work["steps"] if one["state"] != "undone" and one["error"]]
    if run.json:
        run.document(work)
        return 1 if stays else 0
    for step in reversed(work["steps"]):
        if step["state"] == "undone":
            run.out("".join(f"{line}\n" for line in _wrapped("undone", step["text"])))
    for step in stays:
        text = f"{step['text']}: {step['error']}"
        run.out("".join(f"{line}\n" for line in _wrapped("stays", text)))
    return 1 if stays else 0


def _list(run: Run, name: str) -> int:
    found = _ask(run, "FIX_LIST", domain=name)["transactions"]
    rows = [
        [_moment(work["began"]), step["state"], step["code"], step["text"]]
        for work in found
        for step in work["steps"]
    ]
    run.table(["Began", "State", "Cause", "Repair"], rows, found)
    return 0


# -- asking and telling ------------------------------------------------------------------------


def _answer(run: Run, *, yes: bool) -> Callable[[dict[str, Any]], bool] | None:
    """Return who says whether what is not safe may be done; None where nobody can be asked."""
    import sys

    if yes:
        return lambda _option: True
    if run.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None

    def ask(option: dict[str, Any]) -> bool:
        import click

        run.out("".join(f"{line}\n" for line in _option("repair", option)))
        return click.confirm("          Do this?", default=False)

    return ask


def _ask(run: Run, procedure: str, **request: Any) -> dict[str, Any]:
    """What virtupd says; refuses with a clear word where another daemon serves."""
    try:
        reply: dict[str, Any] = run.conn.call_virtup(procedure, request)
    except VirtError as exc:
        if (exc.code, exc.origin) == (Code.RPC, Origin.RPC):
            raise Failure("this daemon mends no domains: it is not virtupd", exc) from exc
        raise
    return reply


def _about(name: str, xml: str) -> dict[str, str]:
    """How a request names its guest."""
    return {"xml": xml} if xml else {"domain": name}


def _name(run: Run, domain: str) -> str:
    """The guest's name; *domain* itself for one that is gone."""
    from virtup.client.guests import lookup

    handle = lookup(run.conn, domain)
    return domain if handle is None else str(handle["name"])


def _cause(item: dict[str, Any]) -> list[str]:
    label = {"proven": "cause", "likely": "likely"}.get(item["certainty"], "maybe")
    return _wrapped(label, f"{item['sentence']} [{item['code']}]")


def _option(label: str, option: dict[str, Any]) -> list[str]:
    shown = _wrapped(label, option["text"])
    for line in (*option["commands"], *option["changes"]):
        shown.append(f"{'':10}{line}")
    return shown


def _by_hand(item: dict[str, Any], *, refused: bool) -> list[str]:
    """What a person has to do, or to say, about a finding."""
    usable = [one for one in item["options"] if not one["obstacle"]]
    if refused and usable:
        return _wrapped("left", f"{usable[0]['text']}: needs a yes (--yes)")
    shown = [line for one in item["options"] for line in _wrapped("cannot", one["obstacle"])]
    for one in item["fixes"][:2]:
        if not one["repair"] or not item["options"]:
            shown += _wrapped("by hand", one["text"])
            shown += [f"{'':10}{line}" for line in one["commands"]]
    return shown


def _wrapped(label: str, words: str) -> list[str]:
    from textwrap import wrap

    clean = " ".join(words.split())
    lines = wrap(clean, WIDTH - 10, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{f'{label}:' if not at else '':<10}{line}" for at, line in enumerate(lines)]


def _moment(began: str) -> str:
    return began.replace("T", " ")[:19]
