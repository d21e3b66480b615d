"""The entry of ``virtup-guests``: the verbs of libvirt-guests, and their exit statuses.

0 all is well, 1 something failed (which is told), 2 wrong usage, 3 from ``status``: stopped,
6 a setting cannot be (it is told, and the work is done with its default).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import click

from virtup import __version__
from virtup.client.connection import connect
from virtup.client.guests import ACTIVE, list_all
from virtup.errors import VirtError
from virtup.guests import kept as kept_
from virtup.guests import places as where
from virtup.guests import plan as plans
from virtup.guests import start as starting
from virtup.guests import status as statuses
from virtup.guests import stop as stopping
from virtup.guests.kept import Kept
from virtup.guests.office import Office, first_line
from virtup.guests.report import Run
from virtup.guests.settings import Problem
from virtup.host import disk as durable
from virtup.host.clock import SystemClock
from virtup.host.inhibit import inhibited
from virtup.host.lock import Lock, Locked, acquire

OK, FAILED, STOPPED, BAD_SETTING = 0, 1, 3, 6

LOCK_WAIT_S = 60.0
"""How long another virtup-guests is waited for."""


@dataclass
class Command(Kept):
    """One call of the command: what is kept, how it is told, and whom it is about."""

    as_json: bool
    names: list[str]

    def office(self, *, autostart: bool = True, mend: bool = False) -> Office:
        """Return what a stop or start works with; raises ListDamaged, OSError.

        With *mend*, a damaged list is set aside, and that is told.
        """
        return self.opened(_say, _complain, autostart=autostart, mend=mend)


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``virtup-guests`` and exit."""
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def run(argv: Sequence[str]) -> int:
    """Run ``virtup-guests`` with *argv*; its exit status."""
    options = _parser().parse_args(argv)
    try:
        command, problems = _prepare(options)
        for problem in problems:
            _complain(str(problem))
        status = _VERBS[options.verb](command)
    except VirtError as error:
        _complain(error.message)
        return FAILED
    except BrokenPipeError:
        sys.stdout = None
        return FAILED
    except OSError as error:
        place = f"'{error.filename}': " if error.filename else ""
        _complain(f"{place}{error.strerror or error}")
        return FAILED
    return BAD_SETTING if problems and status in (OK, FAILED) else status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="virtup-guests",
        usage="%(prog)s [--json] [--config FILE] [--root DIR] VERB [GUEST...]",
        description="Guests that go down and come back with the host.",
        epilog=_VERBS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=_VERBS, metavar="VERB", help="what to do, see below")
    parser.add_argument("names", nargs="*", default=[], metavar="GUEST", help="whom to forget")
    parser.add_argument("--json", action="store_true",
                        help="print status, gueststatus and plan as JSON")  # fmt: skip
    parser.add_argument("--config", metavar="FILE", help="read the settings from FILE alone")
    parser.add_argument("--root", metavar="DIR", help="keep everything under DIR")
    parser.add_argument("--version", action="version", version=f"virtup-guests {__version__}")
    return parser


def _prepare(options: argparse.Namespace) -> tuple[Command, list[Problem]]:
    if options.names and options.verb != "forget":
        _usage(f"'{options.verb}' takes no further words")
    if options.verb == "forget" and not options.names:
        _usage("forget whom?")
    kept, problems = kept_.find(os.environ, os.geteuid(), root=options.root, config=options.config)
    command = Command(kept.places, kept.settings, kept.disk, options.json, options.names)
    return command, problems


def _usage(text: str) -> None:
    _complain(f"{text}; 'virtup-guests --help' tells the usage")
    sys.exit(2)


@contextlib.contextmanager
def _at_work(command: Command, why: str) -> Iterator[None]:
    """Be the only one at work, and hold the host up where a person may send it down.

    Where no lock can be had for want of a place to write, the work is done all the same.
    """
    lock: Lock | None = None
    try:
        where.make(command.places, command.disk)
        lock = asyncio.run(_lock(command.places.lock))
        durable.sweep(command.disk, command.places.directory)
    except OSError as error:
        _complain(f"'{error.filename}': {error.strerror}; going on without a lock")
    try:
        # in a unit's job the service manager keeps the order, and logind may be going down
        if "INVOCATION_ID" in os.environ:
            yield
        else:
            with inhibited("virtup-guests", why):
                yield
    finally:
        if lock is not None:
            lock.release()


async def _lock(path: str) -> Lock:
    clock = SystemClock()
    until = clock.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return acquire(path)
        except Locked as error:
            if clock.monotonic() > until:
                raise VirtError(
                    f"another virtup-guests (pid {error.pid}) is at work; it was waited for "
                    f"{LOCK_WAIT_S:g} s"
                ) from error
        await clock.sleep(0.2)


# -- the verbs -------------------------------------------------------------------------------------


def _start(command: Command) -> int:
    with _at_work(command, "guests are coming back"):
        office = command.office()
        run = asyncio.run(starting.start(office))
        command.mark(started=True)
    return _ended(run)


def _stop(command: Command) -> int:
    with _at_work(command, "guests are being saved"):
        office = command.office(mend=True)
        run = asyncio.run(stopping.stop(office))
        command.mark(started=False)
    return _ended(run)


def _ended(run: Run) -> int:
    return FAILED if run.failed else OK


def _restart(command: Command) -> int:
    return _stop(command) or _start(command)


def _try_restart(command: Command) -> int:
    return _restart(command) if command.is_started else OK


def _shutdown(command: Command) -> int:
    command.settings = replace(command.settings, on_shutdown="shutdown")
    return _stop(command)


def _reload(_command: Command) -> int:
    return OK  # the settings are read at every call


def _status(command: Command) -> int:
    office = command.office(autostart=False)
    started = command.is_started
    facts = asyncio.run(statuses.gather(office, started=started))
    if command.as_json:
        _document(facts)
    else:
        for line in statuses.lines(office, facts):
            _say(line)
    return OK if started else STOPPED


def _plan(command: Command) -> int:
    office = command.office()
    foreseen = asyncio.run(stopping.foresee(office))
    if command.as_json:
        _document({uri: one if isinstance(one, str) else asdict(one) for uri, one in foreseen})
    for uri, plan in foreseen:
        if isinstance(plan, str):
            _complain(plan)
        elif not command.as_json:
            _say(f"Guests on {uri}, if the host went down now:")
            for line in plans.lines(plan):
                _say(line)
    return FAILED if any(isinstance(plan, str) for _, plan in foreseen) else OK


def _gueststatus(command: Command) -> int:
    status, found = OK, {}
    for uri in command.settings.uris:
        if not command.as_json:
            _say(f"* {uri} URI:")
        try:
            with connect(None if uri == "default" else uri, readonly=True) as conn:
                guests = list_all(conn, ACTIVE)
                states = conn.gather(
                    ("DOMAIN_GET_STATE", {"dom": each, "flags": 0}) for each in guests
                )
        except VirtError as error:
            _complain(first_line(error))
            status = FAILED
            continue
        rows = [
            (str(each["id"]), str(each["name"]), _STATES.get(state["state"], "no state"))
            for each, state in zip(guests, states, strict=True)
            if not isinstance(state, VirtError)
        ]
        rows.sort(key=lambda each: int(each[0]))
        found[uri] = [{"id": int(row[0]), "name": row[1], "state": row[2]} for row in rows]
        if not command.as_json:
            for row in [("Id", "Name", "State"), *rows]:
                _say(f" {row[0]:<4} {row[1]:<20} {row[2]}")
            _say("")
    if command.as_json:
        _document(found)
    return status


def _forget(command: Command) -> int:
    status = OK
    with _at_work(command, "a guest is taken off the list"):
        office = command.office()
        for name in command.names:
            found = [e for e in office.waiting.entries() if name in (e.name, e.uuid)]
            if not found:
                _complain(f"'{name}' is not on the list of those that are to come back")
                status = FAILED
            for entry in found:
                office.waiting.remove(entry.key)
                _say(f"{entry.name}: taken off the list; its saved state, if any, stays")
    return status


_STATES = {1: "running", 2: "idle", 3: "paused", 4: "in shutdown", 6: "crashed", 7: "pmsuspended"}

_VERBS: dict[str, Callable[[Command], int]] = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "condrestart": _try_restart,
    "try-restart": _try_restart,
    "reload": _reload,
    "force-reload": _reload,
    "status": _status,
    "gueststatus": _gueststatus,
    "shutdown": _shutdown,
    "plan": _plan,
    "forget": _forget,
}


_VERBS_HELP = """\
verbs:
  start        bring back those who are to come back
  stop         save the guests that run, or shut them down, by the settings
  shutdown     shut them down, whatever the settings say
  restart      stop, then start
  status       who is back, who is not, and why; exit status 3: stopped
  gueststatus  who runs now
  plan         what a stop would do now
  forget       take guests off the list of those who are to come back

  try-restart, condrestart: restart where it was started; reload, force-reload:
  nothing, the settings are read at every call
"""


def _say(text: str) -> None:
    click.echo(text)


def _complain(text: str) -> None:
    click.echo(f"error: {text}", err=True)


def _document(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
