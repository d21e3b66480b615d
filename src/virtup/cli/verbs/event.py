"""event."""

from __future__ import annotations

from datetime import UTC, datetime

from virtup.cli.grammar import Failure, flag, number, text
from virtup.cli.run import Run
from virtup.cli.verb import verb
from virtup.cli.verbs.events import EVENTS, event_name, subject, told
from virtup.client.guests import Handle, format_uuid
from virtup.wire.session import MessageReceived


@verb(
    "event",
    "list kinds of events, or wait for events of domains",
    text("domain", "only of this domain (name, id or uuid)", completes="guest"),
    text("event", "the kind of event to wait for", completes=EVENTS, positional=False),
    flag("all", "wait for events of all kinds"),
    flag("loop", "go on until the time is out or Ctrl-C, not only to the first event"),
    number("timeout", "seconds to wait"),
    flag("list", "list the kinds of events"),
    flag("timestamp", "print when each event came"),
)
def event(run: Run, *, timeout: int | None, timestamp: bool, **given: bool | str | None) -> int:
    """Print the kinds of events, or events as they come; status 1 when none came."""
    if timeout is not None and timeout < 1:
        raise Failure(
            f"Numeric value '{timeout}' for <timeout> option is malformed or out of range"
        )
    _check(given)
    if given["list"]:
        if run.json:
            run.document(list(EVENTS))
        else:
            run.out("".join(f"{name}\n" for name in EVENTS))
        return 0
    wanted = range(len(EVENTS)) if given["all"] else (EVENTS.index(str(given["event"])),)
    domain = given["domain"]
    handle = run.guest(str(domain)) if domain is not None else None
    callbacks = _register(run, wanted, handle)
    count, ended = _wait(
        run, callbacks, timeout=timeout, loop=bool(given["loop"]), timestamp=timestamp
    )
    if not run.json:
        run.out(f"{ended}events received: {count}\n")
    return 0 if count else 1


def _check(given: dict[str, bool | str | None]) -> None:
    for one, other in (("list", "event"), ("list", "all"), ("all", "event")):
        if given[one] and given[other]:
            raise Failure(f"Options --{one} and --{other} are mutually exclusive")
    if given["event"] and given["event"] not in EVENTS:
        raise Failure(f"unknown event type {given['event']}")
    if not (given["list"] or given["all"] or given["event"]):
        raise Failure("one of --list, --all, or --event <type> is required")


def _register(run: Run, wanted: range | tuple[int, ...], handle: Handle | None) -> set[int]:
    """Ask for the events with the numbers *wanted*; the ids of the callbacks."""
    return {
        run.conn.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=number, dom=handle)[
            "callbackID"
        ]
        for number in wanted
    }


def _wait(
    run: Run, callbacks: set[int], *, timeout: int | None, loop: bool, timestamp: bool
) -> tuple[int, str]:
    """Print events until enough came; how many did, and what ended the wait, as virsh tells it."""
    count = 0
    try:
        for message in run.conn.events(timeout):
            if message.body.get("callbackID") not in callbacks:
                continue
            count += 1
            _print(run, message, timestamp=timestamp)
            if not loop:
                return count, ""
    except KeyboardInterrupt:
        return count, "event loop interrupted\n"
    return count, "event loop timed out\n"


def _print(run: Run, message: MessageReceived, *, timestamp: bool) -> None:
    now = _now()
    name = event_name(message.procedure.name)
    if run.json:
        dom, facts = subject(message.body)
        run.document(
            {
                "time": now,
                "event": name,
                "domain": dom["name"],
                "uuid": format_uuid(dom["uuid"]),
                "text": told(name, message.body).rstrip("\n"),
                "args": facts,
            },
            compact=True,
        )
        return
    lines = told(name, message.body)
    run.out(f"{now}: {lines}" if timestamp else lines)


def _now() -> str:
    """The time in libvirt's form, UTC with milliseconds."""
    now = datetime.now(UTC)
    return f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03}+0000"
